"""Coarser levels of a volume, built chunk by chunk."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

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


def regions(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the boxes of an array's chunks."""
    ranges = [range(0, n, c) for n, c in zip(shape, chunks, strict=True)]
    for corner in itertools.product(*ranges):
        yield tuple(slice(a, min(a + c, n)) for a, c, n in zip(corner, chunks, shape, strict=True))


def fill_level(fine: Any, coarse: Any, step: tuple[int, ...], mode: Mode) -> Iterator[None]:
    """Fill a level from the finer one, yielding after each chunk; chunks of nothing but fill stay unwritten.

    Parameters
    ----------
    fine, coarse : zarr.Array
        Two levels.
    step : tuple of int
        How much coarser the second is.
    mode : {"mean", "mode"}
        See :func:`coarser`.
    """
    for region in regions(coarse.shape, coarse.chunks):
        source = tuple(
            slice(s.start * k, min(s.stop * k, n)) for s, k, n in zip(region, step, fine.shape, strict=True)
        )
        coarse[region] = coarser(np.asarray(fine[source]), step, mode)
        yield
