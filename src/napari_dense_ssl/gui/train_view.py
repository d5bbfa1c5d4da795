"""What is seen of a training while it runs: progress, warnings, curves, the live class map."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_dense_ssl.core.events import Audited, Event, Noted, Preview, Started, Step
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.banner import Banners, Level, tint
from napari_dense_ssl.gui.fields import ProgressRow
from napari_dense_ssl.gui.live import LiveMap, ViewTeller
from napari_dense_ssl.gui.remember import remember, remembered
from napari_dense_ssl.gui.trouble import trouble

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.gui.layers import LayerSource

_STEP_MS = 100  # between two looks at the newest step


class TrainView(QWidget):
    """Shows the events of one training after the other.

    Parameters
    ----------
    viewer : napari.Viewer
    status : QLabel
        The dock's line of text.
    attempt : callable
        Called with what is being done and a function; tells the user where that fails.
    """

    def __init__(
        self, viewer: Viewer, status: QLabel, attempt: Callable[[str, Callable[[], Any]], Any]
    ) -> None:
        super().__init__()
        self.viewer, self.status, self._attempt = viewer, status, attempt
        self.progress = ProgressRow()
        self.banners = Banners(viewer.theme)
        self.live_box = QCheckBox("Live class map of the slice in view")
        self.live_box.setToolTip(
            "Every few seconds the classes of what is in view, as a layer above the image; takes 5 % of the "
            "time at most, and none while it is off or the layer is hidden. Deleting the layer turns it off"
        )
        self.live_box.setChecked(remembered("train/live", "yes") == "yes")
        self.live_box.toggled.connect(self._switch_live)
        self.plots: Any = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        for widget in (self.progress, status, self.banners, self.live_box):
            self._column.addWidget(widget)
        self.begun = False
        """Whether the present training has told that it started; what comes before is a run's history."""
        self._level: Level = "plain"
        self._note, self._fraction = "", 0.0
        self._warned: set[str] = set()
        self._step: Step | None = None
        self._live: LiveMap | None = None
        self._teller: ViewTeller | None = None
        self._going: Callable[[], bool] = lambda: False
        self._step_timer = QTimer(self)
        self._step_timer.setSingleShot(True)
        self._step_timer.setInterval(_STEP_MS)
        self._step_timer.timeout.connect(self._show_step)
        viewer.events.theme.connect(self._theme_changed)

    def say(self, text: str, level: Level = "plain") -> None:
        """Write the line of text."""
        self.status.setText(text)
        if level != self._level:
            self._level = level
            tint(self.status, level, self.viewer.theme)

    def begin(self, source: LayerSource, run: str, going: Callable[[], bool]) -> Watch:
        """Make ready for a training; return the mailbox that says what is in view.

        Parameters
        ----------
        source : LayerSource
            What is trained on.
        run : str
            The run folder.
        going : callable
            Whether it runs, and is neither paused nor about to stop.
        """
        self.begun, self._note, self._fraction, self._step = False, "", 0.0, None
        self._going = going
        self._warned.clear()
        self.banners.clear()
        watch = Watch()
        live = self._live = LiveMap(self.viewer, source, run, self._live_changed, self.live_box.isChecked())
        self._teller = ViewTeller(self.viewer, source.identity, watch, lambda: live.wanted)
        if self.plots is None:
            from napari_dense_ssl.gui.training_plots import TrainingPlots  # pyqtgraph takes a while to import

            self.plots = TrainingPlots(self.viewer.theme, self._attempt)
            self._column.addWidget(self.plots)
        self.plots.clear_curves()
        self.progress.begin("starting …")
        self.say("Loading the network (the first time takes a few seconds) …")
        return watch

    def show_event(self, event: Event) -> None:
        """Show what has happened."""
        match event:
            case Started(details=details):
                self.begun = True
                self.progress.begin("preparing …")
                facts = [str(details[key]) for key in ("device", "precision") if key in details]
                self._note = ", ".join(facts)
                self.say(f"Training on {self._note}." if self._note else "Training.")
            case Step():
                self.plots.add(event)
                if self.begun:
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
                self.say(message)
            case Audited():
                self.plots.add(event)
                if self.begun:
                    self._judge(event)
            case _:
                pass

    def _show_step(self) -> None:
        """Show the newest step: writing each would take more of the window's time than all the rest."""
        step = self._step
        if step is None:
            return
        self._step = None
        self.progress.advance(step)
        if self._going():
            self.say(f"Step {step.index}, {step.samples_per_second:.3g} crops/s. {self._note}")

    def _judge(self, audited: Audited) -> None:
        """Warn where the classes are not about the image, until an audit says that they are."""
        self._note = audited.sentence.capitalize() + "."
        found = trouble(audited, self._fraction)
        if found is None:
            self.banners.take("audit")
            return
        text = f"{found.sentence} {found.advice}"
        self.banners.put("audit", "warning", text)
        if found.word not in self._warned:
            self._warned.add(found.word)
            show_warning(text)

    def end(self, word: str) -> None:
        """Show how a training ended; what was seen of it stays."""
        self._step_timer.stop()
        self._show_step()
        self._stop_watching()
        self.progress.finish(word)

    def _stop_watching(self) -> None:
        if self._teller is not None:
            self._teller.close()
            self._teller = None
        if self._live is not None:
            self._live.close()
            self._live = None

    def shut(self) -> None:
        """Let go of the viewer."""
        self._stop_watching()
        self.viewer.events.theme.disconnect(self._theme_changed)

    def _switch_live(self, on: bool) -> None:
        remember("train/live", "yes" if on else "no")
        if self._live is not None:
            self._live.switch(on)

    def _live_changed(self) -> None:
        """Follow the live map's own view of whether it is wanted."""
        live = self._live
        if live is None:
            return
        if live.on != self.live_box.isChecked():  # its layer was deleted: for this time only
            self.live_box.blockSignals(True)
            self.live_box.setChecked(live.on)
            self.live_box.blockSignals(False)
        if live.replaced:
            self.banners.put(
                "replaced",
                "warning",
                f"The pixels of the layer {live.source.name} were replaced. The training goes on with those "
                "it began with; its live map would no longer fit and is left out.",
            )
        if self._teller is not None:
            self._teller.tell()

    def _theme_changed(self, event: Any = None) -> None:
        theme = self.viewer.theme
        self.banners.set_theme(theme)
        tint(self.status, self._level, theme)
        if self.plots is not None:
            self.plots.set_theme(theme)
