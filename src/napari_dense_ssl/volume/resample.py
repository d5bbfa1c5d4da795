"""Pixels of another size, interpolated as they are read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from napari_dense_ssl.volume.pixels import Index, PlanarPixels

_REACH = 4.0
"""Where the blur is cut off, in standard deviations."""


class ResampledPixels:
    """``(Z, Y, X)`` pixels whose edges are so many times longer than those of others; read piece by piece.

    Where voxels become longer, the finer ones are blurred first, with half of what the edge grows by as
    standard deviation, so that nothing too fine for the new grid is folded into it; then values are
    interpolated linearly. The outer edges of both grids coincide where the ratio divides
    the length. A piece has the same values whatever it is read together with.

    Parameters
    ----------
    pixels : PlanarPixels
        What is read.
    ratio : tuple of float
        New edge by old edge along Z, Y and X; 1 leaves an axis as it is.
    """

    def __init__(self, pixels: PlanarPixels, ratio: tuple[float, float, float]) -> None:
        self._pixels, self._ratio = pixels, ratio
        self.shape = tuple(max(1, round(n / r)) for n, r in zip(pixels.shape, ratio, strict=True))
        self.chunks = tuple(max(1, round(n / r)) for n, r in zip(pixels.chunks, ratio, strict=True))
        self.dtype: np.dtype[Any] = np.dtype(np.float32)

    def read(self, index: Index) -> NDArray[np.float32]:
        """Return the values in a box.

        Raises
        ------
        VolumeError
            If the file is damaged there.
        """
        places = [
            (np.arange(s.start, s.stop, dtype=np.float64) + 0.5) * r - 0.5
            for s, r in zip(index, self._ratio, strict=True)
        ]
        sigmas = [max(0.0, (r - 1) / 2) for r in self._ratio]
        lows: list[int] = []
        highs: list[int] = []
        for axis, (place, sigma) in enumerate(zip(places, sigmas, strict=True)):
            length = self._pixels.shape[axis]
            if self._ratio[axis] == 1:
                lows.append(index[axis].start)
                highs.append(index[axis].stop)
                continue
            margin = math.ceil(_REACH * sigma)
            lows.append(min(length - 1, max(0, math.floor(place[0]) - margin)))
            highs.append(max(lows[-1] + 1, min(length, math.floor(place[-1]) + 2 + margin)))
        box = (slice(lows[0], highs[0]), slice(lows[1], highs[1]), slice(lows[2], highs[2]))
        values: NDArray[Any] = self._pixels.read(box).astype(np.float32)
        for axis, (place, sigma) in enumerate(zip(places, sigmas, strict=True)):
            if self._ratio[axis] != 1:
                if sigma:
                    values = gaussian_filter1d(values, sigma, axis, mode="nearest", truncate=_REACH)
                values = _interpolated(values, place - lows[axis], axis)
        return values


def _interpolated(values: NDArray[Any], places: NDArray[np.float64], axis: int) -> NDArray[Any]:
    """Interpolate linearly along an axis; the ends are repeated.

    scipy's ``affine_transform`` does so too, but counts places from the piece's first pixel on: its values
    differ in their last bit with what is read together.
    """
    last = values.shape[axis] - 1
    places = np.clip(places, 0, last)
    low = np.minimum(np.floor(places).astype(np.intp), max(0, last - 1))
    weight = (places - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    below = np.take(values, low, axis)
    above = np.take(values, np.minimum(low + 1, last), axis)
    found: NDArray[Any] = below + weight * (above - below)
    return found
