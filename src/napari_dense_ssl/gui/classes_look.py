"""What the Classes dock shows of the maps that are there: figures, colours, threshold, picking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_dense_ssl.core.events import Event, Preview
from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.class_names import ClassNames
from napari_dense_ssl.gui.classes_form import SHOWN, ClassesForm
from napari_dense_ssl.gui.job import Job, Outcome
from napari_dense_ssl.gui.layers import KEY, LayerSource, layer_source
from napari_dense_ssl.gui.map_array import TrustedMap
from napari_dense_ssl.gui.memory import cache_bytes
from napari_dense_ssl.gui.picking import Picker
from napari_dense_ssl.gui.prediction import PredictorKeeper, figures_of_output
from napari_dense_ssl.gui.results import ResultMaps, computed_of, is_result, place_layer
from napari_dense_ssl.predict.class_figures import ClassFigures
from napari_dense_ssl.predict.counting import counted_slices

if TYPE_CHECKING:
    from napari.layers import Layer

_FIGURES_MS = 1000  # between two looks at the figures while maps fill: each costs the window 10 ms


class ClassesLook(QObject):
    """Keeps the maps of each image and run, and one look of the classes for each run.

    Attributes
    ----------
    maps : ResultMaps or None
        Of the chosen layer and run, once there are any.
    moved : Signal()
        An image lies elsewhere in the world now.
    replaced : Signal()
        An image's data are others now.
    """

    moved = Signal()
    replaced = Signal()

    def __init__(self, dock: ClassesForm, keeper: PredictorKeeper) -> None:
        super().__init__(dock)
        self.dock, self.viewer, self._keeper = dock, dock.viewer, keeper
        self.maps: ResultMaps | None = None
        self._key = ("", "")
        self._all: dict[tuple[str, str], ResultMaps] = {}
        self.names = ClassNames(self)
        self._followed: set[str] = set()
        self._counted: dict[str, ClassFigures] = {}
        self._counting: Job | None = None
        self._being_counted = "", ClassFigures()
        self._figures = QTimer(self)
        self._figures.setSingleShot(True)
        self._figures.setInterval(_FIGURES_MS)
        self._figures.timeout.connect(self.show_figures)
        self._colours = QTimer(self)  # one click may change several things
        self._colours.setSingleShot(True)
        self._colours.setInterval(0)
        self._colours.timeout.connect(self._recolour)
        self._picker = Picker(self.viewer, self.class_layers, self._picked)
        self.viewer.layers.events.removed.connect(self._removed)
        self.viewer.dims.events.ndisplay.connect(self._turned)
        self._lit: set[str] = set()
        dock.shown.currentIndexChanged.connect(self._show_layers)
        dock.trust.changed.connect(self._set_threshold)

    # -- which maps ------------------------------------------------------------------------------------

    def maps_of(self, source: LayerSource, run: str) -> ResultMaps:
        """Return the maps of an image and a run; from now on they are looked at."""
        key = (source.identity, run)
        if key not in self._all:
            made = ResultMaps(self.viewer, source, run, self._model(run), cache_bytes(), self)
            made.shown = SHOWN[self.dock.shown.currentText()]
            made.moved.connect(self._moved)
            made.replaced.connect(self._replaced)
            self._all[key] = made
        maps = self._all[key]
        maps.cache.limit = cache_bytes()
        if key == self._key:
            self.maps = maps
        return maps

    def choose(self, layer: Any, run: str) -> None:
        """Look at the maps of a layer and a run, if there are any."""
        identity = "" if layer is None else str(layer.unique_id)
        self._key = (identity, run)
        self.maps = self._all.get(self._key)
        if self.maps is None and computed_of(identity, run) is not None:
            self.maps_of(layer_source(layer), run)
        self.show()

    def show(self) -> None:
        """Show all there is of the chosen maps."""
        self.dock.table.use(self.model)
        self.dock.groups.use(self.model)
        thresholds = [data.threshold for data in map(_finest, self.class_layers()) if _trusted(data)]
        self.dock.trust.set_value(thresholds[0].value if thresholds else 1.0)
        self._recolour()
        self._count()
        self.show_figures()

    def class_layers(self) -> list[Any]:
        """Return the class maps of the chosen layer and run, the topmost first."""
        return [
            layer for layer in reversed(list(self.viewer.layers)) if is_result(layer, "classes", *self._of)
        ]

    @property
    def _of(self) -> tuple[str, str]:
        """Run and image, as :func:`is_result` asks for them."""
        identity, run = self._key
        return run, identity

    def on_disk(self) -> Any:
        """Return the class map of the whole volume, where its layer is there; else None."""
        return next((layer for layer in self.class_layers() if "out" in layer.metadata[KEY]), None)

    def extent(self) -> str:
        """Return of how many slices something is in memory, to end a sentence with."""
        if self.maps is None:
            return ""
        return f": parts of {len(self.maps.cache.slices)} of {self.maps.cache.shape[0]} slices"

    def was_class_map(self, maps: ResultMaps, identity: str) -> bool:
        """Whether a layer that was deleted showed the classes of these maps."""
        return maps.computed.layers.get("classes") == identity

    def happened(self, maps: ResultMaps | None, preview: Preview) -> None:
        """Show a part that was computed."""
        if maps is not None:
            maps.happened(preview)
            if maps is self.maps and not self._figures.isActive():
                self._figures.start()

    # -- figures ---------------------------------------------------------------------------------------

    def show_figures(self) -> None:
        """Show how often classes occur, how bright they are, how far they are to be trusted."""
        layer = self.on_disk()
        figures = None if layer is None else self._counted.get(str(layer.unique_id))
        whole = figures is not None
        if figures is None:
            figures = self.maps.cache.figures() if self.maps is not None else ClassFigures()
        self.dock.table.set_figures(figures, whole)
        self.dock.trust.set_figures(figures)
        self.dock.table_line.setText(self._sentence(figures, layer, whole))
        for one in self.class_layers():
            one.features = _features(self.model, figures)

    def _sentence(self, figures: ClassFigures, layer: Any, whole: bool) -> str:
        count = len(figures.labels)
        if layer is not None and not whole:
            return "Counting the classes of the whole volume …"
        if not count:
            return "The classes that occur are listed here once something is computed."
        if not whole:
            return f"{count} classes in {figures.pixels / 1e6:.2f} million pixels computed so far."
        slices, depth = len(counted_slices(_finest(layer).shape)), _finest(layer).shape[0]
        which = "of the whole volume" if slices == depth else f"counted in {slices} of {depth} slices"
        return f"{count} classes, {which}."

    def _count(self) -> None:
        """Count the classes of the whole volume on disk, once."""
        layer = self.on_disk()
        if layer is None or self._counting is not None or str(layer.unique_id) in self._counted:
            return
        image = next((one for one in self.viewer.layers if str(one.unique_id) == self._key[0]), None)
        if image is None:
            return
        out, source, keeper = Path(layer.metadata[KEY]["out"]), layer_source(image), self._keeper
        what = ("classes", "error") if _trusted(_finest(layer)) else ("classes",)
        figures = ClassFigures()

        def start() -> Iterator[Event]:
            yield from figures_of_output(figures, out, what, source, keeper)

        self._being_counted = str(layer.unique_id), figures
        self._counting = Job("Counting the classes", start)
        self._counting.ended.connect(self._count_ended)
        self._counting.start()

    def _count_ended(self, outcome: Outcome) -> None:
        self._counting = None
        if outcome is Outcome.FINISHED:
            identity, figures = self._being_counted
            self._counted[identity] = figures
        self.show()

    # -- colours, threshold, picking -------------------------------------------------------------------

    @property
    def model(self) -> ClassModel:
        """Groups, names and colours of the chosen run."""
        return self._model(self.run)

    @property
    def run(self) -> str:
        """The chosen run."""
        return self._key[1]

    def _model(self, run: str) -> ClassModel:
        model = self.names.model(run)
        if run not in self._followed:
            self._followed.add(run)
            model.changed.connect(self._colours.start)
            model.edited.connect(self._edited)
        return model

    def _edited(self) -> None:
        """Let what layers say of a class follow, when there is time."""
        if not self._figures.isActive():
            self._figures.start()

    def _recolour(self) -> None:
        for run, model in self.names.models.items():
            layers = [layer for layer in self.viewer.layers if is_result(layer, "classes", run)]
            wanted = model.table()[: model.book.classes + 1]
            for layer in layers:
                layer.metadata[KEY]["classes"] = model.saved
                drawn = layer.colormap.map(np.arange(len(wanted), dtype=np.uint8))
                if not np.allclose(drawn, wanted, atol=1e-6):
                    layer.colormap = model.colormap()

    def _show_layers(self, *_: Any) -> None:
        shown = SHOWN[self.dock.shown.currentText()]
        for maps in self._all.values():
            maps.shown = shown
        for what in ("classes", "error"):
            for layer in self.viewer.layers:
                if is_result(layer, what, *self._of) and layer.visible != (what in shown):
                    layer.visible = what in shown

    def _turned(self, event: Any = None) -> None:
        """In 3-D let errors shine, since black would cover the image; unless the user chose a blending."""
        volume = self.viewer.dims.ndisplay == 3
        before, wanted = ("translucent", "additive") if volume else ("additive", "translucent")
        for layer in self.viewer.layers:
            identity = str(layer.unique_id)
            if is_result(layer, "error") and layer.blending == before and volume != (identity in self._lit):
                layer.blending = wanted
                self._lit ^= {identity}

    def _set_threshold(self, value: float) -> None:
        if self.maps is not None:
            self.maps.computed.threshold.value = value
        for layer in self.class_layers():
            data = _finest(layer)
            if _trusted(data):
                data.threshold.value = value
                if layer.visible:
                    layer.refresh(extent=False, highlight=False)

    def _picked(self, label: int) -> None:
        if self._figures.isActive():  # a class that is seen for the first time has no row before
            self.show_figures()
        self.dock.table.select([label] if label else [])

    # -- the image -------------------------------------------------------------------------------------

    def _moved(self) -> None:
        for maps in self._all.values():
            for layer in self._others(maps):
                place_layer(layer, maps.source)
        self.moved.emit()

    def _replaced(self) -> None:
        """Let go of what was computed of other pixels: never show it over these."""
        maps = self.sender()
        for layer in self._others(maps):
            layer.metadata[KEY]["of_id"] = ""
            layer.visible = False
        self.replaced.emit()

    def _others(self, maps: Any) -> list[Layer]:
        """Return the layers on disk of an image."""
        own = set(maps.computed.layers.values())
        return [
            layer
            for layer in self.viewer.layers
            if layer.metadata.get(KEY, {}).get("of_id") == maps.source.identity
            and str(layer.unique_id) not in own
        ]

    def _removed(self, event: Any) -> None:
        identity = str(event.value.unique_id)
        for key in [key for key in self._all if key[0] == identity]:
            maps = self._all.pop(key)
            maps.close()
            maps.setParent(None)  # else they, and all that was computed, live as long as the dock
            if maps is self.maps:
                self.maps = None
        self._keeper.forget(identity)
        self._counted.pop(identity, None)
        if is_result(event.value, "classes", *self._of):
            self.show_figures()

    def shut(self) -> None:
        """Let go of the viewer; the layers stay."""
        self._figures.stop()
        self._colours.stop()
        self.names.finish()
        self._picker.close()
        self.viewer.layers.events.removed.disconnect(self._removed)
        self.viewer.dims.events.ndisplay.disconnect(self._turned)
        for maps in self._all.values():
            maps.close()
        self._all.clear()
        self.maps = None
        if self._counting is not None:
            self._counting.blockSignals(True)
            self._counting.stop()


def _finest(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _trusted(data: Any) -> bool:
    return isinstance(data, TrustedMap)


def _features(model: ClassModel, figures: ClassFigures) -> dict[str, list[str]]:
    """Return what napari's status bar says of each label; the first is that of 'not predicted'."""
    labels = range(1, int(figures.labels[-1]) + 1 if len(figures.labels) else 1)
    share, error = figures.share(), figures.mean_error()
    return {
        "class": ["not predicted", *(model.name(label) for label in labels)],
        "share": ["", *(f"{100 * share[label]:.1f} %" for label in labels)],
        "mean error": ["", *("" if np.isnan(error[i]) else f"{error[i]:.3f}" for i in labels)],
    }
