"""The Train dock: choose what to learn from and for how long, and watch it learn."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton

from napari_dense_ssl.core.events import Audited, Event, Finished, Noted, Preview, Saved, Started, Step
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.banner import Banners, Level, tint
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import ProgressRow, duration
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.live import LiveMap, ViewTeller
from napari_dense_ssl.gui.past_run import PastRun
from napari_dense_ssl.gui.remember import add_recent, remember, remembered
from napari_dense_ssl.gui.resume import ResumeButton
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.gui.train_fields import TrainFields, words
from napari_dense_ssl.gui.trouble import trouble

if TYPE_CHECKING:
    from napari import Viewer

_STEP_MS = 100  # between two looks at the newest step


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
        self.progress = ProgressRow()
        self.body.addWidget(self.progress)
        self.body.addWidget(self.status)
        self.banners = Banners(napari_viewer.theme)
        self.body.addWidget(self.banners)
        self.live_box = QCheckBox("Live class map of the slice in view")
        self.live_box.setToolTip(
            "Every few seconds the classes of what is in view, as a layer above the image; takes 5 % of the "
            "time at most, and none while it is off or the layer is hidden. Deleting the layer turns it off"
        )
        self.live_box.setChecked(remembered("train/live", "yes") == "yes")
        self.body.addWidget(self.live_box)
        self.plots: Any = None
        self._plot_place = len(self.body)
        self.body.addStretch(1)
        self._live: LiveMap | None = None
        self._teller: ViewTeller | None = None
        self._run_folder: Path | None = None
        self._end: TrainState | None = None
        self._begun = False
        self._note = self._why = ""
        self._fraction = 0.0
        self._warned: set[str] = set()
        self._level: Level = "plain"
        self._step: Step | None = None
        self._step_timer = QTimer(self)
        self._step_timer.setSingleShot(True)
        self._step_timer.setInterval(_STEP_MS)
        self._step_timer.timeout.connect(self._show_step)
        self.layer.layer_changed.connect(self._layer_changed)
        self.live_box.toggled.connect(self._switch_live)
        self.start_button.clicked.connect(self.start)
        self.pause_button.clicked.connect(self.pause)
        self.stop_button.clicked.connect(self.stop)
        self.resume_button.chosen.connect(self.choose_run)
        self.shortcut("Ctrl+Return", self.start_button, "Start")
        self.shortcut("Ctrl+P", self.pause_button, "Pause")
        self.shortcut("Ctrl+.", self.stop_button, "Stop")
        napari_viewer.events.theme.connect(self._theme_changed)
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

    def _say(self, text: str, level: Level = "plain") -> None:
        self.status.setText(text)
        if level != self._level:
            self._level = level
            tint(self.status, level, self.viewer.theme)

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
            self._say(self.status.text(), "error")
        return result

    def _layer_changed(self) -> None:
        if not self.busy:
            self._end = None
            layer = self.layer.layer()
            if layer is None:
                self._say(
                    "There is no image to train on yet. Open a volume in the Volume dock, or take File, Open "
                    "Sample, Dense SSL.",
                    "info",
                )
            else:
                source = layer_source(layer)
                self._say(f"Ready to train on {source.name}: {words(source)}.")
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
            self.banners.put(
                "past",
                "info",
                f"Goes on with the run {past.path.name} {where}. Only its budget, the device, and how often "
                "it saves and shows itself can be changed.",
            )
        self._end = None
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
        past = self.fields.past
        if past is None:
            self.fields.remember(settings)
        self._run_folder, self._note, self._why, self._begun = folder, "", "", False
        self._fraction, self._step, self._end = 0.0, None, None
        self._warned.clear()
        self.banners.clear()
        watch = Watch()
        live = self._live = LiveMap(
            self.viewer, source, str(folder), self._live_changed, self.live_box.isChecked()
        )
        self._teller = ViewTeller(self.viewer, source.identity, watch, lambda: live.wanted)
        self._show_plots()
        self.progress.begin("starting …")
        self._say("Loading the network (the first time takes a few seconds) …")

        def start() -> Iterator[Event]:
            from napari_dense_ssl.engine import train

            if past is not None:
                yield from past.curves()  # told before Started: they are history
            yield from train(source.open(), folder, settings, watch=watch, resume=past is not None)

        self.run("Training", start, happened=self._happened, ended=self._ended, source=source.identity)

    def pause(self) -> None:
        """Pause, or go on."""
        if self.job is None or not self.busy:
            return
        if self.job.paused:
            self.job.resume()
            self._say("Going on.")
        else:
            self.job.pause()
            self._say("Paused. Nothing is lost; Continue goes on, Stop saves and ends.", "info")
        self.update_buttons()

    def stop(self) -> None:
        """Save a checkpoint and end."""
        if self.job is not None and self.busy:
            self.job.stop()
            self._say("Saving a checkpoint …")
            self.update_buttons()

    def _happened(self, event: Event) -> None:
        match event:
            case Started(details=details):
                self._begun = True
                self.progress.begin("preparing …")
                facts = [str(details[key]) for key in ("device", "precision") if key in details]
                self._note = ", ".join(facts)
                self._say(f"Training on {self._note}." if self._note else "Training.")
            case Step() if not self._begun:
                self.plots.add(event)
            case Step():
                self.plots.add(event)
                self._step, self._fraction = event, event.fraction
                if not self._step_timer.isActive():
                    self._show_step()
                    self._step_timer.start()
            case Preview() if self._live is not None:
                self._live.show(event)
            case Noted(message=message, lasting=True):
                self.banners.put(message, "warning", message)
            case Noted(message=message):
                self._note = message
                self._say(message)
            case Audited():
                self.plots.add(event)
                if self._begun:
                    self._judge(event)
            case Saved(path=path) if self._run_folder is not None:
                self.folder.box.setToolTip(f"Last saved: {path}")
                add_recent("runs", str(self._run_folder))  # now: the window may be closed before the end
            case Finished(path=path) if path is not None:
                self._run_folder = path
            case _:
                pass

    def _show_step(self) -> None:
        """Show the newest step: writing each would take more of the window's time than all the rest."""
        step = self._step
        if step is None:
            return
        self._step = None
        self.progress.advance(step)
        if self.state is TrainState.RUNNING:
            self._say(f"Step {step.index}, {step.samples_per_second:.3g} crops/s. {self._note}")

    def _judge(self, audited: Audited) -> None:
        """Warn where the classes are not about the image, until an audit says that they are."""
        self._note = audited.sentence.capitalize() + "."
        found = trouble(audited, self._fraction)
        if found is None:
            self.banners.take("audit")
            return
        self.banners.put("audit", "warning", f"{found.sentence} {found.advice}")
        if found.word not in self._warned:
            self._warned.add(found.word)
            show_warning(f"{found.sentence} {found.advice}")

    def _on_layer_removed(self, event: Any) -> None:
        super()._on_layer_removed(event)
        if self.busy and str(event.value.unique_id) == self._source:
            self._why = f"the layer {event.value.name} was deleted"
            self._say(f"The layer {event.value.name} was deleted: saving a checkpoint …", "warning")
            self.update_buttons()

    def _ended(self, outcome: Outcome) -> None:
        self._step_timer.stop()
        self._show_step()
        self._stop_watching()
        self._end = _ENDS[outcome]
        folder = self._run_folder
        saved = folder is not None and any(folder.glob("checkpoints/step-*/"))
        words = {Outcome.FINISHED: "done", Outcome.STOPPED: "stopped", Outcome.FAILED: "failed"}
        self.progress.finish(words[outcome])
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
            kept = " What it had learned is kept: Resume a run goes on with it." if saved else ""
            self._say(self.job.message + kept, "error")
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
        self._say(text)

    def _stop_watching(self) -> None:
        if self._teller is not None:
            self._teller.close()
            self._teller = None
        if self._live is not None:
            self._live.close()
            self._live = None

    def shut(self) -> None:
        """Let go of the viewer and stop the training, which saves a checkpoint."""
        self._stop_watching()
        self.viewer.events.theme.disconnect(self._theme_changed)
        super().shut()

    # -- what is shown ---------------------------------------------------------------------------------

    def _switch_live(self, on: bool) -> None:
        remember("train/live", "yes" if on else "no")
        if self._live is not None:
            self._live.switch(on)

    def _live_changed(self) -> None:
        """Follow the live map's own view of whether it is wanted."""
        if self._live is None:
            return
        if self._live.on != self.live_box.isChecked():  # its layer was deleted: for this time only
            self.live_box.blockSignals(True)
            self.live_box.setChecked(self._live.on)
            self.live_box.blockSignals(False)
        if self._live.replaced and self.busy:
            self.banners.put(
                "replaced",
                "warning",
                f"The pixels of the layer {self._live.source.name} were replaced. The training goes on with "
                "those it began with; its live map would no longer fit and is left out.",
            )
        if self._teller is not None:
            self._teller.tell()

    def _show_plots(self) -> None:
        if self.plots is None:
            from napari_dense_ssl.gui.training_plots import TrainingPlots  # pyqtgraph takes a while to import

            self.plots = TrainingPlots(self.viewer.theme, self.attempt)
            self.body.insertWidget(self._plot_place, self.plots)
        self.plots.clear_curves()

    def _theme_changed(self, event: Any = None) -> None:
        theme = self.viewer.theme
        self.banners.set_theme(theme)
        tint(self.status, self._level, theme)
        if self.plots is not None:
            self.plots.set_theme(theme)
