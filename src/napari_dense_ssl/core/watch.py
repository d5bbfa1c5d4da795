"""What a person is looking at, told to a job that runs in another thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from napari_dense_ssl.core.geometry import Box


@dataclass(frozen=True, slots=True)
class View:
    """The part of one slice that is in view (`box` has one slice), in voxels of the finest level.

    Attributes
    ----------
    box : Box
    ahead : tuple of int
        Slices that will probably be looked at next, the likeliest first.
    """

    box: Box
    ahead: tuple[int, ...] = ()

    @property
    def z(self) -> int:
        """The slice."""
        return self.box.start[0]


class Watch:
    """A mailbox that holds the latest view only; safe to use from any thread.

    The window calls :meth:`look`, the job :meth:`view`; a job without a window is given none.
    """

    def __init__(self, view: View | None = None) -> None:
        self._changed = threading.Condition()
        self._view = view

    def look(self, view: View | None) -> None:
        """Say what is in view now; None while nothing is."""
        with self._changed:
            self._view = view
            self._changed.notify_all()

    def view(self) -> View | None:
        """Return what is in view, or None."""
        with self._changed:
            return self._view

    def wait(self, seen: View | None, seconds: float) -> View | None:
        """Wait until something else than `seen` is in view, `seconds` at most; return what is."""
        with self._changed:
            self._changed.wait_for(lambda: self._view != seen, seconds)
            return self._view
