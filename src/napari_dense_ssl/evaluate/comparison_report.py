"""A comparison on disk: figures as JSON, tables as CSV, pictures and one page as PNG."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.evaluate.audit_result import ranges
from napari_dense_ssl.evaluate.comparison import Comparison
from napari_dense_ssl.evaluate.comparison_pictures import (
    LIGHT,
    Look,
    confusion_figure,
    draw_confusion,
    draw_slices,
    new_figure,
    slices_figure,
)
from napari_dense_ssl.evaluate.csv_table import write_table

MEANINGS: dict[str, tuple[str, str, str]] = {
    "mi_frac": (
        "MI share",
        ".3f",
        "Share of the truth's information that the classes tell: 0 nothing, 1 all of it",
    ),
    "ami": ("AMI", ".3f", "Mutual information adjusted for chance: 0 is chance, 1 perfect"),
    "ari": ("ARI", ".3f", "Pairs of pixels judged alike, adjusted for chance: 0 is chance, 1 perfect"),
    "miou": (
        "mIoU, majority",
        ".3f",
        "Mean intersection / union; each class named by the truth it meets most, 0 to 1",
    ),
    "miou_fair": (
        "mIoU, fair",
        ".3f",
        "The same, named by over-representation, which rare classes need, 0 to 1",
    ),
    "miou_hungarian": ("mIoU, Hungarian", ".3f", "The same, one predicted class for each true one, 0 to 1"),
    "mdice": ("mean Dice", ".3f", "Mean of 2 intersection / (area + area), named by majority, 0 to 1"),
    "accuracy": ("accuracy", ".3f", "Share of the pixels named rightly (majority), 0 to 1"),
    "boundary_f": (
        "boundary F",
        ".3f",
        "Boundaries met within the tolerance: harmonic mean of precision and recall, 0 to 1",
    ),
    "boundary_precision": (
        "boundary precision",
        ".3f",
        "Share of the predicted boundary that is near a true one, 0 to 1",
    ),
    "boundary_recall": (
        "boundary recall",
        ".3f",
        "Share of the true boundary that is near a predicted one, 0 to 1",
    ),
    "adapted_rand_error": (
        "adapted Rand error",
        ".3f",
        "1 - F of the pairs of pixels that are joined: 0 is perfect, 1 nothing in common",
    ),
    "voi_split": ("VOI split, bits", ".3f", "What was cut up: H(prediction | truth), 0 is perfect"),
    "voi_merge": ("VOI merge, bits", ".3f", "What was run together: H(truth | prediction), 0 is perfect"),
    "effective_classes": ("effective classes", ".1f", "exp of the entropy of the class areas, 1 to K"),
    "classes_used": ("classes used", "d", "Predicted classes that hold more than a thousandth of the pixels"),
    "coverage": ("coverage", ".1%", "Share of the labelled pixels that are predicted"),
    "pixels": ("pixels", ",d", "Pixels scored: labelled and predicted"),
}
"""What is shown of a comparison, in order: heading, format, and a sentence with the range."""


def figure_rows(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Return name, heading, value and meaning of each figure that was measured."""
    values = comparison.as_dict()
    return [
        (name, heading, format(values[name], digits), meaning)
        for name, (heading, digits, meaning) in MEANINGS.items()
        if values[name] is not None
    ]


def write_comparison(
    comparison: Comparison,
    folder: os.PathLike[str] | str,
    *,
    names: Mapping[int, str] | None = None,
    dpi: int = 130,
) -> list[Path]:
    """Write everything of a comparison into a folder, which is made where it is missing.

    ``evaluation.json`` (all figures), ``classes.csv``, ``slices.csv``, ``report.png``, ``slices.png``, and,
    for at most 64 classes, ``confusion.csv`` and ``confusion.png``. Files of these names are replaced.

    Parameters
    ----------
    comparison : Comparison
    folder : path
    names : mapping of int to str, optional
        Of the truth's labels.
    dpi : int
        Dots per inch of the pictures.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OutputError
        If the folder cannot be made or written to.
    """
    place = Path(folder).expanduser()
    called = names or {}
    pictures = {"report.png": report_page(comparison, names=called), "slices.png": slices_figure(comparison)}
    if not comparison.instances:
        pictures["confusion.png"] = confusion_figure(comparison, names=called)
    try:
        place.mkdir(parents=True, exist_ok=True)
        written = [place / "evaluation.json"]
        written[0].write_text(json.dumps(comparison.as_dict(), indent=2) + "\n", encoding="utf-8")
        for name, (head, rows) in _tables(comparison, called).items():
            write_table(place / name, head, rows)
            written.append(place / name)
        for name, figure in pictures.items():
            figure.savefig(place / name, dpi=dpi)
            written.append(place / name)
    except OSError as error:
        raise OutputError(
            f"The evaluation cannot be written to {place} ({error.strerror or error}); choose a folder where "
            "you may write and where there is room."
        ) from error
    return written


