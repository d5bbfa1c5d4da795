"""What a person is looking at, told to a job that runs in another thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

from napari_dense_ssl.core.geometry import Box

Task = TypeVar("Task")


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


class Desk(Watch, Generic[Task]):
    """A watch that also holds what is to be done with the view: the latest of both only."""

    def __init__(self, view: View | None = None, task: Task | None = None) -> None:
        super().__init__(view)
        self._task = task

    def put(self, task: Task | None) -> None:
        """Say what is to be done from now on."""
        with self._changed:
            self._task = task
            self._changed.notify_all()

    def both(self) -> tuple[View | None, Task | None]:
        """Return what is in view, and what is to be done."""
        with self._changed:
            return self._view, self._task

    def wait_for_other(self, view: View | None, task: Task | None, seconds: float) -> None:
        """Wait until another view or another task is there (not an equal one), `seconds` at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._view != view or self._task is not task, seconds)
