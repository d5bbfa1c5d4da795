"""Segmenting what a person looks at while they scribble: a quick answer at once, then the probe's own."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat, Event, Noted, Pictured, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.core.watch import Desk, View
from napari_dense_ssl.predict.classifier import AnyClassifier
from napari_dense_ssl.predict.feature_cache import FeatureCache, PixelRows
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.map_cache import MapCache
from napari_dense_ssl.predict.pixel_features import FEATURES, windows_in, windows_with
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.probe_encoder import ProbeEncoder
from napari_dense_ssl.predict.probe_fit import Fitted, fit_pixels, needs_areas, unlabelled_places
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.scribbles import Scribbles
from napari_dense_ssl.predict.suggest import Suggestion, suggest
from napari_dense_ssl.predict.windows import Window
from napari_dense_ssl.volume import Volume

T = TypeVar("T")

_WAIT = 0.1
"""How long to stand still for a new stroke before the consumer is asked whether to stop, s."""

DRAFT = "discriminants"
"""The classifier of the first answer: fitted in closed form."""


@dataclass(frozen=True, slots=True)
class Segmented:
    """What the segmentation of what is in view amounts to; comes as the picture of a ``Pictured``.

    Attributes
    ----------
    z : int
        The slice.
    box : Box
        What of it was segmented.
    final : bool
        Whether by the classifier that ``probe`` fits, or by the quick one that comes before it.
    pixels : ndarray, shape (256,), int64
        Segmented pixels by label.
    uncertainty : float
        Mean of 1 - greatest probability, 0 to 1.
    areas : mapping of int to float
        Estimated share of each label in the scribbled slices, 0 to 1.
    suggestions : tuple of Suggestion
        Where the next scribble helps most; empty before it is final.
    seconds : float
        Since the scribbles, or the view, had changed.
    """

    z: int
    box: Box
    final: bool
    pixels: NDArray[np.int64]
    uncertainty: float
    areas: dict[int, float]
    suggestions: tuple[Suggestion, ...]
    seconds: float


def scribble(
    volume: Volume,
    trained: Predictor,
    desk: Desk[Scribbles],
    cache: MapCache,
    *,
    settings: ProbeSettings | None = None,
    limit: int = 10**9,
) -> Generator[Event]:
    """Segment what is in view as scribbles say, again after each change of either; go on until closed.

    The features of what was looked at are kept, so that after a stroke a classifier is fitted and applied,
    and nothing is encoded. Two answers come: linear discriminants, fitted in closed form, and then the
    classifier of the settings, fitted as :func:`~napari_dense_ssl.predict.probe` fits it, on the same
    features. A new stroke is heeded at the next event, whatever was being fitted; a window that is being
    encoded is finished and kept.

    Parameters
    ----------
    volume : Volume
    trained : Predictor
        Of a run.
    desk : Desk
        Says what is in view, and the scribbles there are (None while they do not say anything yet); either
        may change at any time, from any thread.
    cache : MapCache
        Of the volume's shape. It gets the segmentation under the scribbles' own labels, and as its error the
        uncertainty: 1 - greatest probability, the share of such pixels that are expected to be wrong.
        What an earlier classifier had said elsewhere is dropped.
    settings : ProbeSettings, optional
    limit : int
        Bytes that features may take.

    Yields
    ------
    Event
        ``Started``; ``Noted`` where the volume differs from the training's; for what is in view ``Step`` s
        while it is encoded, ``Preview`` s of what is segmented, and a ``Pictured`` with a :class:`Segmented`
        for each answer; a ``Step`` of fraction 1 when all is there; ``Beat`` else. Never ``Finished``.

    Raises
    ------
    ScribbleError, DeviceMemoryError, VolumeError
        See :func:`~napari_dense_ssl.predict.probe`.
    """
    session = _Session(volume, trained, desk, cache, settings or ProbeSettings(), limit)
    facts: dict[str, str | int | float] = {
        "device": trained.device.description,
        "halo": session.predictor.halo,
    }
    yield Started("scribble", None, "tile", facts)
    for note in session.notes:
        yield Noted(note)
    done: tuple[View | None, Scribbles | None] = (None, None)
    while True:
        view, scribbles = desk.both()
        if view is None or (view == done[0] and scribbles is done[1]):
            desk.wait_for_other(view, scribbles, _WAIT)
            yield Beat()
            continue
        try:
            yield from session.serve(view, scribbles)
        except _NewTaskError:
            continue
        done = view, scribbles


class _NewTaskError(Exception):
    """The view or the scribbles have changed; raised and caught in this module only."""


class _Session:
    """What is kept from stroke to stroke."""

    def __init__(
        self,
        volume: Volume,
        trained: Predictor,
        desk: Desk[Scribbles],
        cache: MapCache,
        settings: ProbeSettings,
        limit: int,
    ) -> None:
        self.volume, self.desk, self.cache, self.settings = volume, desk, cache, settings
        self.encoder = ProbeEncoder(trained.encoder, settings, 2)
        self.predictor = Predictor(self.encoder, trained.device, settings, trained.run)
        self.intensity, self.notes = trained.intensity(volume)
        self.features = FeatureCache(limit)
        self.rows = PixelRows(volume.shape, self.encoder.feature_channels)
        self.classifier: AnyClassifier | None = None
        self._fitted_to: Scribbles | None = None
        self._areas: dict[int, float] = {}
        self._ids: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._done: set[Box] = set()
        self._task: tuple[View, Scribbles | None] | None = None
        self._begun = 0.0

    def serve(self, view: View, scribbles: Scribbles | None) -> Generator[Event]:
        """Do what is asked for; raises :class:`_NewTaskError` where something else is asked meanwhile."""
        self._task, self._begun = (view, scribbles), time.perf_counter()
        self.cache.look(view.box)
        seen = self._windows(view)
        self.features.look(window.box for window in seen)
        if scribbles is None:
            self.classifier = self._fitted_to = None
            yield from self._encode(seen)
        elif scribbles is not self._fitted_to:
            yield from self._learn(view, seen, scribbles)
        else:
            yield from self._segment(view, seen, final=True)
        yield Step(len(seen), len(seen), 1.0, 0.0, view.box.size / max(self._seconds, 1e-9))
        for z in view.ahead[:1]:
            wanted = windows_in(self.predictor, self.volume, view.box.plane(z))
            if self.features.has_room(len(wanted)):
                yield from self._encode(wanted, quiet=True)

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._begun

    def _windows(self, view: View) -> list[Window]:
        """Return the windows of what is in view, those first that are nearest to its middle."""
        found = windows_in(self.predictor, self.volume, view.box)
        middle = np.add(view.box.start, view.box.stop) / 2

        def distance(window: Window) -> float:
            return float(np.square(np.add(window.box.start, window.box.stop) / 2 - middle).sum())

        return sorted(found, key=distance)

    # -- learning --------------------------------------------------------------------------------------

    def _learn(self, view: View, seen: Sequence[Window], scribbles: Scribbles) -> Generator[Event]:
        settings = self.settings
        drawn = scribbles.limited(settings.most_pixels, settings.seed)
        others = np.zeros((0, 3), np.int64)
        if needs_areas(settings):
            whole = Box.whole(self.volume.shape)
            others = unlabelled_places(drawn.places, whole, settings.seed)
        for window in seen:
            self._take_rows(window.box, drawn.places, others)
        yield from self._encode_for(drawn.places, others)
        if settings.classifier != DRAFT:
            quick = settings.model_copy(update={"classifier": DRAFT})
            fitted = yield from self._heed(self._fit(drawn, quick))
            self._use(fitted, others[self.rows.known(others)], scribbles)
            self.cache.keep(view.box)
            yield from self._segment(view, seen, final=False)
        yield from self._encode_for(others, others)
        fitted = yield from self._heed(self._fit(drawn, settings))
        self._use(fitted, others, scribbles)
        self._fitted_to = scribbles
        self.cache.keep(view.box)
        yield from self._segment(view, seen, final=True)

    def _fit(self, drawn: Scribbles, settings: ProbeSettings) -> Generator[Beat, None, Fitted]:
        return fit_pixels(self.rows.rows(drawn.places), drawn, settings, self.encoder.groups)

    def _use(self, fitted: Fitted, others: NDArray[np.int64], scribbles: Scribbles) -> None:
        areas = fitted.areas(self.rows.rows(others))
        self.classifier = fitted.with_areas(areas, self.settings.prior)
        self._ids = scribbles.ids
        self._done.clear()
        self._areas = {int(k): float(area) for k, area in zip(scribbles.ids, areas, strict=True)}

    def _take_rows(self, box: Box, *wanted: NDArray[np.int64]) -> None:
        features = self.features.get(box)
        if features is not None:
            for places in wanted:
                self.rows.add(box, features, places)

    def _encode_for(self, places: NDArray[np.int64], also: NDArray[np.int64]) -> Generator[Event]:
        """See to it that the rows of some voxels are there, and those of others where it costs nothing."""
        missing = places[~self.rows.known(places)]
        needed = windows_with(self.predictor, self.volume, missing) if len(missing) else []
        for window in needed:
            self._take_rows(window.box, places, also)
        yield from self._encode([w for w in needed if w.box not in self.features], (places, also))

    # -- features --------------------------------------------------------------------------------------

    def _encode(
        self,
        windows: Sequence[Window],
        wanted: tuple[NDArray[np.int64], ...] = (),
        *,
        quiet: bool = False,
    ) -> Generator[Event]:
        """Compute the features of those windows that are not kept, and keep them."""
        missing = [window for window in windows if window.box not in self.features]
        begun = time.perf_counter()
        with closing(self.predictor.window_parts(self.volume, missing, FEATURES, self.intensity)) as parts:
            done = 0
            for part in parts:
                if not isinstance(part, PlanePart):
                    yield part
                    continue
                assert part.embedding is not None
                features = part.embedding
                if self.predictor.device.kind == "cuda":
                    features = features.copy()  # out of pinned memory, of which there is little
                self.features.put(part.box, features)
                for places in wanted:
                    self.rows.add(part.box, features, places)
                done += 1
                each = (time.perf_counter() - begun) / done
                left = len(missing) - done
                yield (
                    Beat()
                    if quiet
                    else Step(
                        done, len(missing), min(done / len(missing), 0.999), each * left, part.box.size / each
                    )
                )
                self._check()

    # -- segmenting ------------------------------------------------------------------------------------

    def _segment(self, view: View, seen: Sequence[Window], *, final: bool) -> Generator[Event]:
        """Apply the classifier to what is in view: first where the features are there."""
        pixels = np.zeros(256, np.int64)
        unsure: NDArray[np.float32] = np.full(view.box.shape[1:], np.nan, np.float32)
        there = [self._is_done(window.box) or window.box in self.features for window in seen]
        for window in [w for w, t in zip(seen, there, strict=True) if t]:
            yield self._segmented(window.box, view, pixels, unsure)
            self._check()
        for window in [w for w, t in zip(seen, there, strict=True) if not t]:
            yield from self._encode([window])
            yield self._segmented(window.box, view, pixels, unsure)
            self._check()
        doubt = float(np.nanmean(unsure))
        origin = view.box.start[1], view.box.start[2]
        found = suggest(unsure, view.z, origin) if final else ()
        picture = Segmented(view.z, view.box, final, pixels, doubt, dict(self._areas), found, self._seconds)
        yield Pictured(int(final), picture)
        self._check()

    def _is_done(self, box: Box) -> bool:
        """Whether this classifier has segmented a window, and the maps are still there."""
        return box in self._done and self.cache.missing(box, "classes") is None

    @torch.inference_mode()
    def _segmented(
        self, box: Box, view: View, pixels: NDArray[np.int64], unsure: NDArray[np.float32]
    ) -> Event:
        """Segment a window, unless it is; add to the counts of the view, and to its uncertainty."""
        z, y, x = box.start
        event: Event = Beat()
        if self._is_done(box):
            axes = [np.arange(a, b) for a, b in zip(box.start, box.stop, strict=True)]
            labels = self.cache.read("classes", *axes)[0]
            uncertainty = self.cache.read("error", *axes)[0]
        else:
            features = self.features.get(box)
            assert features is not None
            assert self.classifier is not None
            device = self.predictor.device.torch_device
            labels, uncertainty = apply(self.classifier, features, self._ids, device)
            self.cache.write(box, labels, uncertainty)
            self._done.add(box)
            event = Preview(z, box, Grid((float(y), float(x))), labels, uncertainty)
        seen = box.intersect(view.box)
        here = tuple(
            slice(a - s, b - s) for a, b, s in zip(seen.start[1:], seen.stop[1:], box.start[1:], strict=True)
        )
        there = tuple(
            slice(a - s, b - s)
            for a, b, s in zip(seen.start[1:], seen.stop[1:], view.box.start[1:], strict=True)
        )
        pixels += np.bincount(labels[here].ravel(), minlength=256)
        unsure[there] = uncertainty[here]
        return event

    # -- heeding ---------------------------------------------------------------------------------------

    def _check(self) -> None:
        view, scribbles = self.desk.both()
        assert self._task is not None
        if view != self._task[0] or scribbles is not self._task[1]:
            raise _NewTaskError

    def _heed(self, steps: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """Pass on events, and look after each whether something else is asked for."""
        with closing(steps):
            while True:
                try:
                    event = next(steps)
                except StopIteration as end:
                    result: T = end.value
                    return result
                yield event
                self._check()


def apply(
    classifier: AnyClassifier,
    features: NDArray[np.float16],
    ids: NDArray[np.uint8],
    device: torch.device | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return labels and uncertainty of features.

    Parameters
    ----------
    classifier : Classifier or Stacked
    features : ndarray, shape (D, Y, X)
    ids : ndarray, shape (C,)
        The label of each class.
    device : torch.device, optional
        Where to compute.

    Returns
    -------
    labels : ndarray, shape (Y, X), uint8
    uncertainty : ndarray, shape (Y, X), float32
        1 - greatest probability, in [0, 1 - 1 / C].
    """
    logits = classifier.maps(torch.from_numpy(features)[None].to(device or "cpu"))[0]  # (C, Y, X)
    best, index = logits.max(0)
    # The greatest probability is one over the sum of the others' relative to it.
    others = (logits - best).exp_().sum(0)
    labels: NDArray[np.uint8] = ids[index.cpu().numpy()]
    return labels, (1 - 1 / others).cpu().numpy()
