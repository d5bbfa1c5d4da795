"""The Classes dock: what a run sees in a volume, and where not to trust it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dense_ssl.core.errors import RegionError, RunError, SettingsError
from napari_dense_ssl.core.events import Event, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.class_naming import ClassNaming
from napari_dense_ssl.gui.classes_form import ClassesForm
from napari_dense_ssl.gui.classes_look import ClassesLook
from napari_dense_ssl.gui.fields import duration, size_text
from napari_dense_ssl.gui.follower import LIMIT, Follower
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.memory import cache_bytes
from napari_dense_ssl.gui.prediction import PredictorKeeper, Tally, filled, followed, written
from napari_dense_ssl.gui.remember import add_recent
from napari_dense_ssl.gui.results import ResultMaps
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.gui.views import shows_slices, slice_box, slice_in_view, stack_shape, view_box
from napari_dense_ssl.gui.whole import add_output, ask_where, room_for
from napari_dense_ssl.predict.map_cache import MapCache

if TYPE_CHECKING:
    from napari import Viewer


class ClassesDock(ClassesForm):
    """Computes what the form asks for; what is there to see is kept by :class:`ClassesLook`.

    Two jobs may run at once: one follows the view, one computes a slice, a region or the whole volume, and
    stands still while the first one fills what is in view.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._keeper = PredictorKeeper()
        self._waits = False
        self.follower = Follower(napari_viewer, self)
        self.look = ClassesLook(self, self._keeper)
        self.naming = ClassNaming(self, self._keeper)
        self.follower.happened.connect(self._followed)
        self.follower.ended.connect(self._follow_ended)
        self.follower.looked.connect(self._looked)
        self.look.moved.connect(self.follower.moved)
        self.look.replaced.connect(self._chosen_changed)
        for signal in (napari_viewer.dims.events.ndisplay, napari_viewer.dims.events.order):
            signal.connect(self._turned)
        napari_viewer.layers.events.removed.connect(self._removed)
        self.slice_button.clicked.connect(self.this_slice)
        self.region_button.clicked.connect(self.this_region)
        self.view_button.clicked.connect(self.this_view)
        self.whole_button.clicked.connect(self.whole_volume)
        self.stop_button.clicked.connect(self.stop)
        self.follow.toggled.connect(self._follow_toggled)
        for changed in (self.error.toggled, self.device.currentIndexChanged):
            changed.connect(self._refollow)
        self.run_field.changed.connect(self._chosen_changed)
        self.layer.layer_changed.connect(self._chosen_changed)
        runs_of_session().added.connect(self._run_added)
        self.run_field.set_path(runs_of_session().latest)
        self._chosen_changed()

    # -- what is asked for -----------------------------------------------------------------------------

    @property
    def what(self) -> tuple[str, ...]:
        """Which maps are computed."""
        return ("classes", "error") if self.error.isChecked() else ("classes",)

    def run_path(self) -> str:
        """Return the chosen run folder; empty where there is none."""
        text = self.run_field.path()
        return str(Path(text).expanduser()) if text else ""

    def chosen(self) -> ResultMaps:
        """Return the maps of the chosen layer and run.

        Raises
        ------
        SettingsError, RunError, VolumeError
            If one of them is not chosen, or cannot be looked at.
        """
        layer = self.layer.layer()
        if layer is None:
            raise SettingsError("There is no image layer to look at; open a volume first (Volume dock).")
        if not self.run_path():
            raise RunError("No run is chosen; train one (Train dock), or browse for its folder.")
        source = layer_source(layer)
        source.check()
        return self.look.maps_of(source, self.run_path())

    def this_slice(self) -> None:
        """Compute the slice that the slider stands at."""
        self._compute(lambda layer: slice_box(self.viewer, layer))

    def this_region(self) -> None:
        """Compute the chosen region into memory."""
        self._compute(lambda layer: self.region.box(layer) or Box.whole(stack_shape(layer)))

    def this_view(self) -> None:
        """Compute what a view that cuts across the slices, or shows the volume, has of them."""
        self._compute(lambda layer: view_box(self.viewer, layer))

    # -- following -------------------------------------------------------------------------------------

    def _follow_toggled(self, on: bool) -> None:
        if not on:
            self.follower.stop()
            self._go_on()
            self._describe_view()
        elif self.look.on_disk() is not None:
            self.follow.setChecked(False)
            self.view_line.setText(
                "The whole volume is computed: there is nothing to follow. Delete its layers to compute anew."
            )
            self.view_line.show()
        else:
            self._start_following()
        self.update_buttons()

    def _start_following(self) -> None:
        maps = self.attempt("Following", self.chosen)
        if maps is None:
            self.follow.setChecked(False)
            return
        maps.demand()
        keeper, source, computed, run = self._keeper, maps.source, maps.computed, maps.run
        what, device, cache = self.what, self.device.kind(), maps.cache

        def begin(watch: Watch) -> Iterator[Event]:
            return followed(keeper, source, computed, cache, run, device, what, watch)

        self.follower.start(maps, begin)

    def _refollow(self, *_: Any) -> None:
        """Follow with what is set now."""
        if self.follow.isChecked():
            self.follower.stop()
            self._start_following()

    def _looked(self, *_: Any) -> None:
        """Let the job stand still while anything in view is missing; say how far it is."""
        if self.follower.maps is None:
            return
        if self._view_missing():
            self._wait()
        else:
            self._go_on()
        self._describe_view()

    def _view_missing(self) -> bool:
        return self.follower.missing("error" if "error" in self.what else "classes")

    def _followed(self, event: Event) -> None:
        match event:
            case Preview():
                self.look.happened(self.follower.maps, event)
            case Step() if self.follower.behind:
                pass  # it is about the view before; of the new one the follower tells in a moment
            case Step(fraction=1.0):
                self._looked()
            case Step(seconds_left=left):
                time = f" · {duration(left)} left" if left is not None and left >= 1 else ""
                self._describe_view(f"{100 * event.fraction:.0f} %{time}")
            case Noted(message=message):
                self.status.setText(message)
            case _:
                pass

    def _follow_ended(self, outcome: Outcome) -> None:
        if outcome is Outcome.FAILED:
            self.status.setText(self.follower.message)
        self.follow.setChecked(False)
        self._go_on()
        self.update_buttons()

    def _describe_view(self, state: str = "") -> None:
        across = not shows_slices(self.viewer)
        self.view_button.setVisible(across and self.look.on_disk() is None)
        layer = self.layer.layer()
        if across:
            volume = self.viewer.dims.ndisplay == 3
            kind = "The 3-D view" if volume else "This view cuts across the slices; it"
            whole = self.look.on_disk() is not None
            text = "" if whole else f"{kind} shows what is computed{self.look.extent()}."
        elif self.follow.isChecked() and layer is not None:
            behind = self.follower.behind
            z = slice_in_view(self.viewer, layer) if behind or self.follower.view is not None else None
            state = state or ("computing …" if behind or self._view_missing() else "computed")
            text = f"Slice {z}: {state}" if z is not None else "Nothing of the image is in view."
            if self.follower.cropped and z is not None:
                text += f". Only the middle {LIMIT} px: zoom in to see the rest"
        else:
            text = "" if self.follow.isEnabled() else "Choose a run and an image layer to begin."
        self.view_line.setText(text)
        self.view_line.setVisible(bool(text))

    def _turned(self, event: Any = None) -> None:
        self.follower.moved()  # which napari would tell it only after this
        self._describe_view()

    # -- into memory -----------------------------------------------------------------------------------

    def _compute(self, choose: Callable[[Any], Box]) -> None:
        def prepare() -> tuple[ResultMaps, Box]:
            maps, limit = self.chosen(), cache_bytes()
            box = choose(self.layer.layer())
            needed = MapCache.bytes_of(box)
            if needed > limit:
                raise RegionError(
                    f"{box.size / 1e6:.1f} million voxels need {size_text(needed)} of memory, and maps may "
                    f"take {size_text(limit)} (napari's Preferences); choose less, or Whole volume, which "
                    "goes to disk."
                )
            return maps, box

        begun = self.attempt("Computing the classes", prepare)
        if begun is None:
            return
        maps, box = begun
        maps.demand()
        keeper, source, computed, run = self._keeper, maps.source, maps.computed, maps.run
        what, device, cache = self.what, self.device.kind(), maps.cache
        tally = Tally()

        def happened(event: Event) -> None:
            if isinstance(event, Preview):
                self.look.happened(maps, event)
                tally.add(event)
            self._happened(event)

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                slices = f"Slice {box.start[0]}" if box.shape[0] == 1 else f"{box.shape[0]} slices"
                colours = f" Its colours end at {computed.error_limit:g}." if "error" in what else ""
                self.done(f"{slices}: {tally}{colours}")
            else:
                self.over(outcome, "Stopped. What was computed stays.")
            self._describe_view()

        self.progress.begin("starting …")
        self.run(
            "Computing the classes",
            lambda: filled(keeper, source, computed, cache, run, device, what, box),
            happened=happened,
            ended=ended,
            source=source.identity,
        )

    # -- to disk ---------------------------------------------------------------------------------------

    def whole_volume(self) -> None:
        """Compute the whole volume into an OME-Zarr; ask where, and go on where it is unfinished."""
        maps = self.attempt("Predicting the volume", self.chosen)
        if maps is None:
            return
        source, run = maps.source, maps.run
        out = ask_where(self, Path(run) / f"{source.name} classes.zarr")
        if out is None:
            return
        what, device, keeper = self.what, self.device.kind(), self._keeper
        found: dict[str, Any] = {}
        room = "" if out.exists() else room_for(out, source.shape, what)

        def happened(event: Event) -> None:
            if isinstance(event, Started):
                done = event.details.get("done_before", 0)
                before = f" {done} of {event.total} blocks were there already." if done else ""
                self.status.setText(
                    f"Writing {out}.{before} {room} It may be stopped, and gone on with later."
                )
            else:
                self._happened(event)

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                self.done(f"The whole volume is in {out}.")
                self._add_whole(maps, out, found)
            else:
                self.over(outcome, f"Stopped. Choose {out} again under Whole volume to go on with it.")

        self.progress.begin("starting …")
        self.run(
            "Predicting the volume",
            lambda: written(keeper, source, run, device, what, out, found),
            happened=happened,
            ended=ended,
            source=source.identity,
        )

    def _add_whole(self, maps: ResultMaps, out: Path, found: dict[str, Any]) -> None:
        """Show what is on disk in the place of what was in memory."""
        self.follow.setChecked(False)
        names = found.pop("names", None)
        add_output(self.viewer, found, maps.source, maps.run, out, maps.model, maps.computed.threshold)
        told = self.look.names.map_opened(maps.run, out, names)
        self.status.setText(f"{self.status.text()} {told}".rstrip())
        self.look.show()
        self._describe_view()

    # -- progress --------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the job; where there is none, stop following."""
        if not self.stop_job():
            self.follow.setChecked(False)

    def _wait(self) -> None:
        """Let the job stand still while what is in view is computed."""
        if self.job is not None and self.busy and not self._waits:
            self._waits = True
            self.job.pause()

    def _go_on(self) -> None:
        if self._waits:
            self._waits = False
            if self.job is not None:
                self.job.resume()

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

    def done(self, text: str) -> None:
        """Show that a job has done what it was to do."""
        self._waits = False
        self.look.show_figures()
        self.progress.finish("done")
        self.status.setText(text)
        add_recent("runs", self.run_field.path())
        self.update_buttons()

    def over(self, outcome: Outcome, text: str) -> None:
        """Show that a job was stopped, which `text` tells, or has failed."""
        self._waits = False
        failed = outcome is Outcome.FAILED
        self.progress.finish("failed" if failed else "stopped")
        self.status.setText(self.job.message if failed and self.job is not None else text)
        self.update_buttons()

    # -- the window ------------------------------------------------------------------------------------

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        ready = self.layer.currentData() is not None and bool(self.run_field.path())
        for button in (self.slice_button, self.region_button, self.whole_button, self.view_button):
            button.setEnabled(ready and not self.busy)
        self.groups.set_can_find(ready and not self.busy)
        self.follow.setEnabled(ready or self.follow.isChecked())
        stoppable = self.busy and self.job is not None and not self.job.stopping
        self.stop_button.setEnabled(bool(stoppable or (self.follow.isChecked() and not self.busy)))

    def _chosen_changed(self, *_: Any) -> None:
        layer = self.layer.layer()
        if layer is not None:
            self.region.set_depth(stack_shape(layer)[0])
        self.look.choose(layer, self.run_path())
        if self.follow.isChecked():
            self.follower.stop()
            if layer is None:
                self.follow.setChecked(False)
            elif Path(self.run_path()).is_dir():  # not while a path is being typed
                self._start_following()
        self.update_buttons()
        self._describe_view()

    def _run_added(self, path: str) -> None:
        self.run_field.refresh()
        self.run_field.set_path(path)

    def _removed(self, event: Any) -> None:
        maps = self.follower.maps
        if maps is not None and self.look.was_class_map(maps, str(event.value.unique_id)):
            self.follow.setChecked(False)
            self.status.setText("Following has stopped: its class map was deleted.")

    def shut(self) -> None:
        """Let go of the viewer, stop the jobs, free the network's memory; the layers stay."""
        self.follower.shut()
        for signal in (self.viewer.dims.events.ndisplay, self.viewer.dims.events.order):
            signal.disconnect(self._turned)
        self.viewer.layers.events.removed.disconnect(self._removed)
        runs_of_session().added.disconnect(self._run_added)
        self.look.shut()
        self._keeper.clear()
        super().shut()
