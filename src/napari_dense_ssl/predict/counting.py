"""What the classes of a whole volume amount to, read from disk slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.class_figures import ClassFigures

if TYPE_CHECKING:
    from napari_dense_ssl.volume import Volume

_MOST_PIXELS = 2 * 10**8
_BLOCK = 1024  # px, edge of what is read between two beats


def counted_slices(shape: tuple[int, int, int]) -> range:
    """Return the slices that are counted: all, or as many, evenly spread, as 200 million pixels allow."""
    z, y, x = shape
    step = -(-z * y * x // _MOST_PIXELS)
    return range(min(z - 1, step // 2), z, step)


def count_classes(
    figures: ClassFigures, classes: Volume, error: Volume | None, image: Volume | None
) -> Iterator[Beat]:
    """Add a volume's classes to figures, a block at a time.

    Parameters
    ----------
    figures : ClassFigures
        Added to.
    classes : Volume
        The class map, uint8.
    error, image : Volume or None
        Of the same shape.

    Yields
    ------
    Beat
        After each block.

    Raises
    ------
    VolumeError
        If one of them cannot be read.
    """
    _, height, width = classes.shape
    for z in counted_slices(classes.shape):
        for y in range(0, height, _BLOCK):
            for x in range(0, width, _BLOCK):
                box = Box((z, y, x), (z + 1, min(height, y + _BLOCK), min(width, x + _BLOCK)))
                figures.add(
                    ClassFigures.of(
                        classes.read(box).astype(np.uint8, copy=False),
                        None if error is None else error.read(box),
                        None if image is None else image.read(box),
                    )
                )
                yield Beat()
