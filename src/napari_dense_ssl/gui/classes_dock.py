"""The Classes dock: what a run sees in a volume, and where not to trust it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QGridLayout, QPushButton

from napari_dense_ssl.core.errors import RegionError, RunError, SettingsError
from napari_dense_ssl.core.events import Event, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.devices import DeviceField
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import LayerField, PathField, ProgressRow, form, shrinkable
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import LayerSource, layer_source
from napari_dense_ssl.gui.prediction import PredictorKeeper, Tally, output_layers
from napari_dense_ssl.gui.region import RegionField
from napari_dense_ssl.gui.remember import add_recent
from napari_dense_ssl.gui.results import ResultMaps, is_result
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.gui.views import slice_in_view, view_of

if TYPE_CHECKING:
    from napari import Viewer

_FOLLOW_MS = 150  # after the last movement of a slider or the camera
_FOLLOW_LIMIT = 2048  # px, longest edge of what is computed while following
_IN_MEMORY = 10**9  # voxels of a region: five bytes each are kept in memory


class ClassesDock(Dock):
    """Run and layer; this slice, a region, or the whole volume; classes, error, or both."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.run_field = PathField("runs", "folder", "run folder")
        self.run_field.setToolTip("A folder that training wrote; the latest of this session comes first")
        self.layer = LayerField(napari_viewer)
        self.layer.setToolTip("Image layer to look at: a stack of grey-value slices (Z, Y, X)")
        self.error = QCheckBox("equivariance error")
        self.error.setChecked(True)
        self.error.setToolTip(
            "Compare the map with those of the turned, flipped and moved image: 0 where they agree, "
            "1 where they do not. Takes about ten times as long as the classes alone"
        )
        self.device = DeviceField()
        self.region = RegionField(napari_viewer)
        self.shown = shrinkable(QComboBox())
        self.shown.addItems(["classes", "equivariance error", "both"])
        self.shown.setToolTip("Which of the maps are visible over the image")
        rows = form()
        rows.addRow("Run", self.run_field)
        rows.addRow("Layer", self.layer)
        rows.addRow("Compute", self.error)
        rows.addRow("Device", self.device)
        rows.addRow("Region", self.region)
        self.body.addLayout(rows)
        self.slice_button, self.region_button = QPushButton("This slice"), QPushButton("Region")
        self.whole_button, self.stop_button = QPushButton("Whole volume …"), QPushButton("Stop")
        self.slice_button.setToolTip("Compute the whole slice that the slider stands at")
        self.region_button.setToolTip("Compute the region above, into memory")
        self.whole_button.setToolTip(
            "Compute everything into an OME-Zarr on disk; choose an unfinished one to go on with it"
        )
        self.stop_button.setToolTip("Stop; what is computed stays, and on disk it can be gone on with")
        self.follow = QCheckBox("follow the slice in view")
        self.follow.setToolTip("While you scroll, compute what is in view and not computed yet")
        grid = QGridLayout()
        grid.setSpacing(6)
        grid.addWidget(self.slice_button, 0, 0)
        grid.addWidget(self.region_button, 0, 1)
        grid.addWidget(self.whole_button, 1, 0)
        grid.addWidget(self.stop_button, 1, 1)
        self.body.addLayout(grid)
        self.body.addWidget(self.follow)
        below = form()
        below.addRow("Show", self.shown)
        self.body.addLayout(below)
        self.progress = ProgressRow()
        self.body.addWidget(self.progress)
        self.body.addWidget(self.status)
        self.body.addStretch(1)
        self._maps: dict[tuple[str, str], ResultMaps] = {}
        self._keeper = PredictorKeeper()
        self._tally = Tally()
        self._following = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_FOLLOW_MS)
        self._timer.timeout.connect(self._follow)
        for signal in self._view_signals():
            signal.connect(self._moved)
        self.slice_button.clicked.connect(self.this_slice)
        self.region_button.clicked.connect(self.this_region)
        self.whole_button.clicked.connect(self.whole_volume)
        self.stop_button.clicked.connect(self.stop)
        self.follow.toggled.connect(lambda on: self._timer.start() if on else None)
        self.shown.currentIndexChanged.connect(lambda _: self._show_layers())
        self.run_field.changed.connect(lambda _: self.update_buttons())
        self.layer.layer_changed.connect(self._layer_changed)
        runs_of_session().added.connect(self._run_added)
        self.run_field.set_path(runs_of_session().latest)
        self._layer_changed()

    # -- what is asked for -----------------------------------------------------------------------------

    @property
    def what(self) -> tuple[str, ...]:
        """Which maps are computed."""
        return ("classes", "error") if self.error.isChecked() else ("classes",)

    def _chosen(self) -> tuple[Any, LayerSource, str]:
        """Return the layer, what was read off it, and the run folder."""
        layer = self.layer.layer()
        if layer is None:
            raise SettingsError("There is no image layer to look at; open a volume first (Volume dock).")
        run = self.run_field.path()
        if not run:
            raise RunError("No run is chosen; train one (Train dock), or browse for its folder.")
        source = layer_source(layer)
        source.check()
        return layer, source, str(Path(run).expanduser())

    def this_slice(self) -> None:
        """Compute the slice that the slider stands at."""

        def box(layer: Any) -> Box:
            z = slice_in_view(self.viewer, layer)
            if z is None:
                raise RegionError(f"The slider stands outside of {layer.name}; move it into the image.")
            return Box.whole(_shape(layer)).plane(z)

        self._compute(box, follows=False)

    def this_region(self) -> None:
        """Compute the chosen region into memory."""

        def box(layer: Any) -> Box:
            box = self.region.box(layer) or Box.whole(_shape(layer))
            if box.size > _IN_MEMORY:
                raise RegionError(
                    f"The region {box} has {box.size / 1e9:.1f} billion voxels, too many for memory; "
                    "choose a smaller one, or Whole volume, which goes to disk."
                )
            return box

        self._compute(box, follows=False)

    def _follow(self) -> None:
        busy_otherwise = self.busy and not self._following
        layer = self.layer.layer()
        if not self.follow.isChecked() or busy_otherwise or layer is None or not self.run_field.path():
            return
        view = view_of(self.viewer, layer, _FOLLOW_LIMIT)
        if view is not None and not self._has(layer, view.box):
            box = view.box
            self._compute(lambda _: box, follows=True)

    def _has(self, layer: Any, box: Box) -> bool:
        run = str(Path(self.run_field.path()).expanduser())
        maps = self._maps.get((str(layer.unique_id), run))
        return maps is not None and maps.covers(box, self.what)

    # -- in memory -------------------------------------------------------------------------------------

    def _compute(self, choose: Callable[[Any], Box], *, follows: bool) -> None:
        def prepare() -> tuple[LayerSource, str, Box]:
            layer, source, run = self._chosen()
            return source, run, choose(layer)

        begun = self.attempt("Computing the classes", prepare)
        if begun is None:
            self.follow.setChecked(False)
            return
        source, run, box = begun
        maps = self._maps.setdefault((source.identity, run), ResultMaps(self.viewer, source, run))
        what, device, keeper = self.what, self.device.kind(), self._keeper
        self._tally = Tally()

        def start() -> Iterator[Event]:
            from napari_dense_ssl.predict import predict_view

            yield from predict_view(source.open(), keeper.open(run, device), box, what=what)

        def happened(event: Event) -> None:
            if isinstance(event, Preview):
                maps.show(event)
                self._tally.add(event)
                self._show_layers()
            self._happened(event)

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                maps.cover(box, what)
                slices = f"Slice {box.start[0]}" if box.shape[0] == 1 else f"{box.shape[0]} slices"
                colours = f" Its colours end at {maps.error_limit:g}." if "error" in what else ""
                self._done(f"{slices}: {self._tally}{colours}")
            else:
                self._over(outcome)
            self._timer.start()  # what is in view may have changed meanwhile

        self._following = follows
        self.progress.begin("starting …")
        self.run("Computing the classes", start, happened=happened, ended=ended, source=source.identity)

    # -- to disk ---------------------------------------------------------------------------------------

    def whole_volume(self) -> None:
        """Compute the whole volume into an OME-Zarr; ask where, and go on where it is unfinished."""
        chosen = self.attempt("Predicting the volume", self._chosen)
        if chosen is None:
            return
        _, source, run = chosen
        suggestion = str(Path(run) / f"{source.name} classes.zarr")
        text, _ = QFileDialog.getSaveFileName(
            self,
            "OME-Zarr to write, or an unfinished one to go on with",
            suggestion,
            "OME-Zarr (*.zarr)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if not text:
            return
        out = Path(text) if text.endswith(".zarr") else Path(f"{text}.zarr")
        what, device, keeper = self.what, self.device.kind(), self._keeper
        layers: list[Any] = []

        def start() -> Iterator[Event]:
            from napari_dense_ssl.predict import predict

            yield from predict(source.open(), keeper.open(run, device), out, what=what, resume=out.exists())
            layers.extend(output_layers(out, run, what, source.name))

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                self._add_output(layers)
                self._done(f"The whole volume is in {out}.")
            else:
                self._over(outcome)

        self._following = False
        self.progress.begin("starting …")
        self.run("Predicting the volume", start, happened=self._happened, ended=ended, source=source.identity)

    def _add_output(self, layers: list[tuple[Any, dict[str, Any], str]]) -> None:
        selected = set(self.viewer.layers.selection)
        for data, keywords, kind in layers:
            add = self.viewer.add_labels if kind == "labels" else self.viewer.add_image
            add(data, **keywords)
        if selected:
            self.viewer.layers.selection = selected
        self._show_layers()

    # -- progress --------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the job; stop following as well."""
        self.follow.setChecked(False)
        if self.job is not None and self.busy:
            self.job.stop()
            self.status.setText("Stopping …")
            self.update_buttons()

    def _happened(self, event: Event) -> None:
        match event:
            case Started(details=details):
                self.status.setText(f"Computing on {details.get('device', 'this machine')}.")
            case Step():
                self.progress.advance(event)
            case Noted(message=message):
                self.status.setText(message)
            case _:
                pass

    def _done(self, text: str) -> None:
        self.progress.finish("done")
        self.status.setText(text)
        add_recent("runs", self.run_field.path())
        self.update_buttons()

    def _over(self, outcome: Outcome) -> None:
        self.progress.finish("failed" if outcome is Outcome.FAILED else "stopped")
        if outcome is Outcome.FAILED:
            self.follow.setChecked(False)
            if self.job is not None:
                self.status.setText(self.job.message)
        else:
            self.status.setText("Stopped. What was computed stays.")
        self.update_buttons()

    # -- the window ------------------------------------------------------------------------------------

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        ready = self.layer.currentData() is not None and bool(self.run_field.path())
        free = not self.busy or self._following
        for button in (self.slice_button, self.region_button, self.whole_button):
            button.setEnabled(ready and free)
        self.stop_button.setEnabled(self.busy and self.job is not None and not self.job.stopping)

    def _layer_changed(self) -> None:
        layer = self.layer.layer()
        if layer is not None:
            self.region.set_depth(_shape(layer)[0])
        self.update_buttons()

    def _run_added(self, path: str) -> None:
        self.run_field.refresh()
        self.run_field.set_path(path)

    def _show_layers(self) -> None:
        chosen = self.shown.currentText()
        for layer in self.viewer.layers:
            for what, name in (("classes", "classes"), ("error", "equivariance error")):
                if is_result(layer, what) and "live" not in layer.name:
                    visible = chosen in (name, "both")
                    if layer.visible != visible:
                        layer.visible = visible

    def _view_signals(self) -> tuple[Any, ...]:
        camera = self.viewer.scene.camera.events
        return self.viewer.dims.events.point, camera.zoom, camera.center

    def _moved(self, event: Any = None) -> None:
        if self.follow.isChecked():
            self._timer.start()

    def shut(self) -> None:
        """Let go of the viewer, stop the job, free the network's memory."""
        self._timer.stop()
        for signal in self._view_signals():
            signal.disconnect(self._moved)
        runs_of_session().added.disconnect(self._run_added)
        self._maps.clear()
        self._keeper.clear()
        super().shut()


def _shape(layer: Any) -> tuple[int, int, int]:
    data = layer.data[0] if layer.multiscale else layer.data
    shape = (1, 1, 1, *(int(n) for n in data.shape))
    return shape[-3], shape[-2], shape[-1]
