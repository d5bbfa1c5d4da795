"""How far apart slices are, measured on the images: files often do not say, or say it wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_dense_ssl.core.geometry import Box

_PLACES = 16
_EDGE = 192
"""Edge of the sampled squares, px."""
_NOTHING = 0.05
"""Slices that correlate less than this have nothing in common."""
_FARTHEST = 32
"""Largest lag that is compared, px."""


def measured_step(read: Callable[[Box], np.ndarray[Any, Any]], region: Box) -> float:
    """Measure the distance between neighbouring slices, in pixels of their plane.

    It is the lag, along Y and X, at which the image resembles itself as much as neighbouring slices
    resemble each other (Pearson correlation, pooled over 16 places): 1 for an isotropic volume, about 10
    for sections of 50 nm imaged at 5 nm.

    Parameters
    ----------
    read : callable
        Returns the voxels of a box.
    region : Box
        Where to look.

    Returns
    -------
    float
        At least 1 (noise alone makes isotropic volumes look finer along Z); infinity for a single slice,
        where all is constant, and where slices resemble each other less than pixels 32 px apart.
    """
    depth, height, width = region.shape
    if depth < 2 or min(height, width) < 4:
        return float("inf")
    rng = np.random.default_rng(0)
    edges = min(_EDGE, height), min(_EDGE, width)
    lags = np.arange(1, min(_FARTHEST, min(edges) // 2) + 1)
    across = _Correlation()
    along = [_Correlation() for _ in lags]
    for place in range(_PLACES):
        z = region.start[0] + min(depth - 2, int((place + rng.random()) / _PLACES * (depth - 1)))
        y = region.start[1] + int(rng.integers(height - edges[0] + 1))
        x = region.start[2] + int(rng.integers(width - edges[1] + 1))
        pair = read(Box((z, y, x), (z + 2, y + edges[0], x + edges[1]))).astype(np.float64)
        pair[~np.isfinite(pair)] = pair[np.isfinite(pair)].mean() if np.isfinite(pair).any() else 0.0
        across.add(pair[0], pair[1])
        for lag, found in zip(lags, along, strict=True):
            found.add(pair[0, lag:], pair[0, :-lag])
            found.add(pair[0, :, lag:], pair[0, :, :-lag])
    wanted = across.value
    curve = np.array([found.value for found in along])
    if not np.isfinite(wanted) or not np.isfinite(curve).all() or wanted <= max(_NOTHING, curve.min()):
        return float("inf")
    first = int(np.argmax(curve <= wanted))
    if first == 0:
        return 1.0
    before, after = curve[first - 1], curve[first]
    return float(lags[first - 1] + (before - wanted) / (before - after))


class _Correlation:
    """Pearson correlation of pairs that come in parts."""

    def __init__(self) -> None:
        self._sums = np.zeros(6)

    def add(self, a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> None:
        a, b = a.ravel(), b.ravel()
        self._sums += (a.size, a.sum(), b.sum(), (a * a).sum(), (b * b).sum(), (a * b).sum())

    @property
    def value(self) -> float:
        n, a, b, aa, bb, ab = self._sums
        spread = (n * aa - a * a) * (n * bb - b * b)
        return float((n * ab - a * b) / np.sqrt(spread)) if spread > 0 else float("nan")
