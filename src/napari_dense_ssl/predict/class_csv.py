"""The table of classes as a file: groups, names, colours and figures."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.predict.class_figures import ClassFigures

HEADER = ("class", "label", "name", "group", "colour", "share", "mean_intensity", "mean_error")


def write_class_csv(path: str | os.PathLike[str], book: ClassBook, figures: ClassFigures) -> None:
    """Write a line a class: number, label in the map, name and number of its group, colour, figures.

    The share is that of the pixels counted, 0 to 1; the mean intensity is in the image's own units; the mean
    error is the equivariance error, 0 to 1. A figure that is not known is empty.

    Parameters
    ----------
    path : str or path
        UTF-8 with a mark at its beginning, which spreadsheets ask for.
    book : ClassBook
    figures : ClassFigures
        By class.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    columns = figures.share(), figures.mean_grey(), figures.mean_error()
    with Path(path).open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for k in range(book.classes):
            red, green, blue = book.colour(k)
            numbers = ["" if np.isnan(column[k + 1]) else f"{column[k + 1]:.6g}" for column in columns]
            colour = f"#{red:02x}{green:02x}{blue:02x}"
            table.writerow([k, k + 1, book.name(k), book.index[k] + 1, colour, *numbers])
