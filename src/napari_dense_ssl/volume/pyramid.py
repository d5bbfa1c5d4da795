"""Coarser levels of a volume, built chunk by chunk."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.storage import LocalStore

Mode = Literal["mean", "mode"]
Steps = tuple[int, int, int]


def pyramid_steps(shape: tuple[int, ...], spacing: tuple[float, ...], least: int = 512) -> list[Steps]:
    """Return by how much each level is coarser than the one before, along Z, Y and X.

    Axes are halved until Y and X fit into `least` pixels; an axis whose voxels are already more than 1.5
    times as long as the shortest waits until the others have caught up, so that voxels become isotropic.

    Parameters
    ----------
    shape : tuple of int
        Of the finest level.
    spacing : tuple of float
        Its voxel size, in any unit.
    least : int
        No more levels are made when the plane is as small as this, px.

    Examples
    --------
    >>> pyramid_steps((100, 2048, 2048), (50, 5, 5))
    [(1, 2, 2), (1, 2, 2)]
    >>> pyramid_steps((1024, 1024, 1024), (8, 8, 8))
    [(2, 2, 2)]
    """
    steps: list[Steps] = []
    size, lengths = list(spacing), list(shape)
    while max(lengths[1:]) > least:
        shortest = min(s for s, n in zip(size, lengths, strict=True) if n > 1)
        step = [2 if n > 1 and s <= 1.5 * shortest else 1 for s, n in zip(size, lengths, strict=True)]
        size = [s * k for s, k in zip(size, step, strict=True)]
        lengths = [-(-n // k) for n, k in zip(lengths, step, strict=True)]
        steps.append((step[0], step[1], step[2]))
    return steps


def coarser(block: np.ndarray[Any, Any], step: tuple[int, ...], mode: Mode) -> np.ndarray[Any, Any]:
    """Return a block made coarser, in its own dtype; odd edges are repeated.

    Parameters
    ----------
    block : ndarray, shape ``(..., Y, X)``
        Fine voxels.
    step : tuple of int
        How many are joined along each axis.
    mode : {"mean", "mode"}
        Mean for images; most frequent value (the first of equals) for labels.
    """
    pad = [(0, -n % k) for n, k in zip(block.shape, step, strict=True)]
    block = np.pad(block, pad, mode="edge") if any(after for _, after in pad) else block
    corners = itertools.product(*(range(k) for k in step))
    parts = np.stack(
        [block[tuple(slice(c, None, k) for c, k in zip(corner, step, strict=True))] for corner in corners]
    )
    if mode == "mean":
        wide = parts.dtype if parts.dtype.itemsize > 4 else np.dtype(np.float32)
        mean = parts.mean(axis=0, dtype=wide if wide.kind == "f" else np.float64)
        whole = np.rint(mean) if block.dtype.kind in "iu" else mean
        return np.asarray(whole.astype(block.dtype))
    votes = (parts[:, None] == parts[None]).sum(axis=1)
    return np.asarray(np.take_along_axis(parts, votes.argmax(axis=0)[None], axis=0)[0])


def regions(
    shape: tuple[int, ...], chunks: tuple[int, ...], extent: tuple[slice, ...] | None = None
) -> Iterator[tuple[slice, ...]]:
    """Yield the boxes of an array's chunks, or of those in an extent that is counted in chunks."""
    ranges = [range(0, n, c) for n, c in zip(shape, chunks, strict=True)]
    if extent is not None:
        ranges = [all_[part] for all_, part in zip(ranges, extent, strict=True)]
    for corner in itertools.product(*ranges):
        yield tuple(slice(a, min(a + c, n)) for a, c, n in zip(corner, chunks, shape, strict=True))


def written_extent(array: Any) -> tuple[slice, ...] | None:
    """Return the box, counted in chunks, outside of which an array has no chunk on disk; None if unknown.

    So a small region that was predicted of a huge volume gets its pyramid as fast as a small volume does.

    Parameters
    ----------
    array : zarr.Array
        Known are those that lie in folders, a folder for each axis, as those of outputs do.
    """
    if not isinstance(array, zarr.Array) or not isinstance(array.store, LocalStore) or array.shards:
        return None
    folder = Path(array.store.root) / array.path
    extent = _named_extent(folder / "c" if array.metadata.zarr_format == 3 else folder, array.ndim)
    return extent or (slice(0, 0),) * array.ndim


def _named_extent(folder: Path, depth: int) -> tuple[slice, ...]:
    """Return the smallest box around what the numbered folders within each other hold; () if nothing."""
    if not folder.is_dir():
        return ()
    with os.scandir(folder) as entries:
        numbers = [int(entry.name) for entry in entries if entry.name.isdigit()]
    if depth == 1:
        return (slice(min(numbers), max(numbers) + 1),) if numbers else ()
    found = [(n, inner) for n in numbers if (inner := _named_extent(folder / str(n), depth - 1))]
    if not found:
        return ()
    rest = [
        slice(min(box[axis].start for _, box in found), max(box[axis].stop for _, box in found))
        for axis in range(depth - 1)
    ]
    return (slice(min(n for n, _ in found), max(n for n, _ in found) + 1), *rest)


def coarser_extent(
    extent: tuple[slice, ...],
    fine: tuple[int, ...],
    coarse: tuple[int, ...],
    step: tuple[int, ...],
    lengths: tuple[int, ...],
) -> tuple[slice, ...]:
    """Return the chunks of a coarser level that chunks of a level reach into.

    Parameters
    ----------
    extent : tuple of slice
        Chunks of the finer level.
    fine, coarse : tuple of int
        Shapes of both levels' chunks.
    step : tuple of int
        How much coarser the second is.
    lengths : tuple of int
        Its shape.
    """
    return tuple(
        slice(s.start * a // (k * b), min(-(-s.stop * a // (k * b)), -(-n // b)))
        for s, a, b, k, n in zip(extent, fine, coarse, step, lengths, strict=True)
    )


def fill_level(fine: Any, coarse: Any, step: tuple[int, ...], mode: Mode) -> Iterator[None]:
    """Fill a level from the finer one, yielding after each chunk; chunks of nothing but fill stay unwritten.

    Where the finer one has no chunks (:func:`written_extent`) nothing is read.

    Parameters
    ----------
    fine, coarse : zarr.Array
        Two levels.
    step : tuple of int
        How much coarser the second is.
    mode : {"mean", "mode"}
        See :func:`coarser`.
    """
    extent = written_extent(fine)
    if extent is not None:
        extent = coarser_extent(extent, fine.chunks, coarse.chunks, step, coarse.shape)
    for region in regions(coarse.shape, coarse.chunks, extent):
        source = tuple(
            slice(s.start * k, min(s.stop * k, n)) for s, k, n in zip(region, step, fine.shape, strict=True)
        )
        coarse[region] = coarser(np.asarray(fine[source]), step, mode)
        yield
