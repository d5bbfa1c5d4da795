"""Which places of a region show something, and which are padding or bare resin.

Tissue has structure: neighbouring pixels resemble each other even where each is the mean of a few. Resin has
noise, which does not. So a place is judged by the covariance of neighbouring pixels, after averaging and
without its slope (illumination): noise has next to none of it, however strong it is. It is measured against
what is usual in the volume itself, in the places that certainly have structure. Nothing is decided where
there are too few of those: then only what is the same value everywhere is called empty. So it is with
images that are mostly noise.

Places are looked at in a coarse level of the volume where it has one, and else in the voxels that were read
anyway.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Volume

_WINDOW = 256
"""Edge of what is judged, px of the finest level: a lumen or a nucleus of that size is rare."""
_FEWEST_PIXELS = 32
"""Averaged pixels along the edge of a window: with fewer, chance decides."""
_AVERAGED = 4
"""Noise is averaged over squares of so many px of the finest level, at least."""
_CONTRAST = 0.15
"""Places of less contrast than this share of the usual one are empty. Of 200 places in each of five volumes
(sections and isotropic, 3 to 9 nm, a tomogram) none lies below .36; white noise as strong as the tissue is at
.05 at the most. Noise blurred by 1 px is at .3 of its strength: found where half as strong as the tissue."""
_CERTAIN = 0.25
"""Neighbours that correlate more than this show structure for certain: those five volumes have .33 to .85."""
_CHANCE = 5.0
"""Standard errors: neighbours that correlate less than so many are plain noise."""
_LEAST_SHARE = 0.125
"""Certain places among those that are not plain noise: fewer may be artefacts in a faint image."""
_PLACES, _ROUNDS = 32, 8
"""Places that are looked at for the usual contrast, in one round, and the most rounds."""
_FEWEST_PLACES = 3
"""Places of certain structure, without which nothing is judged."""
_AT_ONCE = 8
"""Places that are read at a time: at a URL each waits for an answer."""
_DECODED = 1 << 29
"""Bytes of chunks that a round may decode: fewer places where chunks are large."""


@dataclass(frozen=True)
class _Look:
    """What one window shows.

    Attributes
    ----------
    structure : float
        Covariance of neighbours: the variance of what is no noise.
    correlation : float
        The same as a share of the variance; 0 where there is none.
    chance : float
        Standard error of the correlation of plain noise.
    """

    structure: float
    correlation: float
    chance: float

    @property
    def certain(self) -> bool:
        return self.correlation > max(_CERTAIN, _CHANCE * self.chance)

    @property
    def noise(self) -> bool:
        return self.correlation < _CHANCE * self.chance


@dataclass(frozen=True)
class _Measured:
    """The usual variance of structure, and windows that have it."""

    usual: float | None
    places: tuple[Box, ...]


_KNOWN: WeakKeyDictionary[Volume, dict[Box, _Measured]] = WeakKeyDictionary()
"""What was measured of volumes that are open: several samplers ask in one training."""
_LOCK = threading.Lock()


class Content:
    """Tells places that show something from empty ones.

    Answers depend on the volume and the region alone, and may be asked for from any thread.

    Parameters
    ----------
    volume : Volume
    region : Box
        Where the usual contrast is measured, in a few dozen places, when first needed.
    """

    def __init__(self, volume: Volume, region: Box) -> None:
        self._volume, self._region = volume, region
        self._edges = min(_WINDOW, region.shape[1]), min(_WINDOW, region.shape[2])
        self._level = self._choose_level()

    @property
    def level(self) -> int:
        """The level that places are looked at in; 0 where the volume has no coarse one that serves."""
        return self._level

    @property
    def usual(self) -> float | None:
        """Variance of the structure in an ordinary place, grey values squared; None where it is not known."""
        return self._measure().usual

    @property
    def places(self) -> tuple[Box, ...]:
        """Windows of the finest level, one slice thick, that certainly show something."""
        return self._measure().places

    def promises(self, box: Box) -> bool:
        """Whether a box of the finest level may show something, as far as a coarse level tells.

        Raises
        ------
        VolumeError
            If the volume cannot be read.
        """
        return self._level == 0 or self._enough(self._look_at(self._window(box)))

    def shown(self, box: Box, voxels: np.ndarray[Any, Any]) -> bool:
        """Whether a box that :meth:`promises` something shows it: its voxels, of that shape, were read.

        Raises
        ------
        VolumeError
            If the volume cannot be read.
        """
        finite = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
        if not finite.size or finite.min() == finite.max():
            return False
        if self._level > 0:
            return True
        window = self._window(box)
        if window.intersect(box) != window:  # blocks smaller than a window
            return self._enough(self._look_at(window))
        (z, y0, x0), (_, y1, x1) = window.start, window.stop
        a, b, c = box.start
        return self._enough(_look(voxels[z - a, y0 - b : y1 - b, x0 - c : x1 - c], (1.0, 1.0)))

    def _choose_level(self) -> int:
        """Return the coarsest level in which a window has enough pixels."""
        most = min(self._edges) / _FEWEST_PIXELS
        factors = self._volume.factors
        fit = [n for n in range(1, len(factors)) if 1 < max(factors[n][1:]) <= most]
        return max(fit, default=0)

    def _window(self, box: Box) -> Box:
        """Return a box's middle slice, widened to a window's edges within the region."""
        middle = (box.start[0] + box.stop[0]) // 2
        start, stop = [middle], [middle + 1]
        for axis, edge in zip((1, 2), self._edges, strict=True):
            length = max(edge, box.shape[axis])
            low = (box.start[axis] + box.stop[axis] - length) // 2
            low = min(max(low, self._region.start[axis]), self._region.stop[axis] - length)
            start.append(low)
            stop.append(low + length)
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def _look_at(self, window: Box) -> _Look:
        """Read a window of the finest level in the level that places are looked at in."""
        factors, shape = self._volume.factors[self._level], self._volume.levels[self._level].shape
        start, stop = [], []
        for axis, factor in enumerate(factors):
            low = min(int(window.start[axis] / factor), shape[axis] - 1)
            high = low + 1 if axis == 0 else math.ceil(window.stop[axis] / factor)
            start.append(low)
            stop.append(min(high, shape[axis]))
        box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
        return _look(self._volume.read(box, self._level)[0], factors[1:])

    def _enough(self, look: _Look) -> bool:
        usual = self.usual
        return usual is None or look.structure >= _CONTRAST**2 * usual

    def _measure(self) -> _Measured:
        with _LOCK:
            known = _KNOWN.setdefault(self._volume, {})
            if self._region not in known:
                known[self._region] = self._measure_now()
            return known[self._region]

    def _measure_now(self) -> _Measured:
        """Look at places spread over the region until some have certain structure."""
        rng = np.random.default_rng(0)
        level = self._volume.levels[self._level]
        chunks = self._volume.pixels[self._level].chunks if self._volume.pixels else level.chunksize
        decoded = math.prod(chunks) * level.dtype.itemsize
        count = int(np.clip(_DECODED // decoded, _PLACES // 4, _PLACES))
        windows: list[Box] = []
        looks: list[_Look] = []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dense-ssl-look") as threads:
            for _ in range(_ROUNDS):
                places = (np.arange(count) + rng.random(count)) / count
                drawn = [self._draw(rng, float(place)) for place in places]
                windows += drawn
                looks += threads.map(self._look_at, drawn)
                if sum(look.certain for look in looks) >= _FEWEST_PLACES:
                    break
        found = [
            (look.structure, window) for look, window in zip(looks, windows, strict=True) if look.certain
        ]
        if len(found) < max(_FEWEST_PLACES, _LEAST_SHARE * sum(not look.noise for look in looks)):
            return _Measured(None, ())
        usual = float(np.percentile([structure for structure, _ in found], 75))
        enough = tuple(window for structure, window in found if structure >= _CONTRAST**2 * usual)
        return _Measured(usual, enough)

    def _draw(self, rng: np.random.Generator, place: float) -> Box:
        """Return a window: Z at `place` (0 to 1) of the region, Y and X at random, where chunks begin."""
        depth = self._region.shape[0]
        z = self._region.start[0] + min(depth - 1, int(place * depth))
        start, stop = [z], [z + 1]
        for axis, edge in zip((1, 2), self._edges, strict=True):
            first, last = self._region.start[axis], self._region.stop[axis] - edge
            low = int(rng.integers(first, last + 1))
            chunk = self._volume.chunks[axis]
            start.append(max(first, low // chunk * chunk) if chunk < edge else low)
            stop.append(start[-1] + edge)
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _look(plane: np.ndarray[Any, Any], factors: tuple[float, ...]) -> _Look:
    """Measure a plane, shape (Y, X), whose pixels are so many times coarser than the finest level's."""
    pixels = plane.astype(np.float64)
    finite = np.isfinite(pixels)
    if not finite.all():
        pixels[~finite] = pixels[finite].mean() if finite.any() else 0.0
    fold = [max(1, round(_AVERAGED / factor)) for factor in factors]
    rows, columns = (n // k for n, k in zip(pixels.shape, fold, strict=True))
    if min(rows, columns) < 2:
        return _Look(0.0, 0.0, 1.0)
    pixels = pixels[: rows * fold[0], : columns * fold[1]]
    pixels = pixels.reshape(rows, fold[0], columns, fold[1]).mean(axis=(1, 3))
    pixels -= pixels.mean()
    for ramp in (np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None]):
        pixels -= ramp * (pixels * ramp).mean() / (ramp * ramp).mean()
    products = (pixels[1:] * pixels[:-1], pixels[:, 1:] * pixels[:, :-1])
    pairs = products[0].size + products[1].size
    covariance = max(0.0, float(products[0].sum() + products[1].sum()) / pairs)
    variance = float(pixels.var())
    return _Look(covariance, covariance / variance if variance else 0.0, 1 / math.sqrt(pairs))
