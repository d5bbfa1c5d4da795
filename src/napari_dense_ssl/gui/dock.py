"""What all docks have in common: a scrolled body, one job at a time, and an end in good order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QAbstractButton, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_dense_ssl.core.events import Event
from napari_dense_ssl.gui.canvas_guard import guard_canvas
from napari_dense_ssl.gui.fields import LayerField, paragraph
from napari_dense_ssl.gui.job import Job, Outcome
from napari_dense_ssl.gui.messages import report

if TYPE_CHECKING:
    from napari import Viewer


class Dock(QWidget):
    """A dock widget whose job ends with it, and with the layer that it works on.

    Parameters
    ----------
    viewer : napari.Viewer
        napari passes a proxy that hides private names.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.job: Job | None = None
        self._source: str | None = None
        self._on_event: Callable[[Event], None] = lambda _: None
        self._on_end: Callable[[Outcome], None] = lambda _: None
        self._docked = False
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QWidget()
        area.setWidget(inner)
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(8, 8, 8, 8)
        self.body.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.setMinimumWidth(280)
        self.status = paragraph()
        viewer.layers.events.removed.connect(self._on_layer_removed)

    # -- the job ---------------------------------------------------------------------------------------

    def run(
        self,
        title: str,
        start: Callable[[], Iterator[Event]],
        *,
        happened: Callable[[Event], None],
        ended: Callable[[Outcome], None],
        source: str | None = None,
    ) -> Job:
        """Start a job; the one before is stopped and heard no more.

        Parameters
        ----------
        title : str
            Begins messages, such as ``"Training"``.
        start : callable
            Called in the worker's thread; returns the generator of events.
        happened, ended : callable
            Called in the main thread with each event, and once with the outcome.
        source : str, optional
            Unique id of the layer whose deletion stops the job.
        """
        self.drop()
        job = Job(title, start)
        self.job, self._source = job, source
        self._on_event, self._on_end = happened, ended
        # Methods of a widget are disconnected by Qt when the window deletes it; plain functions are not.
        job.happened.connect(self._job_happened)
        job.ended.connect(self._job_ended)
        job.start()
        self.update_buttons()
        return job

    def _job_happened(self, event: Event) -> None:
        self._on_event(event)

    def _job_ended(self, outcome: Outcome) -> None:
        ended = self._on_end
        # What they were told with is not kept any longer: arrays of layers, perhaps deleted by now.
        self._on_event, self._on_end = (lambda _: None), (lambda _: None)
        ended(outcome)

    def drop(self) -> None:
        """Stop the job and listen to it no more; it closes in its own thread."""
        job, self.job = self.job, None
        if job is not None:
            job.blockSignals(True)
            job.stop()

    def stop_job(self, status: QLabel | None = None) -> bool:
        """Ask the job to stop at its next event, and say so; False where there is none.

        Parameters
        ----------
        status : QLabel, optional
            Where it is said; by default the dock's own status line.
        """
        if self.job is None or not self.busy:
            return False
        self.job.stop()
        (status or self.status).setText("Stopping …")
        self.update_buttons()
        return True

    @property
    def busy(self) -> bool:
        """Whether a job runs (or is paused, or about to stop)."""
        return self.job is not None and self.job.running

    def attempt(self, doing: str, act: Callable[[], Any]) -> Any:
        """Do something that a user's input can make fail; tell the user where it does. None then."""
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - the window's end of every call: the user is told
            self.status.setText(report(error, doing))
            return None

    def update_buttons(self) -> None:
        """Enable what can be done now; docks add their own."""

    # -- the keyboard ----------------------------------------------------------------------------------

    def shortcut(self, keys: str, act: QAbstractButton | Callable[[], Any], says: str) -> QShortcut:
        """Let keys do something while the keyboard is in this dock, and only then.

        Parameters
        ----------
        keys : str
            In Qt's words, such as ``"Ctrl+Return"``; none that napari's menus use (``Alt`` and the letter
            underlined in one included), since two shortcuts on the same keys silence each other.
        act : button or callable
            A button is clicked if it is enabled, and its tooltip names the keys from then on.
        says : str
            What the keys do, in a word or two.
        """
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.setWhatsThis(says)
        if isinstance(act, QAbstractButton):
            shortcut.activated.connect(act.click)
            named = shortcut.key().toString(QKeySequence.SequenceFormat.NativeText)
            act.setToolTip(f"{act.toolTip() or says} ({named})")
        else:
            shortcut.activated.connect(act)
        return shortcut

    # -- the end ---------------------------------------------------------------------------------------

    def _on_layer_removed(self, event: Any) -> None:
        if self.busy and self.job is not None and str(event.value.unique_id) == self._source:
            self.job.stop()
            self.status.setText(f"{self.job.title} is stopping: its layer {event.value.name} was deleted.")

    def shut(self) -> None:
        """Let go of the viewer and stop the job; called when the dock or the window goes."""
        if self.job is not None:
            self.job.stop()
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        for field in self.findChildren(LayerField):
            field.disconnect_viewer()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for a column that leaves the canvas most of a small screen."""
        return QSize(340, 640)

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the widget out of its dock (closing the window stops jobs by itself)."""
        if event.type() == QEvent.Type.Show:
            guard_canvas(self.viewer, self)
        if event.type() == QEvent.Type.ParentChange:
            if self.parentWidget() is not None:
                self._docked = True
            elif self._docked:
                self._docked = False
                self.shut()
        return bool(super().event(event))
