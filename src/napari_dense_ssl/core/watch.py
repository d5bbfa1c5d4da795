"""What a person is looking at, told to a job that runs in another thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from napari_dense_ssl.core.geometry import Box


@dataclass(frozen=True, slots=True)
class View:
    """The part of one slice that is in view (`box` has one slice), in voxels of the finest level."""

    box: Box

    @property
    def z(self) -> int:
        """The slice."""
        return self.box.start[0]


class Watch:
    """A mailbox that holds the latest view only; safe to use from any thread.

    The window calls :meth:`look`, the job :meth:`view`; a job without a window is given none.
    """

    def __init__(self, view: View | None = None) -> None:
        self._lock = threading.Lock()
        self._view = view

    def look(self, view: View | None) -> None:
        """Say what is in view now; None while nothing is."""
        with self._lock:
            self._view = view

    def view(self) -> View | None:
        """Return what is in view, or None."""
        with self._lock:
            return self._view
