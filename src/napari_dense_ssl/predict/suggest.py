"""Where the next scribble helps most: the regions that a segmentation is least sure of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SMOOTH = 4.0  # px; a border between two classes is always uncertain, and one pixel wide
_STEP = 4  # px; edge of the squares that are looked at: finer than anybody's stroke
_QUANTILE = 0.95  # regions are where the smoothed uncertainty is beyond this quantile
_LEAST = 0.02  # smoothed uncertainty below which nobody needs to look


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A place to scribble on.

    Attributes
    ----------
    place : tuple of int
        Voxel z, y, x.
    uncertainty : float
        Of its surroundings, 0 to 1.
    pixels : int
        Size of the uncertain region that it lies in.
    """

    place: tuple[int, int, int]
    uncertainty: float
    pixels: int


def suggest(
    uncertainty: NDArray[np.floating],
    z: int = 0,
    origin: tuple[int, int] = (0, 0),
    *,
    count: int = 5,
    apart: float = 48.0,
) -> tuple[Suggestion, ...]:
    """Return places in the most uncertain connected regions of a slice, the most uncertain region first.

    Regions are where the uncertainty, smoothed, is among the highest twentieth and at least half its maximum,
    so that thin borders between classes, which are uncertain everywhere, count less than areas. They are
    ranked by their summed uncertainty; the place is where a region is least certain.

    Parameters
    ----------
    uncertainty : ndarray, shape (Y, X)
        1 - greatest probability, in [0, 1]; NaN where it is not known.
    z : int
        The slice.
    origin : tuple of int
        Voxel (y, x) of its first pixel.
    count : int
        How many places at most.
    apart : float
        Least distance of two places, px.
    """
    values, share = _blocks(uncertainty)
    known = share > 0
    if not known.any():
        return ()
    weight = ndimage.gaussian_filter(share, _SMOOTH / _STEP)
    smooth = np.where(
        known, ndimage.gaussian_filter(values * share, _SMOOTH / _STEP) / np.maximum(weight, 1e-6), 0
    )
    limit = max(_LEAST, float(np.quantile(smooth[known], _QUANTILE)), float(smooth.max()) / 2)
    regions, number = ndimage.label(smooth >= limit)
    total = np.bincount(regions.ravel(), smooth.ravel(), minlength=number + 1)
    sizes = np.bincount(regions.ravel(), share.ravel(), minlength=number + 1) * _STEP**2
    chosen: list[Suggestion] = []
    for k in np.argsort(-total[1:], kind="stable") + 1:
        peak = int(np.where(regions == k, smooth, -1).argmax())
        row, column = (int(i) for i in np.unravel_index(peak, smooth.shape))
        y, x = _least_certain(uncertainty, row, column)
        place = (z, y + origin[0], x + origin[1])
        if all(np.hypot(place[1] - s.place[1], place[2] - s.place[2]) >= apart for s in chosen):
            chosen.append(Suggestion(place, float(smooth[row, column]), int(sizes[k])))
        if len(chosen) == count:
            break
    return tuple(chosen)


def _blocks(uncertainty: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of each square of pixels over those that are known, and their share."""
    height, width = uncertainty.shape
    padded = np.full((-(-height // _STEP) * _STEP, -(-width // _STEP) * _STEP), np.nan, np.float32)
    padded[:height, :width] = uncertainty
    parts = padded.reshape(padded.shape[0] // _STEP, _STEP, padded.shape[1] // _STEP, _STEP)
    known = np.isfinite(parts)
    share = known.mean((1, 3), dtype=np.float32)
    mean = np.where(known, parts, 0).mean((1, 3), dtype=np.float32) / np.maximum(share, 1e-6)
    return mean, share


def _least_certain(uncertainty: NDArray[np.floating], row: int, column: int) -> tuple[int, int]:
    part = uncertainty[row * _STEP : (row + 1) * _STEP, column * _STEP : (column + 1) * _STEP]
    y, x = np.unravel_index(int(np.nanargmax(part)), part.shape)
    return row * _STEP + int(y), column * _STEP + int(x)
