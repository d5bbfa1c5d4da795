"""Which windows of which slices are computed, and their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.tiles import Tile, tiles
from napari_dense_ssl.volume import Intensity

SMALLEST = 4
"""Least window in total strides: the coarsest maps must hold 4 pixels for 7 x 7 kernels to reflect."""


class Slices(Protocol):
    """A stack of slices: a volume, or a volume seen along another plane."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        ...

    def read_around(self, box: Box, reach: int) -> NDArray[Any]:
        """Return a part of one slice with its neighbours: shape (2 reach + 1, Y, X)."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """How planes are cut: largest window, halo and total stride (`multiple`), all in px."""

    tile: int
    halo: int
    multiple: int

    def plane(self, height: int, width: int) -> tuple[int, int]:
        """Return the plane that is computed: at least the network's smallest input."""
        least = SMALLEST * self.multiple
        return max(height, least), max(width, least)

    def tiles(self, plane: tuple[int, int], wanted: Box) -> tuple[Tile, ...]:
        """Return the tiles that cover the wanted part of a plane with the least computed area."""
        (_, y0, x0), (_, y1, x1) = wanted.start, wanted.stop
        return _best_tiles(self.plane(*plane), ((y0, y1), (x0, x1)), self.tile, self.halo, self.multiple)


@lru_cache(maxsize=1024)
def _best_tiles(
    plane: tuple[int, int], wanted: tuple[tuple[int, int], ...], largest: int, halo: int, multiple: int
) -> tuple[Tile, ...]:
    # A window must keep something between its halos; where the largest allowed does not, it grows.
    low = max(SMALLEST * multiple, 2 * halo + 2 * multiple)
    low = -(-low // multiple) * multiple
    high = max(largest // multiple * multiple, low)
    best: tuple[Tile, ...] = ()
    least = float("inf")
    for window in range(high, low - 1, -multiple):
        found = tuple(tiles(plane, (wanted[0], wanted[1]), window=window, halo=halo, multiple=multiple))
        area = sum(h * w for h, w in (tile.outer_shape for tile in found))
        if area < least:
            best, least = found, area
    return best


@dataclass(frozen=True, slots=True)
class Window:
    """A tile of slice `z`."""

    z: int
    tile: Tile

    @property
    def box(self) -> Box:
        """The voxels that are kept."""
        (y0, y1), (x0, x1) = self.tile.inner
        return Box((self.z, y0, x0), (self.z + 1, y1, x1))

    def read(self, volume: Slices, intensity: Intensity, reach: int, slices: int = 1) -> NDArray[np.float32]:
        """Read the window and a margin of `reach` px, normalised, reflected beyond the volume's edges.

        Parameters
        ----------
        slices : int
            How many neighbouring slices to read, the window's own in the middle.

        Returns
        -------
        ndarray, shape (slices, Y + 2 reach, X + 2 reach), float32
        """
        _, height, width = volume.shape
        ranges, margins = [], []
        for (start, stop), length in zip(self.tile.outer, (height, width), strict=True):
            low, high = max(0, start - reach), min(length, stop + reach)
            ranges.append((low, high))
            margins.append((low - (start - reach), stop + reach - high))
        (y0, y1), (x0, x1) = ranges
        raw = volume.read_around(Box((self.z, y0, x0), (self.z + 1, y1, x1)), slices // 2)
        pixels: NDArray[Any] = intensity.normalise(raw)
        # numpy reflects to and fro where the margin is wider than a tiny plane.
        margins.insert(0, (0, 0))
        return np.pad(pixels, margins, mode="reflect") if any(m != (0, 0) for m in margins) else pixels


def windows(boxes: Iterable[Box], plane: tuple[int, int], layout: Layout) -> Iterator[Window]:
    """Yield the windows that cover boxes, slice by slice."""
    for box in boxes:
        cut = layout.tiles(plane, box)
        for z in range(box.start[0], box.stop[0]):
            for tile in cut:
                yield Window(z, tile)


def groups(found: Iterable[Window], size: int) -> Iterator[tuple[Window, ...]]:
    """Join consecutive windows of equal shape into groups of at most `size`."""
    group: list[Window] = []
    for window in found:
        if group and (len(group) >= size or window.tile.outer_shape != group[0].tile.outer_shape):
            yield tuple(group)
            group = []
        group.append(window)
    if group:
        yield tuple(group)
