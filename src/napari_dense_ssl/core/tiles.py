"""Cutting a plane into tiles with a halo, so that stitched results show no seam.

A network of total stride `multiple` gives the same output for a window as for the whole plane, where the
window starts at a multiple of that stride and the output pixel is at least a receptive-field radius away
from every edge of the window that is not an edge of the plane. Tiles are laid so that both hold: outer
windows start on the stride, and the halo is cut away only inside the plane, never at its own edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a plane: `inner` is kept, `outer` is computed (half-open ranges along Y and X, px)."""

    inner: tuple[Range, Range]
    outer: tuple[Range, Range]

    @property
    def outer_shape(self) -> tuple[int, int]:
        """Height and width of the computed window, px."""
        (a, b), (c, d) = self.outer
        return b - a, d - c

    @property
    def outer_slices(self) -> tuple[slice, slice]:
        """Index of the computed window in the plane."""
        (a, b), (c, d) = self.outer
        return slice(a, b), slice(c, d)

    @property
    def inner_slices(self) -> tuple[slice, slice]:
        """Index of the kept part in the plane."""
        (a, b), (c, d) = self.inner
        return slice(a, b), slice(c, d)

    @property
    def crop_slices(self) -> tuple[slice, slice]:
        """Index of the kept part in the computed window."""
        (a, b), (c, d) = self.inner
        (y, _), (x, _) = self.outer
        return slice(a - y, b - y), slice(c - x, d - x)


def _cut(length: int, wanted: Range, window: int, halo: int, multiple: int) -> list[tuple[Range, Range]]:
    """Cut ``wanted`` of an axis of `length` into (inner, outer) ranges; outer at most `window` px."""
    padded = -(-length // multiple) * multiple
    window = min(max(window // multiple, 1) * multiple, padded)
    low, high = wanted
    ranges: list[tuple[Range, Range]] = []
    position = low
    while position < high:
        start = max(0, position - halo) // multiple * multiple
        start = min(start, padded - window)
        stop = start + window
        end = min(high, stop if stop >= padded else stop - halo)
        if end <= position:
            raise ValueError(f"a window of {window} px leaves nothing between halos of {halo} px")
        ranges.append(((position, end), (start, stop)))
        position = end
    return ranges


def tiles(
    plane: tuple[int, int],
    wanted: tuple[Range, Range],
    *,
    window: int,
    halo: int,
    multiple: int,
) -> Iterator[Tile]:
    """Yield tiles that together keep each wanted pixel exactly once.

    Parameters
    ----------
    plane : tuple of int
        Height and width of the whole plane, px. Windows may reach past its lower and right edge, up to
        the next multiple: the caller pads there (by reflection) in the same way for every tiling.
    wanted : tuple of range
        The part to be covered, half-open ranges along Y and X.
    window : int
        Edge of the computed window, px (rounded down to a multiple; halved planes get less).
    halo : int
        Margin that is computed and thrown away where the window's edge is not the plane's edge, px.
    multiple : int
        Total stride of the network, px.

    Raises
    ------
    ValueError
        If the window is too small for its halo.
    """
    rows = _cut(plane[0], wanted[0], window, halo, multiple)
    columns = _cut(plane[1], wanted[1], window, halo, multiple)
    for inner_y, outer_y in rows:
        for inner_x, outer_x in columns:
            yield Tile((inner_y, inner_x), (outer_y, outer_x))
