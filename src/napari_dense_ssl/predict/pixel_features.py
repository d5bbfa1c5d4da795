"""Features of chosen pixels, from the same windows whoever asks for them and whatever else is asked for.

A pixel's features depend a little on the window that it is computed in, since halos are shorter than the
receptive field (docs/prediction.md). A plane is therefore always cut in the one way that covers it as a
whole, so that a classifier that is fitted while somebody scribbles is the one that ``probe`` fits.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.windows import Window
from napari_dense_ssl.volume import Intensity, Volume

FEATURES = ("classes", "embedding")
"""What a predictor is asked for to give features."""


def windows_of_slice(predictor: Predictor, volume: Volume, z: int) -> list[Window]:
    """Return the windows of a slice, which together keep each of its pixels once."""
    plane = volume.shape[1:]
    cut = predictor.layout(FEATURES).tiles(plane, Box.whole(volume.shape).plane(z))
    return [Window(z, tile) for tile in cut]


def windows_with(predictor: Predictor, volume: Volume, places: NDArray[np.int64]) -> list[Window]:
    """Return those windows that keep any of some voxels, slice by slice.

    Parameters
    ----------
    places : ndarray, shape (N, 3)
        Voxel coordinates z, y, x.
    """
    found: list[Window] = []
    for z in np.unique(places[:, 0]):
        here = places[places[:, 0] == z]
        found += [w for w in windows_of_slice(predictor, volume, int(z)) if within(here, w.box).any()]
    return found


def within(places: NDArray[np.int64], box: Box) -> NDArray[np.bool_]:
    """Return which voxels ``(N, 3)`` lie in a box."""
    inside: NDArray[np.bool_] = np.all((places >= box.start) & (places < box.stop), axis=1)
    return inside


def picked(embedding: NDArray[np.float16], box: Box, places: NDArray[np.int64]) -> NDArray[np.float16]:
    """Return the features ``(N, D)`` of voxels of a box, whose embedding is ``(D, Y, X)``."""
    _, top, left = box.start
    rows: NDArray[np.float16] = embedding[:, places[:, 1] - top, places[:, 2] - left].T
    return rows


def gathered(
    predictor: Predictor, volume: Volume, places: NDArray[np.int64], intensity: Intensity
) -> Generator[Beat | Noted, None, NDArray[np.float32]]:
    """Compute the features of voxels.

    Parameters
    ----------
    predictor : Predictor
    volume : Volume
    places : ndarray, shape (N, 3)
        Voxel coordinates z, y, x.
    intensity : Intensity
        What grey values are normalised with.

    Yields
    ------
    Beat or Noted

    Returns
    -------
    ndarray, shape (N, D), float32
        Rounded to half precision, as they are kept in memory while somebody scribbles.
    """
    features = np.zeros((len(places), predictor.encoder.feature_channels), np.float32)
    found = windows_with(predictor, volume, places)
    with closing(predictor.window_parts(volume, found, FEATURES, intensity)) as parts:
        for part in parts:
            if isinstance(part, PlanePart):
                assert part.embedding is not None
                mine = np.flatnonzero(within(places, part.box))
                features[mine] = picked(part.embedding, part.box, places[mine])
            else:
                yield part
    return features
