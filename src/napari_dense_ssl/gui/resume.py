"""The button that offers the runs of before, to be gone on with."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton

from napari_dense_ssl.gui.remember import recent, runs_folder

_NEW, _RESUME = "New run", "Resume a run"


class ResumeButton(QPushButton):
    """Opens a menu of recent run folders and a folder dialog; while a run is chosen, goes back to a new one.

    Attributes
    ----------
    chosen : Signal(str)
        The path of a run folder, or empty for a new run.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(_RESUME)
        self.runs = QMenu(self)
        self.runs.setToolTipsVisible(True)
        self.runs.aboutToShow.connect(self.fill)
        self.set_chosen(False)
        self.clicked.connect(self._clicked)

    def set_chosen(self, chosen: bool) -> None:
        """Offer a new run where one is chosen to be resumed, else the runs of before."""
        self._chosen = chosen
        self.setText(_NEW if chosen else _RESUME)
        self.setToolTip(
            "Leave the chosen run, and set up a new one"
            if chosen
            else "Go on with a run that was stopped, that failed, or that needs a larger budget"
        )

    def _clicked(self) -> None:
        if self._chosen:
            self.chosen.emit("")
        else:
            self.runs.popup(self.mapToGlobal(self.rect().bottomLeft()))

    def fill(self) -> None:
        """List the recent runs that are still there, the newest first."""
        self.runs.clear()
        for path in recent("runs"):
            if not (Path(path) / "settings.yaml").is_file():
                continue
            text = f"{Path(path).name}"
            # An ampersand in a menu marks a key.
            action = self.runs.addAction(self._elided(text).replace("&", "&&"))
            action.setToolTip(path)
            action.triggered.connect(lambda _=False, path=path: self.chosen.emit(path))
        if not self.runs.isEmpty():
            self.runs.addSeparator()
        self.runs.addAction("Browse …", self.browse)

    def _elided(self, text: str) -> str:
        return text if len(text) <= 60 else f"{text[:28]} … {text[-28:]}"

    def browse(self) -> None:
        """Ask for a run folder."""
        paths = recent("runs")
        start = Path(paths[0]).parent if paths else runs_folder()
        path = QFileDialog.getExistingDirectory(self, "Choose a run folder", str(start))
        if path:
            self.chosen.emit(path)
