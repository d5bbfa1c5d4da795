"""The Scribble dock: a few strokes become a segmentation of the slice in view, then of the volume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_dense_ssl.core.errors import RunError, ScribbleError, SettingsError
from napari_dense_ssl.core.events import Event, Noted, Pictured, Preview, Step
from napari_dense_ssl.core.watch import Desk, View
from napari_dense_ssl.gui.fields import duration
from napari_dense_ssl.gui.follower import LIMIT, Follower
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import LayerSource, layer_source
from napari_dense_ssl.gui.memory import cache_bytes
from napari_dense_ssl.gui.prediction import PredictorKeeper
from napari_dense_ssl.gui.scribble_classes import ClassStrokes
from napari_dense_ssl.gui.scribble_form import SHOWN, ScribbleForm
from napari_dense_ssl.gui.scribble_guide import Guide
from napari_dense_ssl.gui.scribble_jobs import scribbled
from napari_dense_ssl.gui.scribble_layers import ScribbleMaps, add_scribbles
from napari_dense_ssl.gui.scribble_output import ScribbleOutput
from napari_dense_ssl.gui.scribble_store import ScribbleStore
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.gui.views import stack_shape
from napari_dense_ssl.predict.sparse_labels import SparseLabels

if TYPE_CHECKING:
    from napari import Viewer

_STROKE_MS = 250  # after a write that no stroke ended with: one that was undone


class ScribbleDock(ScribbleForm):
    """Segments what is in view whenever the scribbles change; and a region, or all, to disk.

    Two jobs may run at once: one answers strokes, one writes to disk.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.keeper = PredictorKeeper()
        self.follower = Follower(napari_viewer, self)
        self.guide = Guide(napari_viewer)
        self.maps: ScribbleMaps | None = None
        self._all: dict[tuple[str, str, str], ScribbleMaps] = {}
        self._desk: Desk[Any] = Desk()
        self._painted: Any = None  # the layer that is listened to
        self._asked: tuple[Any, Any] | None = None
        self._stroke_timer = QTimer(self)
        self._stroke_timer.setSingleShot(True)
        self._stroke_timer.timeout.connect(self.ask)
        self.store = ScribbleStore(self)
        self.output = ScribbleOutput(self)
        self.classes = ClassStrokes(self)
        self.follower.happened.connect(self._followed)
        self.follower.ended.connect(self._follow_ended)
        self.follower.looked.connect(self._looked)
        self.new_button.clicked.connect(self.new)
        self.suggest_button.clicked.connect(self.suggest_next)
        self.stop_button.clicked.connect(self.stop)
        self.follow.toggled.connect(self._follow_toggled)
        self.shown.currentIndexChanged.connect(self._show_layers)
        self.table.chosen.connect(self._take_label)
        self.labels.changed.connect(self._recolour)
        self.device.currentIndexChanged.connect(self._refollow)
        self.run_field.changed.connect(self._chosen_changed)
        self.layer.layer_changed.connect(self._chosen_changed)
        self.scribbles.layer_changed.connect(self._scribbles_changed)
        napari_viewer.layers.events.removed.connect(self._removed)
        runs_of_session().added.connect(self._run_added)
        self.run_field.set_path(runs_of_session().latest)
        self._scribbles_changed()
        self._chosen_changed()

    # -- what is asked for -----------------------------------------------------------------------------

    def run_path(self) -> str:
        """Return the chosen run folder; empty where there is none."""
        text = self.run_field.path()
        return str(Path(text).expanduser()) if text else ""

    def image(self) -> LayerSource:
        """Return the chosen image, read off its layer."""
        layer = self.layer.layer()
        if layer is None:
            raise SettingsError("There is no image layer to scribble on; open a volume first (Volume dock).")
        source = layer_source(layer)
        source.check()
        return source

    def chosen(self) -> tuple[LayerSource, Any]:
        """Return the image and its layer of scribbles, where there is a run too."""
        source = self.image()
        if not self.run_path():
            raise RunError("No run is chosen; train one (Train dock), or browse for its folder.")
        layer = self.scribbles.layer()
        if layer is None:
            raise ScribbleError("There is nothing to scribble on yet; press New.")
        if tuple(layer.data.shape) != source.shape:
            raise ScribbleError(
                f"{layer.name} has the shape {tuple(layer.data.shape)}, {source.name} {source.shape}; choose "
                "the scribbles that were drawn on this image, or press New."
            )
        return source, layer

    def new(self) -> None:
        """Make a layer to paint on over the image, and take the brush."""
        source = self.attempt("Making scribbles", self.image)
        if source is not None:
            z, y, x = source.shape
            self.adopt(SparseLabels((z, y, x)), source)

    def adopt(self, data: SparseLabels, source: LayerSource) -> None:
        """Show scribbles, take the brush, and follow where there is a run."""
        self.scribbles.choose(add_scribbles(self.viewer, source, data, self.labels))
        self.status.setText(
            "Paint on the image with two labels or more: choose a row below, then draw. Erasing, filling and "
            "undoing (Ctrl+Z) count too."
        )
        if self.run_path() and not self.follow.isChecked():
            self.follow.setChecked(True)

    # -- strokes ---------------------------------------------------------------------------------------

    def _scribbles_changed(self, *_: Any) -> None:
        self._listen_no_more()
        layer = self.scribbles.layer()
        self._painted = layer
        if layer is not None:
            layer.data.listen(self._touched)
            layer.events.paint.connect(self._stroke)
            layer.events.selected_label.connect(self._brush_changed)
            self.table.choose(int(layer.selected_label))
            layer.colormap = self.labels.colormap()
        self._asked = None
        self._chosen_changed()
        self.ask()

    def _listen_no_more(self) -> None:
        layer, self._painted = self._painted, None
        if layer is not None:
            layer.data.unlisten(self._touched)
            layer.events.paint.disconnect(self._stroke)
            layer.events.selected_label.disconnect(self._brush_changed)

    def _touched(self) -> None:
        self._stroke_timer.start(_STROKE_MS)

    def _stroke(self, event: Any = None) -> None:
        self._stroke_timer.start(0)

    def ask(self) -> None:
        """Tell the job of the scribbles that there are."""
        layer = self.scribbles.layer()
        if layer is None:
            self._desk.put(None)
            self.table.set_drawn(np.zeros(256, np.int64))
            return
        places, labels = layer.data.places()
        if self._asked is not None and all(
            np.array_equal(a, b) for a, b in zip(self._asked, (places, labels), strict=True)
        ):
            return
        self._asked = places, labels
        self.guide.forget()
        self.table.set_drawn(np.bincount(labels, minlength=256).astype(np.int64))
        self._desk.put(self._scribbles_of(places, labels))
        self.update_buttons()

    def _scribbles_of(self, places: Any, labels: Any) -> Any:
        """Return what can be learned from; None where there are not two labels yet."""
        if len(np.unique(labels)) < 2:
            if self.follow.isChecked():
                missing = "a label" if len(labels) == 0 else "another label"
                self.view_line.setText(f"Scribble with {missing}: two or more can be told apart.")
            return None
        from napari_dense_ssl.predict.scribbles import Scribbles

        return Scribbles.of(places, labels)

    def _take_label(self, label: int) -> None:
        layer = self.scribbles.layer()
        if layer is not None and layer.selected_label != label:
            layer.selected_label = label

    def _brush_changed(self, event: Any = None) -> None:
        layer = self.scribbles.layer()
        if layer is not None and layer.selected_label != self.table.label():
            self.table.choose(int(layer.selected_label))

    # -- following -------------------------------------------------------------------------------------

    def _follow_toggled(self, on: bool) -> None:
        if on:
            self._start_following()
        else:
            self.follower.stop()
            self.view_line.setText("")
        self.update_buttons()

    def _start_following(self) -> None:
        chosen = self.attempt("Segmenting", self.chosen)
        if chosen is None:
            self.follow.setChecked(False)
            return
        source, layer = chosen
        run, limit = self.run_path(), cache_bytes()
        maps = self.maps = self._maps_of(source, str(layer.unique_id), run)
        maps.demand()
        keeper, source, cache = self.keeper, maps.source, maps.cache
        device, settings = self.device.kind(), self.settings()
        desk = self._desk = Desk()
        self._asked = None

        def begin(desk: Desk[Any]) -> Iterator[Event]:
            return scribbled(keeper, source, run, device, settings, desk, cache, limit)

        self.view_line.setText("Getting ready …")
        self.follower.start(maps, begin, desk, "Segmenting")
        self.ask()

    def _maps_of(self, source: LayerSource, scribbles: str, run: str) -> ScribbleMaps:
        key = (source.identity, scribbles, run)
        if key not in self._all:
            made = ScribbleMaps(self.viewer, source, scribbles, run, self.labels, cache_bytes(), self)
            made.shown = SHOWN[self.shown.currentText()]
            made.moved.connect(self.follower.moved)
            made.replaced.connect(self._replaced)
            self._all[key] = made
        return self._all[key]

    def _refollow(self, *_: Any) -> None:
        if self.follow.isChecked():
            self.follower.stop()
            self._start_following()

    def settings_changed(self) -> None:
        """Begin anew with what is set now."""
        self._refollow()

    def _replaced(self) -> None:
        self._refollow()

    def _looked(self, view: View | None) -> None:
        if view is None:
            self.view_line.setText("Nothing of the image is in view as slices; go back to the 2-D view.")

    def _followed(self, event: Event) -> None:
        match event:
            case Preview():
                if self.maps is not None:
                    self.maps.happened(event)
            case Pictured(picture=picture):
                self.table.set_slice(picture.pixels)
                if picture.final:
                    self.guide.take(picture.suggestions, self.layer.layer())
                self._describe(picture)
            case Step(fraction=1.0):
                if self._desk.both()[1] is None:
                    self.view_line.setText(
                        "Ready: what is in view is encoded. Scribble with two labels or more."
                    )
            case Step(seconds_left=left):
                time = f" · {duration(left)} left" if left is not None and left >= 1 else ""
                self.view_line.setText(f"Encoding what is in view: {100 * event.fraction:.0f} %{time}")
            case Noted(message=message):
                self.status.setText(message)
            case _:
                pass
        self.update_buttons()

    def _describe(self, picture: Any) -> None:
        how = "segmented" if picture.final else "quick answer"
        text = (
            f"Slice {picture.z}: {how} after {picture.seconds:.1f} s, mean uncertainty "
            f"{picture.uncertainty:.3f} (0 to 1)"
        )
        if not picture.final:
            text += "; fitting the classifier …"
        if self.follower.cropped:
            text += f" Only the middle {LIMIT} px: zoom in to see the rest."
        self.view_line.setText(text)

    def _follow_ended(self, outcome: Outcome) -> None:
        if outcome is Outcome.FAILED:
            self.status.setText(self.follower.message)
        self.follow.setChecked(False)
        self.update_buttons()

    # -- help ------------------------------------------------------------------------------------------

    def suggest_next(self) -> None:
        """Go where the next scribble helps most."""
        image = self.layer.layer()
        found = self.guide.next(image) if image is not None else None
        if found is None:
            self.status.setText("Nothing is suggested yet: scribble, and wait for the slice to be segmented.")
            return
        z, y, x = found.place
        self.status.setText(
            f"Slice {z}, row {y}, column {x}: uncertainty {found.uncertainty:.2f} (0 to 1) in a region of "
            f"{found.pixels:,} px. Scribble what it is."
        )

    # -- the window ------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the job; where there is none, stop segmenting."""
        if not self.stop_job():
            self.follow.setChecked(False)

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        image = self.layer.currentData() is not None
        drawn = self.scribbles.currentData() is not None
        ready = image and drawn and bool(self.run_field.path())
        self.new_button.setEnabled(image)
        self.load_button.setEnabled(image and not self.busy)
        self.save_button.setEnabled(drawn and not self.busy)
        self.apply_button.setEnabled(ready and not self.busy)
        self.follow.setEnabled(ready or self.follow.isChecked())
        self.suggest_button.setEnabled(bool(self.guide.suggestions))
        self.pick_button.setEnabled(drawn)
        self.pick_field.setEnabled(drawn)
        self.table.save_button.setEnabled(bool(self.output.counts.slices))
        stoppable = self.busy and self.job is not None and not self.job.stopping
        self.stop_button.setEnabled(bool(stoppable or (self.follow.isChecked() and not self.busy)))

    def _chosen_changed(self, *_: Any) -> None:
        layer = self.layer.layer()
        if layer is not None:
            self.region.set_depth(stack_shape(layer)[0])
            if not self.output.counts.slices:  # until then the table only says in which unit
                self.table.set_whole(np.zeros(256, np.int64), layer_source(layer).voxel_size)
        if self.follow.isChecked():
            self.follower.stop()
            if layer is None or self.scribbles.layer() is None:
                self.follow.setChecked(False)
            elif Path(self.run_path()).is_dir():  # not while a path is being typed
                self._start_following()
        self.update_buttons()

    def _show_layers(self, *_: Any) -> None:
        shown = SHOWN[self.shown.currentText()]
        for maps in self._all.values():
            maps.shown = shown
            for what in ("classes", "error"):
                layer = maps.layer(what)
                if layer is not None:
                    layer.visible = what in shown

    def _recolour(self) -> None:
        layer = self.scribbles.layer()
        if layer is not None:
            layer.colormap = self.labels.colormap()
            layer.features = self.labels.features()
        for maps in self._all.values():
            maps.recolour()

    def _run_added(self, path: str) -> None:
        self.run_field.refresh()
        self.run_field.set_path(path)

    def _removed(self, event: Any) -> None:
        identity = str(event.value.unique_id)
        for key in [key for key in self._all if identity in key[:2]]:
            maps = self._all.pop(key)
            maps.close()
            maps.setParent(None)
            if maps is self.maps:
                self.maps = None
        self.keeper.forget(identity)

    def shut(self) -> None:
        """Let go of the viewer, stop the jobs; the layers stay."""
        self._stroke_timer.stop()
        self.follower.shut()
        self._listen_no_more()
        self.classes.shut()
        self.viewer.layers.events.removed.disconnect(self._removed)
        runs_of_session().added.disconnect(self._run_added)
        for maps in self._all.values():
            maps.close()
        self._all.clear()
        self.maps = None
        self.keeper.clear()
        super().shut()
