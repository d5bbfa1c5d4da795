"""Fitting the probe on a volume: pixels are encoded, and the encoder is refined where that is of use."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.classifier import AnyClassifier, Classifier
from napari_dense_ssl.predict.pixel_features import gathered
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.probe_encoder import ProbeEncoder
from napari_dense_ssl.predict.probe_fit import (
    Fitted,
    fit_pixels,
    held_together,
    needs_areas,
    unlabelled_places,
)
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.refining import Refined, refine
from napari_dense_ssl.predict.refining_windows import read_windows
from napari_dense_ssl.predict.scribbles import Scribbles
from napari_dense_ssl.volume import Intensity, Volume

_TRIES = 40
"""Random halves of the scribbles, of which the most even one is taken."""


def fit_probe(
    predictor: Predictor,
    volume: Volume,
    scribbles: Scribbles,
    region: Box,
    intensity: Intensity,
    settings: ProbeSettings,
) -> Generator[Beat | Noted, None, AnyClassifier]:
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
    Classifier or Stacked
        Calibrated, with the class areas of the settings.
    """
    drawn = scribbles.limited(settings.most_pixels, settings.seed)
    refines = settings.refine_steps > 0 and "embedding" in settings.told
    others = np.zeros((0, 3), np.int64)
    if needs_areas(settings) or refines:
        others = unlabelled_places(drawn.places, region, settings.seed)
    found = yield from gathered(predictor, volume, np.concatenate([drawn.places, others]), intensity)
    features, unlabelled = found[: len(drawn.places)], found[len(drawn.places) :]
    if refines:
        refining = _Refining(predictor, volume, region, intensity, unlabelled, found.std(0), settings)
        if settings.refine_check:
            refines = yield from refining.is_of_use(drawn, features)
    if refines:
        yield Noted(f"The encoder is refined on the scribbles in {settings.refine_steps} steps.")
        refined = yield from refining.done_on(drawn, features, settings.refine_steps)
        refining.encoder.network = refined.encoder
        fitted = Fitted(refined.classifier, np.bincount(drawn.classes))
        unlabelled = yield from gathered(predictor, volume, others, intensity)
    else:
        fitted = yield from fit_pixels(features, drawn, settings, _probe_encoder(predictor).groups)
    areas = fitted.areas(unlabelled)
    if needs_areas(settings):
        told = ", ".join(f"{k}: {area:.1%}" for k, area in zip(scribbles.ids, areas, strict=True))
        yield Noted(f"Estimated areas of the classes where nothing is scribbled: {told}.")
    return fitted.with_areas(areas, settings.prior)


@dataclass(frozen=True)
class _Refining:
    """Where the encoder is refined, and what is known before.

    Attributes
    ----------
    predictor : Predictor
    volume : Volume
    region : Box
        Where windows without scribbles may lie.
    intensity : Intensity
    unlabelled : ndarray, shape (M, D)
        Features of pixels that nobody named.
    spread : ndarray, shape (D,)
        Standard deviation of the features.
    settings : ProbeSettings
    """

    predictor: Predictor
    volume: Volume
    region: Box
    intensity: Intensity
    unlabelled: NDArray[np.float32]
    spread: NDArray[np.float32]
    settings: ProbeSettings

    @property
    def encoder(self) -> ProbeEncoder:
        """What gives the features; its network may be exchanged."""
        return _probe_encoder(self.predictor)

    def done_on(
        self, drawn: Scribbles, features: NDArray[np.float32], steps: int
    ) -> Generator[Beat, None, Refined]:
        """Refine a copy of the encoder on scribbles whose features are ``(N, D)``."""
        # A linear classifier can go on learning together with the encoder.
        linear = self.settings.model_copy(update={"classifier": "discriminants", "refine_steps": steps})
        fitted = yield from fit_pixels(features, drawn, linear)
        areas = fitted.areas(self.unlabelled)
        start = fitted.classifier
        assert isinstance(start, Classifier)  # linear, of one group of features
        windows = yield from read_windows(
            self.volume,
            drawn,
            self.region,
            self.intensity,
            slices=self.encoder.slices,
            multiple=self.encoder.multiple,
            seed=self.settings.seed,
        )
        device, spread = self.predictor.device, np.asarray(self.spread, np.float64)
        return (yield from refine(self.encoder, device, windows, start, spread, areas, linear))

    def is_of_use(
        self, drawn: Scribbles, features: NDArray[np.float32]
    ) -> Generator[Beat | Noted, None, bool]:
        """Refine on one half of the scribbles, in half the steps, and ask the other half what it gave.

        It is of use where the other half is named better than without it, by more than the standard error
        of the difference; all classes weigh the same. Where the scribbles cannot be divided such that each
        half has all classes, nothing is known, and it is done.
        """
        seen = _half_of(drawn, self.settings.seed)
        if seen is None:
            yield Noted(
                "Whether refining is of use is not checked: the scribbles cannot be divided so that both "
                "halves have all classes."
            )
            return True
        half, other = drawn.part(seen), drawn.part(~seen)
        alone = self.settings.model_copy(update={"members": 1})
        without = yield from fit_pixels(features[seen], half, alone, self.encoder.groups)
        steps = max(1, self.settings.refine_steps // 2)
        refined = yield from self.done_on(half, features[seen], steps)
        before = self.encoder.network
        self.encoder.network = refined.encoder
        try:
            anew = yield from gathered(self.predictor, self.volume, other.places, self.intensity)
        finally:
            self.encoder.network = before
        with_it, without_it = (
            classifier.logits(rows).argmax(1) == other.classes
            for classifier, rows in ((refined.classifier, anew), (without.classifier, features[~seen]))
        )
        weight = 1.0 / np.bincount(other.classes)[other.classes]
        weight /= weight.sum()
        gained = weight * (with_it.astype(float) - without_it)
        of_use = bool(gained.sum() > np.sqrt((gained**2).sum()))
        yield Noted(
            f"Refined on one half of the scribbles, the encoder names {weight @ with_it:.0%} of the other "
            f"half as they were scribbled, {weight @ without_it:.0%} as it is: refining is "
            f"{'done' if of_use else 'left out'}."
        )
        return of_use


def _probe_encoder(predictor: Predictor) -> ProbeEncoder:
    encoder = predictor.encoder
    if not isinstance(encoder, ProbeEncoder):
        raise TypeError(f"the predictor's encoder is a {type(encoder).__name__}, expected a ProbeEncoder")
    return encoder


def _half_of(drawn: Scribbles, seed: int) -> NDArray[np.bool_] | None:
    """Return which scribbled pixels make one half: whole slices or squares; each half has all classes."""
    groups = np.unique(held_together(drawn.places), return_inverse=True)[1].ravel()
    count, kinds = int(groups.max()) + 1, len(drawn.ids)
    rng = np.random.default_rng((seed, 6))
    best, halves = None, []
    for _ in range(_TRIES):
        chosen = np.zeros(count, bool)
        chosen[rng.permutation(count)[: count // 2]] = True
        seen = chosen[groups]
        least = min(np.bincount(drawn.classes[part], minlength=kinds).min() for part in (seen, ~seen))
        halves.append((int(least), seen))
    least, best = max(halves, key=lambda pair: pair[0])
    return best if least > 0 else None
