"""What tabs of a dock have in common: Start, Stop, progress, a status line; one job at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_dense_ssl.core.events import Event, Noted, Step
from napari_dense_ssl.gui.fields import ProgressRow, form, paragraph
from napari_dense_ssl.gui.job import Outcome

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.gui.dock import Dock

WORDS = {Outcome.FINISHED: "done", Outcome.STOPPED: "stopped", Outcome.FAILED: "failed"}


class JobTab(QWidget):
    """Rows of fields, buttons, progress and status; what is found stands below.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : Dock
        Runs the job, and ends it with itself.
    start, tip : str
        Text and tooltip of the button that starts it.
    """

    def __init__(self, viewer: Viewer, dock: Dock, start: str, tip: str) -> None:
        super().__init__()
        self.viewer, self.dock = viewer, dock
        self.rows = form()
        self.start_button, self.stop_button = QPushButton(start), QPushButton("Stop")
        self.start_button.setToolTip(tip)
        self.stop_button.setToolTip("Stop at the next step")
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(6)
        self.buttons.addWidget(self.start_button)
        self.buttons.addWidget(self.stop_button)
        self.progress = ProgressRow()
        self.status = paragraph()
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 6, 0, 0)
        self.body.setSpacing(8)
        self.body.addLayout(self.rows)
        self.body.addLayout(self.buttons)
        self.body.addWidget(self.progress)
        self.body.addWidget(self.status)
        self.in_front = True
        self._mine = False
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for no height while another tab is in front: pages are all as high as the highest."""
        wanted: QSize = super().minimumSizeHint()
        return wanted if self.in_front else QSize(wanted.width(), 0)

    # -- for tabs to fill in ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start the job."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether there is what the job needs."""
        return True

    def happened(self, event: Event) -> None:
        """Take up an event of the job."""

    def ended(self, outcome: Outcome) -> None:
        """Take up how the job ended."""

    def theme_changed(self) -> None:
        """Follow napari's theme."""

    # -- the job ---------------------------------------------------------------------------------------

    def launch(self, title: str, start: Callable[[], Iterator[Event]], source: str | None = None) -> None:
        """Run a job; its events come to :meth:`happened`."""
        self._mine = True
        self.progress.begin("starting …")
        self.status.setText("")
        self.dock.run(title, start, happened=self._happened, ended=self._ended, source=source)

    def _happened(self, event: Event) -> None:
        match event:
            case Step():
                self.progress.advance(event)
            case Noted(message=message):
                self.status.setText(message)
            case _:
                pass
        self.happened(event)

    def _ended(self, outcome: Outcome) -> None:
        self._mine = False
        self.progress.finish(WORDS[outcome])
        if outcome is Outcome.FAILED and self.dock.job is not None:
            self.status.setText(self.dock.job.message)
        elif outcome is Outcome.STOPPED:
            self.status.setText("Stopped; nothing was kept.")
        self.ended(outcome)
        self.dock.update_buttons()

    def stop(self) -> None:
        """Stop the job, where it is this tab's."""
        if self._mine:
            self.dock.stop_job(self.status)

    def attempt(self, doing: str, act: Callable[[], object]) -> object:
        """Do something that a user's input can make fail; tell the user where it does. None then."""
        result = self.dock.attempt(doing, act)
        if result is None:
            self.status.setText(self.dock.status.text())
        return result

    def update_buttons(self) -> None:
        """Enable what can be done now; the dock calls it, since it runs the jobs of other tabs too."""
        busy, job = self.dock.busy, self.dock.job
        self.start_button.setEnabled(not busy and self.ready())
        self.stop_button.setEnabled(busy and self._mine and job is not None and not job.stopping)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow napari's theme, which comes as a style sheet."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "_mine"):
            self.theme_changed()
