"""Connected components of a class, block by block.

cc3d (connected-components-3d) labels a block some five times as fast as scipy.ndimage.label and measures its
components in the same breath; dask-image would hold all borders' graph in tasks and measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.beating import beating
from napari_dense_ssl.core.events import Event
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.clock import Clock
from napari_dense_ssl.evaluate.objects.assembly import Pieces, touching
from napari_dense_ssl.evaluate.objects.settings import ObjectSettings


def components(
    read: Callable[[Box], NDArray[Any]],
    classes: tuple[int, ...],
    target: Any,
    parts: list[Box],
    settings: ObjectSettings,
    clock: Clock,
) -> Generator[Event, None, Pieces]:
    """Write the numbers of connected pieces block by block, and find out which of them are one.

    Parameters
    ----------
    read : callable
        Returns the class map of a box.
    classes : tuple of int
        The labels that objects are made of, taken together.
    target : array-like, uint32
        Where the numbers are written, in the map's own voxels less the first block's origin.
    parts : list of Box
        Blocks that fill a box.
    settings : ObjectSettings
    clock : Clock
        Gets a step for each block.
    """
    pieces = Pieces()
    low = tuple(min(part.start[a] for part in parts) for a in range(3))
    high = tuple(max(part.stop[a] for part in parts) for a in range(3))
    for part in parts:
        inner = tuple(
            (part.start[a] > low[a], part.stop[a] < high[a])
            for a in range(3)  # whether a side borders on another block
        )
        labels = yield from beating(partial(_read_block, read, part, classes, settings, inner, pieces))
        origin = tuple(s - b for s, b in zip(part.start, low, strict=True))
        if labels.any():
            numbers = np.where(labels > 0, labels + np.uint32(pieces.count), np.uint32(0))
            pieces.add(labels, origin)
            index = tuple(slice(o, o + n) for o, n in zip(origin, part.shape, strict=True))
            target[index] = numbers
        yield clock.step(1)
    whole = Box((0, 0, 0), (high[0] - low[0], high[1] - low[1], high[2] - low[2]))
    for axis in range(3):
        for at in sorted({part.start[axis] - low[axis] for part in parts} - {0}):
            for pairs in touching(target, whole, axis, at, settings.connectivity):
                pieces.join(pairs)
                yield clock.step(0)
    return pieces


def _read_block(
    read: Callable[[Box], NDArray[Any]],
    part: Box,
    classes: tuple[int, ...],
    settings: ObjectSettings,
    inner: tuple[tuple[bool, bool], ...],
    pieces: Pieces,
) -> NDArray[np.uint32]:
    return _block(read(part), classes, settings, inner, pieces)


def _block(
    block: NDArray[Any],
    classes: tuple[int, ...],
    settings: ObjectSettings,
    inner: tuple[tuple[bool, bool], ...],
    pieces: Pieces,
) -> NDArray[np.uint32]:
    """Label a block; pieces that are too small and end in it are left out at once: the table stays short."""
    mask = block == classes[0] if len(classes) == 1 else np.isin(block, classes)
    labels: Any = cc3d.connected_components(
        np.ascontiguousarray(mask), connectivity=settings.connectivity, out_dtype=np.uint32
    )
    found = cc3d.statistics(labels, no_slice_conversion=True)
    voxels = found["voxel_counts"]
    if len(voxels) < 2 or settings.min_voxels < 2:
        return np.asarray(labels, np.uint32)
    boxes = np.asarray(found["bounding_boxes"], np.int64).reshape(-1, 3, 2)
    open_ended = np.zeros(len(voxels), bool)
    for axis, (before, after) in enumerate(inner):
        if before:
            open_ended |= boxes[:, axis, 0] == 0
        if after:
            open_ended |= boxes[:, axis, 1] == labels.shape[axis] - 1
    kept = open_ended | (voxels >= settings.min_voxels)
    kept[0] = False
    pieces.left_out += int(np.count_nonzero(~kept)) - 1
    lookup = np.zeros(len(voxels), np.uint32)
    lookup[kept] = np.arange(1, np.count_nonzero(kept) + 1)
    numbered: NDArray[np.uint32] = lookup[labels]
    return numbered
