"""What the Classes dock keeps and counts between its window and its workers; none of it touches Qt."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_dense_ssl.core.errors import ClassesError
from napari_dense_ssl.core.events import Event, Noted, Preview
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.layers import LayerSource, layer_data
from napari_dense_ssl.gui.maps import full_resolution
from napari_dense_ssl.gui.results import Computed
from napari_dense_ssl.predict.class_figures import ClassFigures
from napari_dense_ssl.predict.map_cache import MapCache


class _Kept:
    """A place for one thing, and what it was made for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.key: Any = None
        self.value: Any = None


class PredictorKeeper:
    """Keeps the network and the volume that were used last, for the next slice; any thread may use it.

    Loading either may take seconds, which :meth:`forget` and :meth:`clear` do not wait for: they leave the
    place that is being filled to the thread that fills it.
    """

    def __init__(self) -> None:
        self._network, self._image = _Kept(), _Kept()

    def open(self, run: str, device: str) -> Any:
        """Return the predictor of a run's newest checkpoint, from memory where it is the same."""
        from napari_dense_ssl.model import RunFolder
        from napari_dense_ssl.predict import Predictor

        folder = RunFolder.open(run)
        key = (folder.fingerprint(), device)
        kept = self._network
        with kept.lock:
            if key != kept.key:
                kept.key = kept.value = None
                kept.value = Predictor.open(folder, device=device)
                kept.key = key
            return kept.value

    def volume(self, source: LayerSource) -> Any:
        """Return the volume of a layer, from memory where it is the same: its statistics are kept with it."""
        kept = self._image
        with kept.lock:
            if kept.key is None or not source.same_pixels(kept.key):
                kept.key = kept.value = None
                kept.value = source.open()
                kept.key = source
            return kept.value

    def forget(self, identity: str) -> None:
        """Let go of the volume of the layer with that unique id: it was deleted."""
        source = self._image.key
        if source is not None and source.identity == identity:
            self._image = _Kept()

    def clear(self) -> None:
        """Let go of both."""
        self._network, self._image = _Kept(), _Kept()


def followed(
    keeper: PredictorKeeper,
    source: LayerSource,
    computed: Computed,
    cache: MapCache,
    run: str,
    device: str,
    what: tuple[str, ...],
    watch: Watch,
) -> Iterator[Event]:
    """Compute what is in view into a cache, until closed (in a worker)."""
    from napari_dense_ssl.predict import follow

    predictor = keeper.open(run, device)
    cache = yield from _cache_for(predictor, computed, cache)
    yield from follow(keeper.volume(source), predictor.for_viewing(), watch, cache, what=what)


def filled(
    keeper: PredictorKeeper,
    source: LayerSource,
    computed: Computed,
    cache: MapCache,
    run: str,
    device: str,
    what: tuple[str, ...],
    box: Box,
) -> Iterator[Event]:
    """Compute a box into a cache (in a worker)."""
    from napari_dense_ssl.predict import predict_view

    predictor = keeper.open(run, device)
    cache = yield from _cache_for(predictor, computed, cache)
    volume = keeper.volume(source)
    for event in predict_view(volume, predictor, box, what=what):
        if isinstance(event, Preview):
            error = None if event.error is None else full_resolution(event, event.error)
            grey = volume.read(event.box)[0]
            cache.write(event.box, full_resolution(event, event.classes), error, grey)
        yield event


def written(
    keeper: PredictorKeeper,
    source: LayerSource,
    run: str,
    device: str,
    what: tuple[str, ...],
    out: Path,
    found: dict[str, Any],
) -> Iterator[Event]:
    """Compute a whole volume to disk (in a worker); put its layers, and names that it has, in `found`."""
    from napari_dense_ssl.predict import predict
    from napari_dense_ssl.volume.class_labels import read_map_classes

    # Layers of the output are laid over the image pixel by pixel: its finest level is predicted as it is.
    predictor = keeper.open(run, device).with_settings(resample="ignore")
    yield from predict(keeper.volume(source), predictor, out, what=what, resume=out.exists())
    found.update(output_layers(out, what))
    try:
        found["names"] = read_map_classes(out)
    except ClassesError as error:
        yield Noted(str(error))


def _cache_for(predictor: Any, computed: Computed, cache: MapCache) -> Generator[Event, None, MapCache]:
    """Return the cache to fill: another one where the given one is shown, but of an earlier checkpoint."""
    if predictor.run is None or computed.cache is not cache:
        return cache  # no longer shown: the image's data have been replaced meanwhile
    if computed.made_with(predictor.run.fingerprint()):
        yield Noted("The run has been trained on since: its earlier maps are dropped.")
    return computed.cache


class Tally:
    """Counts what a job's previews show: classes that occur, mean error."""

    def __init__(self) -> None:
        self._figures = ClassFigures()

    def add(self, preview: Preview) -> None:
        """Count a preview."""
        self._figures.add(ClassFigures.of(preview.classes, preview.error))

    def __str__(self) -> str:
        text = f"{len(self._figures.labels)} classes occur"
        error = self._figures.total_error()
        if np.isfinite(error):
            text += f", mean equivariance error {error:.3f} (0 to 1)"
        return f"{text}."


def output_layers(out: Path, what: tuple[str, ...]) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return data and keywords of the layers of a predicted OME-Zarr (in a worker): classes, and error."""
    from napari_dense_ssl.volume import open_volume

    found = {}
    if "error" in what:
        data, keywords, _ = layer_data(open_volume(out))
        found["error"] = (data, keywords)
    data, keywords, _ = layer_data(open_volume(out, dataset="labels/classes"))
    keywords.pop("contrast_limits", None)
    found["classes"] = (data, keywords)
    return found


def figures_of_output(
    figures: ClassFigures, out: Path, what: tuple[str, ...], source: LayerSource, keeper: PredictorKeeper
) -> Iterator[Event]:
    """Count the classes of a predicted OME-Zarr (in a worker)."""
    from napari_dense_ssl.predict.counting import count_classes
    from napari_dense_ssl.volume import open_volume

    classes = open_volume(out, dataset="labels/classes")
    error = open_volume(out) if "error" in what else None
    yield from count_classes(figures, classes, error, keeper.volume(source))
