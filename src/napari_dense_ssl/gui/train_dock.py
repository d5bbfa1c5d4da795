"""The Train dock: choose what to learn from and for how long, and watch it learn."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QToolButton

from napari_dense_ssl.core.errors import RunError
from napari_dense_ssl.core.events import Event, Finished, Saved
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import duration
from napari_dense_ssl.gui.job import Job, Outcome
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.past_run import PastRun
from napari_dense_ssl.gui.remember import add_recent
from napari_dense_ssl.gui.resume import ResumeButton
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.gui.train_fields import TrainFields, words
from napari_dense_ssl.gui.train_view import TrainView

if TYPE_CHECKING:
    from napari import Viewer


class TrainState(Enum):
    """What the dock is doing; its buttons and its line of text follow."""

    EMPTY = "empty"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


_ENDS = {
    Outcome.FINISHED: TrainState.DONE,
    Outcome.STOPPED: TrainState.STOPPED,
    Outcome.FAILED: TrainState.FAILED,
}


_jobs: WeakValueDictionary[Path, Job] = WeakValueDictionary()
"""By run folder the training that was started last in this process, in whichever window."""


def _check_free(folder: Path) -> bool:
    """Return True; raise :class:`RunError` where a run is being trained already."""
    job = _jobs.get(folder.resolve())
    if job is not None and job.running:
        raise RunError(
            f"The run {folder} is being trained in this napari already; stop it there, or choose another run."
        )
    return True


class TrainDock(Dock):
    """Layer, recipe, classes, budget; Start, Pause, Stop, Resume; progress, curves, the live class map."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.fields = fields = TrainFields(napari_viewer)
        self.layer, self.recipe, self.classes, self.context = (
            fields.layer,
            fields.recipe,
            fields.classes,
            fields.context,
        )
        self.budget, self.device, self.region, self.folder = (
            fields.budget,
            fields.device,
            fields.region,
            fields.folder,
        )
        self.advanced = fields.advanced
        self.setup_button = QToolButton()
        self.setup_button.setCheckable(True)
        self.setup_button.setChecked(True)
        self.setup_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setup_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setup_button.setToolTip(
            "Show or hide the settings; while a training runs they say what is trained"
        )
        self.setup_button.toggled.connect(self._fold)
        self.body.addWidget(self.setup_button)
        self.body.addWidget(fields)
        self.start_button, self.pause_button = QPushButton("Start"), QPushButton("Pause")
        self.stop_button, self.resume_button = QPushButton("Stop"), ResumeButton()
        self.start_button.setToolTip("Train; the window stays free")
        self.pause_button.setToolTip(
            "Stand still, keeping everything in memory; pauses do not use up the budget"
        )
        self.stop_button.setToolTip("Save a checkpoint and end")
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.start_button, self.pause_button, self.stop_button, self.resume_button):
            buttons.addWidget(button)
        self.body.addLayout(buttons)
        self.view = TrainView(napari_viewer, self.status, self.attempt)
        self.progress, self.banners, self.live_box = (
            self.view.progress,
            self.view.banners,
            self.view.live_box,
        )
        self.body.addWidget(self.view)
        self.body.addStretch(1)
        self._run_folder: Path | None = None
        self._end: TrainState | None = None
        self._why = ""
        self.layer.layer_changed.connect(self._layer_changed)
        self.start_button.clicked.connect(self.start)
        self.pause_button.clicked.connect(self.pause)
        self.stop_button.clicked.connect(self.stop)
        self.resume_button.chosen.connect(self.choose_run)
        self.shortcut("Ctrl+Return", self.start_button, "Start")
        self.shortcut("Ctrl+P", self.pause_button, "Pause")
        self.shortcut("Ctrl+.", self.stop_button, "Stop")
        self._fold(True)
        self._layer_changed()

    # -- what it is doing ------------------------------------------------------------------------------

    @property
    def state(self) -> TrainState:
        """What the dock is doing."""
        if self.busy and self.job is not None:
            if self.job.stopping:
                return TrainState.STOPPING
            return TrainState.PAUSED if self.job.paused else TrainState.RUNNING
        if self._end is not None:
            return self._end
        return TrainState.EMPTY if self.layer.currentData() is None else TrainState.READY

    @property
    def form(self) -> Any:
        """The form under Advanced; None before it was first unfolded."""
        return self.fields.form

    @property
    def plots(self) -> Any:
        """The curves; None before the first training."""
        return self.view.plots

    @property
    def plot(self) -> Any:
        """The plot of the losses; None before the first training."""
        return None if self.plots is None else self.plots.losses

    def settings(self) -> Any:
        """Return what the fields say; see :meth:`TrainFields.settings`."""
        return self.fields.settings()

    def update_buttons(self) -> None:
        """Enable what can be done now, and name it."""
        state = self.state
        going = state in (TrainState.RUNNING, TrainState.PAUSED)
        idle = not going and state is not TrainState.STOPPING
        self.start_button.setEnabled(idle and self.layer.currentData() is not None)
        self.start_button.setText("Start" if self.fields.past is None else "Resume")
        self.pause_button.setEnabled(going)
        self.pause_button.setText("Continue" if state is TrainState.PAUSED else "Pause")
        self.stop_button.setEnabled(going)
        self.resume_button.setEnabled(idle)
        self.resume_button.set_chosen(self.fields.past is not None)
        self.fields.set_running(not idle)

    def _fold(self, shown: bool) -> None:
        """Show the settings, or a line in their place: what runs needs the room."""
        self.fields.setVisible(shown)
        self.setup_button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.setup_button.setText("Settings" if shown else f"Settings: {self.fields.summary()}")

    def attempt(self, doing: str, act: Any) -> Any:
        """Do something that a user's input can make fail; tell the user where it does. None then."""
        done = False

        def acted() -> Any:
            nonlocal done
            result = act()
            done = True
            return result

        result = super().attempt(doing, acted)
        if not done:
            self.view.say(self.status.text(), "error")
        return result

    def _layer_changed(self) -> None:
        if not self.busy:
            if self._end is not None:
                self.progress.clear()
            self._end = None
            layer = self.layer.layer()
            if layer is None:
                self.view.say(
                    "There is no image to train on yet. Open a volume in the Volume dock, or take File, Open "
                    "Sample, Dense SSL.",
                    "info",
                )
            else:
                source = layer_source(layer)
                self.view.say(f"Ready to train on {source.name}: {words(source)}.")
        self.update_buttons()

    # -- a run of before -------------------------------------------------------------------------------

    def choose_run(self, path: str) -> None:
        """Show a run to be gone on with; empty for a new one."""
        if self.busy:
            return
        if not path:
            self.fields.show_new()
            self.banners.take("past")
        else:
            past = self.attempt("Reading the run", lambda: self._read(path))
            if past is None:
                return
            self.fields.show_past(past)
            trained = f" ({duration(past.seconds)} of training)" if past.seconds else ""
            where = (
                f"from step {past.steps}{trained}"
                if past.steps
                else "from the beginning: it has no checkpoint"
            )
            self.banners.clear()  # what stood there was about another run
            self.banners.put(
                "past",
                "info",
                f"Goes on with the run {past.path.name} {where}. Only its budget, the device, and how often "
                "it saves and shows itself can be changed.",
            )
        self.setup_button.setChecked(True)
        self._layer_changed()

    def _read(self, path: str) -> PastRun:
        """Read a run, and choose the layer that shows its volume."""
        past = PastRun.read(path)
        chosen = self.layer.layer()
        for layer in ([] if chosen is None else [chosen]) + list(self.layer.layers()):
            if past.fits(layer_source(layer)):
                self.layer.choose(layer)
                return past
        raise past.missing()

    # -- the job ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start training on the chosen layer, or go on with the chosen run."""
        if self.busy:
            return
        begun = self.attempt("Training", self.fields.prepare)
        if begun is None:
            return
        source, settings, folder = begun
        if self.attempt("Training", lambda: _check_free(folder)) is None:
            return
        past = self.fields.past
        if past is None:
            self.fields.remember(settings)
        self._run_folder, self._why, self._end = folder, "", None
        watch = self.view.begin(source, str(folder), lambda: self.state is TrainState.RUNNING)
        self.setup_button.setChecked(False)

        def start() -> Iterator[Event]:
            from napari_dense_ssl.engine import train

            if past is not None:
                yield from past.curves()  # told before Started: they are history
            yield from train(source.open(), folder, settings, watch=watch, resume=past is not None)

        _jobs[folder.resolve()] = self.run(
            "Training", start, happened=self._happened, ended=self._ended, source=source.identity
        )

    def pause(self) -> None:
        """Pause, or go on."""
        if self.job is None or not self.busy:
            return
        if self.job.paused:
            self.job.resume()
            self.view.say("Going on.")
        else:
            self.job.pause()
            self.view.say("Paused. Nothing is lost; Continue goes on, Stop saves and ends.", "info")
        self.update_buttons()

    def stop(self) -> None:
        """Save a checkpoint and end."""
        if self.job is not None and self.busy:
            self.job.stop()
            self.view.say("Saving a checkpoint, then fitting its classes: up to a minute …")
            self.update_buttons()

    def _happened(self, event: Event) -> None:
        self.view.show_event(event)
        match event:
            case Saved(path=path) if self._run_folder is not None:
                self.folder.box.setToolTip(f"Last saved: {path}")
                add_recent("runs", str(self._run_folder))  # now: the window may be closed before the end
            case Finished(path=path) if path is not None:
                self._run_folder = path
            case _:
                pass

    def _on_layer_removed(self, event: Any) -> None:
        super()._on_layer_removed(event)
        if self.busy and str(event.value.unique_id) == self._source:
            self._why = f"the layer {event.value.name} was deleted"
            self.view.say(f"The layer {event.value.name} was deleted: saving a checkpoint …", "warning")
            self.update_buttons()

    def _ended(self, outcome: Outcome) -> None:
        self._end = _ENDS[outcome]
        self.view.end(self._end.value)
        folder = self._run_folder
        saved = folder is not None and any(folder.glob("checkpoints/step-*/"))
        self._tell_the_end(outcome, saved)
        if saved:
            add_recent("runs", str(folder))
            runs_of_session().add(str(folder))
        self.fields.show_new()
        self.folder.set_path("")
        self.folder.refresh()
        self.update_buttons()

    def _tell_the_end(self, outcome: Outcome, saved: bool) -> None:
        folder = self._run_folder
        if outcome is Outcome.FAILED and self.job is not None:
            if not self.view.begun:  # the settings do not go with the volume: there they are, to be mended
                self.setup_button.setChecked(True)
            kept = " What it had learned is kept: Resume a run goes on with it." if saved else ""
            self.view.say(self.job.message + kept, "error")
            return
        if saved:
            text = f"The run is in {folder}. Look at its classes in the Classes dock."
            if outcome is Outcome.STOPPED:
                text += " Resume a run goes on with it."
        else:
            text = "Stopped before the first checkpoint; nothing was kept."
        if self._why:
            text = f"The training was ended, since {self._why}. {text}"
            show_info(text)
        self.view.say(text)

    def shut(self) -> None:
        """Let go of the viewer and stop the training, which saves a checkpoint."""
        self.view.shut()
        super().shut()
