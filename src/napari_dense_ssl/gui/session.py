"""What one dock lets the others know while napari runs: the runs that were trained."""

from __future__ import annotations

from functools import cache

from qtpy.QtCore import QObject, Signal


class SessionRuns(QObject):
    """The run folders of this session, oldest first."""

    added = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def add(self, path: str) -> None:
        """Tell all docks of a run; one that is trained again moves to the end."""
        self.paths = [*(p for p in self.paths if p != path), path]
        self.added.emit(path)

    @property
    def latest(self) -> str:
        """The run that was trained last; empty where there is none yet."""
        return self.paths[-1] if self.paths else ""


@cache
def runs_of_session() -> SessionRuns:
    """Return the one list of this process."""
    return SessionRuns()
