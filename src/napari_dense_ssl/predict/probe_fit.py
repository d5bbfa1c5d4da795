"""From features of scribbled pixels to a classifier: what is fitted, how it is calibrated."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.classifier import AnyClassifier, Classifier, fitting, held_out_logits, stacked
from napari_dense_ssl.predict.prior import class_areas, doubt, stacking_weights
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.scribbles import Scribbles

T = TypeVar("T")
Prior = Literal["balanced", "between", "volume"]

_SQUARES = 24
_SQUARE = 128
_SQUARE_STEP = 4
"""Class areas are estimated on every fourth pixel of 24 squares of 128 px."""

_FEWEST_HELD_OUT = 10
_STROKE = 64
"""Scribbles of one slice are held out by squares of this edge, px."""

_SHARE_OF_PRIOR: dict[Prior, float] = {"balanced": 0.0, "between": 0.5, "volume": 1.0}


@dataclass(frozen=True)
class Fitted:
    """A classifier to which all classes are equally common, with logits that are to be believed.

    Attributes
    ----------
    classifier : Classifier or Stacked
    counts : ndarray, shape (C,)
        Scribbled pixels of each class.
    """

    classifier: AnyClassifier
    counts: NDArray[np.int64]

    def areas(self, unlabelled: NDArray[np.floating]) -> NDArray[np.float64]:
        """Estimate how common each class is, from features ``(N, D)`` of pixels that nobody named.

        Returns
        -------
        ndarray, shape (C,)
            Summing to 1; all alike where there are no such pixels.
        """
        if not len(unlabelled):
            return np.full(len(self.counts), 1 / len(self.counts))
        return class_areas(self.classifier.logits(unlabelled), doubt(self.counts))

    def with_areas(self, areas: NDArray[np.float64], prior: Prior) -> AnyClassifier:
        """Return the calibrated classifier, to which classes are as common as `prior` makes of areas."""
        shift = _SHARE_OF_PRIOR[prior] * np.log(areas)
        return self.classifier.adjusted(1.0, shift)


def needs_areas(settings: ProbeSettings) -> bool:
    """Whether the prior depends on how common classes are."""
    return _SHARE_OF_PRIOR[settings.prior] > 0


def fit_pixels(
    features: NDArray[np.float32],
    drawn: Scribbles,
    settings: ProbeSettings,
    groups: tuple[slice, ...] = (slice(None),),
) -> Generator[Beat, None, Fitted]:
    """Fit the classifier of the settings to features ``(N, D)`` of scribbled pixels, and calibrate it.

    Several groups of features have a classifier each: the first that of the settings, the others linear
    discriminants. What each is worth is told by held-out scribbles; where too few can be held out the first
    decides alone.

    Yields
    ------
    Beat
        Every tenth of a second. A generator that is closed there waits for nothing: what its thread is
        computing ends by itself, with the start of the classifier that is under way.
    """
    together, counts = held_together(drawn.places), np.bincount(drawn.classes)
    fitted: list[Classifier] = []
    held_out: list[NDArray[np.float64]] = []
    for number, group in enumerate(groups):
        own = settings if number == 0 else settings.model_copy(update={"classifier": "discriminants"})
        # One start says how far to believe five as well as five do (docs/probe.md), in a fifth of the time.
        alone = own.model_copy(update={"members": 1})
        rows = features[:, group]
        logits, truth = yield from _beating(held_out_logits(rows, drawn.classes, together, alone))
        held_out.append(logits)
        fitted.append((yield from _beating(fitting(rows, drawn.classes, own))))
    enough = len(truth) >= _FEWEST_HELD_OUT and len(np.unique(truth)) == len(drawn.ids)
    weights = stacking_weights(np.stack(held_out), truth) if enough else np.eye(len(groups))[0]
    kept = [number for number, weight in enumerate(weights) if weight > 0]
    parts = tuple(fitted[number].adjusted(float(weights[number]), 0.0) for number in kept)
    kept_groups = tuple(groups[number] for number in kept)
    return Fitted(stacked(kept_groups, parts, features.shape[1]), counts)


def unlabelled_places(places: NDArray[np.int64], region: Box, seed: int) -> NDArray[np.int64]:
    """Return voxels that stand for all: a grid in random squares of the scribbled slices.

    Parameters
    ----------
    places : ndarray, shape (N, 3)
        Scribbled voxels z, y, x.
    region : Box
        Where squares may lie, in the slices that have scribbles.
    seed : int

    Returns
    -------
    ndarray, shape (M, 3), int64
    """
    rng = np.random.default_rng(seed)
    slices = np.unique(places[:, 0])
    height, width = (min(_SQUARE, length) for length in region.shape[1:])
    corners = []
    for k in range(_SQUARES):
        z = int(slices[k % len(slices)])
        y = int(rng.integers(region.start[1], region.stop[1] - height + 1))
        x = int(rng.integers(region.start[2], region.stop[2] - width + 1))
        corners.append((z, y, x))
    rows, columns = np.meshgrid(
        np.arange(0, height, _SQUARE_STEP), np.arange(0, width, _SQUARE_STEP), indexing="ij"
    )
    grid = np.stack([np.zeros_like(rows), rows, columns], axis=-1).reshape(-1, 3)
    return np.concatenate([grid + corner for corner in sorted(set(corners))]).astype(np.int64)


def held_together(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what is held out together: slices, or squares of the only slice."""
    z = places[:, 0]
    if len(np.unique(z)) > 1:
        return z
    cells = places[:, 1:] // _STROKE
    return np.unique(cells, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _beating(steps: Iterator[T | None]) -> Generator[Beat, None, T]:
    """Take steps in a thread, with a :class:`Beat` every tenth of a second; returns the first result."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="fit")
    try:
        while True:
            future = pool.submit(next, steps)
            while wait([future], timeout=0.1).not_done:
                yield Beat()
            result = future.result()
            if result is not None:
                return result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
