"""Features of chosen pixels, from the same windows whoever asks for them and whatever else is asked for.

A pixel's features depend a little on the window that it is computed in, since halos are shorter than the
receptive field (docs/prediction.md). A plane is therefore always cut as a prediction of all of it cuts it,
block by block, so that a classifier that is fitted while somebody scribbles is the one that ``probe`` fits.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.blocks import block_edge
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.windows import Window
from napari_dense_ssl.volume import Intensity, Volume

FEATURES = ("classes", "embedding")
"""What a predictor is asked for to give features."""


def windows_in(predictor: Predictor, volume: Volume, box: Box) -> list[Window]:
    """Return the windows that keep any pixel of a box of one slice; no pixel is kept by two."""
    z = box.start[0]
    edge = block_edge(predictor.settings.chunk)
    layout, whole = predictor.layout(FEATURES), Box.whole(volume.shape)
    found: list[Window] = []
    for y in range(box.start[1] // edge, -(-box.stop[1] // edge)):
        for x in range(box.start[2] // edge, -(-box.stop[2] // edge)):
            block = Box((z, y * edge, x * edge), (z + 1, (y + 1) * edge, (x + 1) * edge)).intersect(whole)
            found += [Window(z, tile) for tile in layout.tiles(volume.shape[1:], block)]
    return [window for window in found if window.box.intersect(box).size]


def windows_with(predictor: Predictor, volume: Volume, places: NDArray[np.int64]) -> list[Window]:
    """Return those windows that keep any of some voxels, slice by slice.

    Parameters
    ----------
    places : ndarray, shape (N, 3)
        Voxel coordinates z, y, x.
    """
    edge = block_edge(predictor.settings.chunk)
    blocks = places // (1, edge, edge)
    found: list[Window] = []
    for block in np.unique(blocks, axis=0):
        here = places[(blocks == block).all(axis=1)]
        (z, y, x), (z1, y1, x1) = here.min(0).tolist(), (here.max(0) + 1).tolist()
        around = Box((z, y, x), (z1, y1, x1))
        found += [w for w in windows_in(predictor, volume, around) if within(here, w.box).any()]
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
