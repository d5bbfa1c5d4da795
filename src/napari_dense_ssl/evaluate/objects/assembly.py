"""From numbered pieces in blocks to objects: what is one is joined, measured, filtered, renumbered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.core.geometry import Box

BLOCK_VOXELS = 1 << 24
"""Voxels of a block, some 300 MB while it is worked on."""

_PLANE_EDGE = 4096
"""Planes with longer edges are cut."""

MOST_PIECES = 20_000_000
"""More pieces than this would need more than 2 GB for their figures alone."""


def blocks(region: Box, deep: int = 1) -> list[Box]:
    """Cut a region into blocks of bounded size, slab by slab; a multiple of `deep` slices where that fits."""
    depth, height, width = region.shape
    y, x = min(height, _PLANE_EDGE), min(width, _PLANE_EDGE)
    z = max(1, BLOCK_VOXELS // (y * x))
    z = min(depth, z // deep * deep if z >= deep else z)
    found = []
    for corner in itertools.product(range(0, depth, z), range(0, height, y), range(0, width, x)):
        start = [s + c for s, c in zip(region.start, corner, strict=True)]
        stop = [min(s + n, e) for s, n, e in zip(start, (z, y, x), region.stop, strict=True)]
        found.append(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])))
    return found


class Pieces:
    """Figures of numbered pieces, and which of them are one.

    Attributes
    ----------
    count : int
        How many numbers are given; pieces count from 1.
    left_out : int
        Pieces that were too small to get one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.left_out = 0
        self._voxels: list[NDArray[np.int64]] = []
        self._sums: list[NDArray[np.float64]] = []
        self._low: list[NDArray[np.int64]] = []
        self._high: list[NDArray[np.int64]] = []
        self._same: list[NDArray[np.int64]] = []

    def add(self, labels: NDArray[np.uint32], origin: tuple[int, ...], many: int | None = None) -> None:
        """Take up the pieces of a block that are numbered from 1; they get the next numbers.

        Parameters
        ----------
        labels : ndarray, shape (Z, Y, X), uint32
        origin : tuple of int
            Voxel of its corner.
        many : int, optional
            How many numbers are used, where not all of them occur in the block.

        Raises
        ------
        ScoreError
            If there are more than 20 million.
        """
        found = cc3d.statistics(labels, no_slice_conversion=True)
        voxels = np.asarray(found["voxel_counts"][1:], np.int64)
        missing = 0 if many is None else many - len(voxels)
        voxels = np.pad(voxels, (0, missing))
        if self.count + len(voxels) > MOST_PIECES:
            raise ScoreError(
                f"There are more than {MOST_PIECES:,} pieces, too many to be measured; raise the least size, "
                "choose a smaller region, or merge classes first."
            )
        centroids = np.nan_to_num(np.asarray(found["centroids"][1:], np.float64))
        centroids = np.pad(centroids, ((0, missing), (0, 0)))
        corner = np.asarray(origin, np.int64)
        boxes = np.asarray(found["bounding_boxes"][1:], np.int64).reshape(-1, 3, 2)
        boxes = np.pad(boxes, ((0, missing), (0, 0), (0, 0)))
        self._voxels.append(voxels)
        self._sums.append((centroids + corner) * voxels[:, None])
        self._low.append(boxes[:, :, 0] + corner)
        self._high.append(boxes[:, :, 1] + corner + 1)
        self.count += len(voxels)

    def join(self, pairs: NDArray[np.int64]) -> None:
        """Say that pieces are one, shape (P, 2)."""
        if len(pairs):
            self._same.append(pairs)

    def assemble(self, least: int, most: int | None) -> Assembled:
        """Join what is one, leave out what is too small or too large, number the rest by size."""
        voxels, sums = _stacked(self._voxels, (0,)), _stacked(self._sums, (0, 3))
        low, high = _stacked(self._low, (0, 3)), _stacked(self._high, (0, 3))
        pairs = np.concatenate([*self._same, np.zeros((0, 2), np.int64)]) - 1
        graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (self.count, self.count))
        number, owner = connected_components(graph, directed=False) if self.count else (0, np.zeros(0, int))
        sizes = np.bincount(owner, voxels, number).astype(np.int64)
        summed = np.stack([np.bincount(owner, sums[:, axis], number) for axis in range(3)], axis=1)
        lows, highs = np.full((number, 3), np.iinfo(np.int64).max), np.zeros((number, 3), np.int64)
        real = voxels > 0
        np.minimum.at(lows, owner[real], low[real])
        np.maximum.at(highs, owner[real], high[real])
        kept = (sizes >= max(1, least)) & (sizes <= (most or np.iinfo(np.int64).max))
        order = np.flatnonzero(kept)
        order = order[np.lexsort((*lows[order].T[::-1], -sizes[order]))]
        numbers = np.zeros(number, np.uint32)
        numbers[order] = np.arange(1, len(order) + 1, dtype=np.uint32)
        return Assembled(
            lookup=np.concatenate([np.zeros(1, np.uint32), numbers[owner]]),
            voxels=sizes[order],
            centroids=summed[order] / sizes[order][:, None],
            low=lows[order],
            high=highs[order],
            left_out=self.left_out + int(np.count_nonzero(~kept & (sizes > 0))),
        )


@dataclass(frozen=True)
class Assembled:
    """Objects, and the number of each piece's object (0 for those left out), by the piece's number."""

    lookup: NDArray[np.uint32]
    voxels: NDArray[np.int64]
    centroids: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    left_out: int


def _stacked(parts: list[NDArray[Any]], empty: tuple[int, ...]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(empty, np.int64)


def touching(labels: Any, region: Box, axis: int, at: int, connectivity: int) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of different numbers that touch across a border between blocks.

    Parameters
    ----------
    labels : array-like, shape (Z, Y, X)
        Numbers of pieces; read a tile at a time.
    region : Box
        Within which they touch.
    axis, at : int
        The border lies between the voxels at - 1 and at along that axis.
    connectivity : {6, 18, 26}
        Which neighbours touch.

    Yields
    ------
    ndarray, shape (P, 2), int64
    """
    others = [a for a in range(3) if a != axis]
    steps = [range(region.start[a], region.stop[a], _PLANE_EDGE) for a in others]
    for corner in itertools.product(*steps):
        index = [slice(at - 1, at + 1)] * 3
        for a, c in zip(others, corner, strict=True):
            # a voxel more on either side: neighbours across an edge or a corner
            index[a] = slice(max(region.start[a], c - 1), min(region.stop[a], c + _PLANE_EDGE + 1))
        pair = np.moveaxis(np.asarray(labels[tuple(index)]), axis, 0)
        first, second = pair[0].astype(np.int64), pair[1].astype(np.int64)
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            if abs(down) + abs(right) > {6: 0, 18: 1, 26: 2}[connectivity]:
                continue
            a = first[_cut(-down), :][:, _cut(-right)]
            b = second[_cut(down), :][:, _cut(right)]
            both = (a > 0) & (b > 0)
            if both.any():
                yield np.unique(np.stack([a[both], b[both]], axis=1), axis=0)


def _cut(shift: int) -> slice:
    """Leave out the first row where the other plane's is one further, or the last."""
    return slice(max(0, shift), None if shift >= 0 else shift)
