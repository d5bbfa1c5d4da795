"""Windows around scribbles, read once: what the encoder is refined on."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.scribbles import Scribbles
from napari_dense_ssl.volume import Intensity, Volume

_CROP = 160
_ROOM = 64
"""Crops are moved within a window that is so much larger, px, at most half a crop."""

_MOST = 256
"""Windows around scribbles, at most."""

_FREE = 8
"""Windows that lie anywhere in the scribbled slices."""


@dataclass(frozen=True)
class RefiningWindows:
    """Windows with their scribbles.

    Attributes
    ----------
    images : ndarray, shape (W, S, R, R)
        Grey values of the volume, in its dtype: S slices around each window's own.
    labels : ndarray, shape (W, R, R), int16
        Index of the class, -1 where nothing is scribbled.
    kinds : ndarray, shape (W,)
        Class of the pixel that a window was cut around.
    unlabelled : ndarray, shape (F, S, E, E), float32
        Normalised windows that stand for all of the scribbled slices.
    counts : ndarray, shape (C,)
        Scribbled pixels of each class.
    intensity : Intensity
        What :meth:`batch` normalises with.
    crop : int
        Edge E of what :meth:`batch` gives, px.
    """

    images: NDArray[Any]
    labels: NDArray[np.int16]
    kinds: NDArray[np.int64]
    unlabelled: NDArray[np.float32]
    counts: NDArray[np.int64]
    intensity: Intensity
    crop: int

    def batch(self, size: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw crops, each class as often: normalised images (B, S, E, E) and labels (B, E, E)."""
        images, labels = [], []
        for _ in range(size):
            window = rng.choice(np.flatnonzero(self.kinds == rng.integers(len(self.counts))))
            y, x = rng.integers(0, self.images.shape[-1] - self.crop + 1, 2)
            part = (slice(y, y + self.crop), slice(x, x + self.crop))
            images.append(self.images[window][:, *part])
            labels.append(self.labels[window][part])
        return self.intensity.normalise(np.stack(images)), np.stack(labels).astype(np.int64)


def read_windows(
    volume: Volume,
    scribbles: Scribbles,
    region: Box,
    intensity: Intensity,
    *,
    slices: int,
    multiple: int,
    seed: int,
) -> Generator[Beat, None, RefiningWindows]:
    """Read windows around scribbled pixels, as many of each class.

    Parameters
    ----------
    volume : Volume
    scribbles : Scribbles
    region : Box
        Where windows without scribbles may lie.
    intensity : Intensity
    slices : int
        Number of slices that the encoder sees at once.
    multiple : int
        Crops have an edge that is a multiple of it, px.
    seed : int

    Yields
    ------
    Beat
    """
    rng = np.random.default_rng((seed, 4))
    counts = np.bincount(scribbles.classes)
    reach, plane = slices // 2, volume.shape[1:]
    crop = max(multiple, min(_CROP, *plane) // multiple * multiple)
    edge = crop + min(_ROOM, crop // 2)
    images, labels, kinds = [], [], []
    for kind in range(len(counts)):
        mine = np.flatnonzero(scribbles.classes == kind)
        for place in scribbles.places[rng.permutation(mine)[: _MOST // len(counts)]]:
            z, *corner = (int(c) for c in place - (0, edge // 2, edge // 2))
            images.append(_read(volume, z, corner, edge, reach))
            labels.append(_labels(scribbles, z, corner, edge))
            kinds.append(kind)
            yield Beat()
    free = []
    for z in rng.choice(np.unique(scribbles.places[:, 0]), _FREE):
        last = [max(region.start[k], region.stop[k] - crop) for k in (1, 2)]
        corner = [int(rng.integers(region.start[k], last[k - 1] + 1)) for k in (1, 2)]
        free.append(intensity.normalise(_read(volume, int(z), corner, crop, reach)))
        yield Beat()
    windows = np.stack(images), np.stack(labels), np.array(kinds), np.stack(free)
    return RefiningWindows(*windows, counts, intensity, crop)


def _read(volume: Volume, z: int, corner: list[int], edge: int, reach: int) -> NDArray[Any]:
    """Read a window (2 reach + 1, E, E); beyond the slice's edges it is mirrored."""
    _, height, width = volume.shape
    (y0, y1), (x0, x1) = (
        (max(0, low), min(length, low + edge)) for low, length in zip(corner, (height, width), strict=True)
    )
    inside = volume.read_around(Box((z, y0, x0), (z + 1, y1, x1)), reach)
    outside = [(y0 - corner[0], corner[0] + edge - y1), (x0 - corner[1], corner[1] + edge - x1)]
    return np.pad(inside, [(0, 0), *outside], mode="symmetric")


def _labels(scribbles: Scribbles, z: int, corner: list[int], edge: int) -> NDArray[np.int16]:
    labels = np.full((edge, edge), -1, np.int16)
    near = scribbles.places - (z, *corner)
    here = (near[:, 0] == 0) & ((near[:, 1:] >= 0) & (near[:, 1:] < edge)).all(1)
    labels[near[here, 1], near[here, 2]] = scribbles.classes[here]
    return labels
