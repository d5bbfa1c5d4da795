"""From scribbles to a classifier: which windows are encoded, what is fitted, how it is calibrated."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.classifier import Classifier, fitting, held_out_logits
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.prior import class_areas, doubt, sharpness
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.scribbles import Scribbles
from napari_dense_ssl.predict.windows import Layout
from napari_dense_ssl.volume import Intensity, Volume

T = TypeVar("T")

_WHAT = ("classes", "embedding")
_SQUARES = 24
_SQUARE = 128
_SQUARE_STEP = 4
"""Class areas are estimated on every fourth pixel of 24 squares of 128 px."""

_FEWEST_HELD_OUT = 10
_STROKE = 64
"""Scribbles of one slice are held out by squares of this edge, px."""

_SHARE_OF_PRIOR = {"balanced": 0.0, "between": 0.5, "volume": 1.0}


def fit_probe(
    predictor: Predictor,
    volume: Volume,
    scribbles: Scribbles,
    region: Box,
    intensity: Intensity,
    settings: ProbeSettings,
) -> Generator[Beat | Noted, None, Classifier]:
    """Encode what is scribbled on and fit the classifier.

    Parameters
    ----------
    predictor : Predictor
        Of a :class:`~napari_dense_ssl.predict.probe_encoder.ProbeEncoder`.
    volume : Volume
    scribbles : Scribbles
    region : Box
        Where class areas are estimated, in the slices that have scribbles.
    intensity : Intensity
    settings : ProbeSettings

    Yields
    ------
    Beat or Noted

    Returns
    -------
    Classifier
        Calibrated, with the class areas of the settings.
    """
    drawn = scribbles.limited(settings.most_pixels, settings.seed)
    layout = predictor.layout(_WHAT)
    features = np.zeros((len(drawn.classes), predictor.encoder.feature_channels), np.float32)
    boxes = scribbled_boxes(drawn.places, volume.shape[1:], layout)
    with closing(predictor.parts(volume, boxes, _WHAT, intensity)) as parts:
        for part in parts:
            if isinstance(part, PlanePart):
                inside = np.flatnonzero(_inside(drawn.places, part.box))
                features[inside] = _picked(part, drawn.places[inside])
            else:
                yield part
    groups = _groups(drawn.places)
    logits, truth = yield from _beating(held_out_logits(features, drawn.classes, groups, settings))
    classifier = yield from _beating(fitting(features, drawn.classes, settings))
    factor = 1.0
    if len(truth) >= _FEWEST_HELD_OUT and len(np.unique(truth)) == len(scribbles.ids):
        factor = sharpness(logits, truth)
    share = _SHARE_OF_PRIOR[settings.prior]
    shift: NDArray[np.float64] = np.zeros(len(scribbles.ids))
    if share:
        unlabelled = yield from _unlabelled(predictor, volume, drawn.places, region, intensity, settings.seed)
        areas = class_areas(factor * classifier.logits(unlabelled), doubt(np.bincount(drawn.classes)))
        shift = share * np.log(areas)
        found = ", ".join(f"{k}: {area:.1%}" for k, area in zip(scribbles.ids, areas, strict=True))
        yield Noted(f"Estimated areas of the classes where nothing is scribbled: {found}.")
    return classifier.adjusted(factor, shift)


def scribbled_boxes(places: NDArray[np.int64], plane: Sequence[int], layout: Layout) -> list[Box]:
    """Return boxes that hold all scribbled pixels, in each slice the cheaper of two ways.

    The smallest box around all scribbles of the slice; or the plane cut into cells of a window's inner part,
    and in each occupied cell the smallest box around its scribbles. The cost is the area of the windows with
    their halo.
    """
    edge = max(layout.multiple, layout.tile - 2 * layout.halo)
    size = (int(plane[0]), int(plane[1]))

    def cost(boxes: list[Box]) -> int:
        tiles = (tile for box in boxes for tile in layout.tiles(size, box))
        return sum(tile.outer_shape[0] * tile.outer_shape[1] for tile in tiles)

    chosen: list[Box] = []
    for z in np.unique(places[:, 0]):
        here = places[places[:, 0] == z]
        cells = here[:, 1:] // edge
        apart = [_around(here[(cells == cell).all(1)]) for cell in np.unique(cells, axis=0)]
        together = [_around(here)]
        chosen += together if cost(together) <= cost(apart) else apart
    return chosen


def _around(places: NDArray[np.int64]) -> Box:
    (z, y, x), (z1, y1, x1) = places.min(0).tolist(), (places.max(0) + 1).tolist()
    return Box((z, y, x), (z1, y1, x1))


def _inside(places: NDArray[np.int64], box: Box) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((places >= box.start) & (places < box.stop), axis=1)
    return inside


def _picked(part: PlanePart, places: NDArray[np.int64]) -> NDArray[Any]:
    """Return the features, shape (N, D), of pixels of a part."""
    if part.embedding is None:
        raise ValueError("the part was computed without its embedding")
    _, top, left = part.box.start
    picked: NDArray[Any] = part.embedding[:, places[:, 1] - top, places[:, 2] - left].T
    return picked


def _groups(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what is held out together: slices, or squares of the only slice."""
    z = places[:, 0]
    if len(np.unique(z)) > 1:
        return z
    cells = places[:, 1:] // _STROKE
    return np.unique(cells, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _unlabelled(
    predictor: Predictor,
    volume: Volume,
    places: NDArray[np.int64],
    region: Box,
    intensity: Intensity,
    seed: int,
) -> Generator[Beat | Noted, None, NDArray[np.float32]]:
    """Encode random squares of the scribbled slices; returns features, shape (N, D)."""
    rng = np.random.default_rng(seed)
    slices = np.unique(places[:, 0])
    height, width = (min(_SQUARE, length) for length in region.shape[1:])
    boxes = []
    for k in range(_SQUARES):
        z = int(slices[k % len(slices)])
        y = int(rng.integers(region.start[1], region.stop[1] - height + 1))
        x = int(rng.integers(region.start[2], region.stop[2] - width + 1))
        boxes.append(Box((z, y, x), (z + 1, y + height, x + width)))
    boxes = sorted(set(boxes), key=lambda box: box.start)
    rows: list[NDArray[Any]] = []
    with closing(predictor.parts(volume, boxes, _WHAT, intensity)) as parts:
        for part in parts:
            if isinstance(part, PlanePart) and part.embedding is not None:
                thinned = part.embedding[:, ::_SQUARE_STEP, ::_SQUARE_STEP]
                rows.append(thinned.reshape(len(thinned), -1).T)
            elif not isinstance(part, PlanePart):
                yield part
    return np.concatenate(rows).astype(np.float32)


def _beating(steps: Iterator[T | None]) -> Generator[Beat, None, T]:
    """Take steps in a thread, with a :class:`Beat` every tenth of a second; returns the first result."""
    with ThreadPoolExecutor(1, thread_name_prefix="fit") as pool:
        while True:
            future = pool.submit(next, steps)
            while wait([future], timeout=0.1).not_done:
                yield Beat()
            result = future.result()
            if result is not None:
                return result