def _tables(comparison: Comparison, names: Mapping[int, str]) -> dict[str, tuple[list[str], list[list[Any]]]]:
    classes = comparison.class_rows()
    heads = ["label", "pixels", "iou", "dice", "iou_hungarian", "dice_hungarian", "boundary_f"]
    rows = [
        [names.get(int(row["label"]), str(row["label"])), *(row.get(name, "") for name in heads)]
        for row in classes
    ]
    lines = [
        [
            one.z,
            one.pixels,
            one.miou,
            one.mdice,
            one.accuracy,
            "" if one.boundary_f is None else one.boundary_f,
        ]
        for one in comparison.slices
    ]
    tables: dict[str, tuple[list[str], list[list[Any]]]] = {
        "classes.csv": (["name", *heads], rows),
        "slices.csv": (["slice", "pixels", "miou", "mdice", "accuracy", "boundary_f"], lines),
    }
    if not comparison.instances:
        counts, labels, unnamed = comparison.confusion()
        columns = [*map(str, labels), *(["no name"] if unnamed else [])]
        matrix = [[label, *map(int, row)] for label, row in zip(labels, counts, strict=True)]
        tables["confusion.csv"] = (["true \\ predicted (pixels)", *columns], matrix)
    return tables


def report_page(
    comparison: Comparison, *, names: Mapping[int, str] | None = None, look: Look = LIGHT
) -> Figure:
    """Draw the page: figures with their meaning, IoU by class, confusion, slices."""
    figure = new_figure((15, 10.4), look)
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0.01, 0.01, 0.98, 0.97))
    figure.suptitle(
        f"{_short(comparison.prediction)}  against  {_short(comparison.truth)}",
        x=0.02,
        ha="left",
        size=14,
        weight="bold",
        color=look.ink,
    )
    parts: Any = figure.subfigures(1, 2, width_ratios=(1.05, 1))
    left, right = parts
    for part in (left, right):
        part.set_facecolor(look.ground)
    upper, lower = left.subplots(2, 1, height_ratios=(1.9, 1))
    _draw_figures(upper, comparison, look)
    draw_slices(lower, comparison, look)
    if comparison.instances:
        _draw_instances(right.subplots(), comparison, look)
    else:
        top, bottom = right.subplots(2, 1, height_ratios=(1.7, 1))
        draw_confusion(top, comparison, names or {}, look)
        _draw_classes(bottom, comparison, names or {}, look)
    return figure


def _draw_figures(axes: Axes, comparison: Comparison, look: Look) -> None:
    axes.set_axis_off()
    rows = figure_rows(comparison)
    step = 1 / (len(rows) + 3)
    for row, (_, heading, value, meaning) in enumerate(rows):
        y = 1 - (row + 0.7) * step
        axes.text(0, y, heading, size=9.5, color=look.ink, va="center")
        axes.text(0.34, y, value, size=9.5, color=look.ink, va="center", ha="right", family="monospace")
        axes.text(0.37, y, meaning, size=7.6, color=look.faint, va="center")
        axes.axhline(y - step / 2, color=look.faint, linewidth=0.4, alpha=0.6)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.text(0, 1.6 * step, _what(comparison), size=8, color=look.faint, va="top", wrap=True)


def _what(comparison: Comparison) -> str:
    within = "" if comparison.tolerance is None else f"; boundaries within {comparison.tolerance}"
    named = _ranges(comparison.fit)
    return f"Slices {_ranges(comparison.score)} scored, classes named on {named}{within}."


def _ranges(numbers: tuple[int, ...]) -> str:
    text = ranges(tuple(sorted(numbers)))
    return text if len(text) < 60 else f"{min(numbers)}-{max(numbers)}, some left out"


def _draw_classes(axes: Axes, comparison: Comparison, names: Mapping[int, str], look: Look) -> None:
    rows = comparison.class_rows()
    at = np.arange(len(rows))
    labels = [int(row["label"]) for row in rows]
    colours = [class_colours()[label % 256] if label % 256 else (0.5, 0.5, 0.5, 1) for label in labels]
    axes.bar(at - 0.2, [row["iou"] for row in rows], 0.36, color=colours)
    axes.bar(at + 0.2, [row["dice"] for row in rows], 0.36, color=colours, alpha=0.45)
    axes.set_xticks(at, [names.get(label, str(label)) for label in labels], size=8)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", color=look.faint, linewidth=0.5, alpha=0.4)
    axes.set_xlabel("true class")
    axes.set_title("IoU (full) and Dice (pale) by class", loc="left", size=10, color=look.ink)
    axes.set_facecolor(look.ground)
    axes.tick_params(colors=look.ink)
    axes.xaxis.label.set_color(look.ink)
    for spine in axes.spines.values():
        spine.set_color(look.faint)


def _draw_instances(axes: Axes, comparison: Comparison, look: Look) -> None:
    values = [row["iou_hungarian"] for row in comparison.class_rows()]
    axes.hist(values, bins=np.linspace(0, 1, 21).tolist(), color=look.deep)
    axes.set_xlabel("IoU of a true label with the one segment that is matched to it")
    axes.set_ylabel("labels")
    axes.set_title(f"{len(values):,} labels: how well each is met", loc="left", size=10, color=look.ink)


def _short(path: str) -> str:
    return path if len(path) <= 60 else f"…{path[-59:]}"
