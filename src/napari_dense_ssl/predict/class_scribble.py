"""A class of a class map as a scribble: some of its pixels, as many as a stroke has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScribbleError

STROKE_PIXELS = 500
"""Pixels of a stroke of ordinary length and width."""


def class_pixels(
    classes: NDArray[Any], labels: Iterable[int], *, most: int = STROKE_PIXELS, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of pixels of some classes, drawn at random, the same ones for a seed.

    Parameters
    ----------
    classes : ndarray, shape (Y, X)
        A class map, class + 1; 0 is 'not predicted'.
    labels : iterable of int
        Which of its values are meant: a class, or a group of merged ones.
    most : int
        How many pixels at most.
    seed : int

    Raises
    ------
    ScribbleError
        If none of them occurs.
    """
    wanted = sorted({int(label) for label in labels} - {0})
    places = np.flatnonzero(np.isin(classes, wanted))
    if not len(places):
        named = ", ".join(str(label - 1) for label in wanted) or "none"
        raise ScribbleError(
            f"The classes {named} do not occur in what is computed of this slice; choose one that does, or "
            "compute the slice first (Classes dock)."
        )
    if len(places) > most:
        places = np.sort(np.random.default_rng(seed).choice(places, most, replace=False))
    rows, columns = np.unravel_index(places, classes.shape)
    return rows, columns
