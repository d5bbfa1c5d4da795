"""The one border between thread and window: runs a generator of core events beside the window.

Widgets never touch threads, workers never touch widgets, layers or notifications. A dock makes a
:class:`Job` of a function that returns a generator; the generator lives and dies in a thread of its own,
its events wait in a :class:`Mailbox`, and a timer of the window hands them out, so that a fast job cannot
flood the window and a busy window cannot slow the job.

What superqt 0.9 does with a plain generator worker, and what is done here instead (each has a test):

- it loses ``RuntimeError`` (so ``torch.OutOfMemoryError``) and a stray ``StopIteration``: here they are
  raised as :class:`UnexpectedError`, so that ``errored`` and ``finished`` fire;
- ``quit`` leaves the generator open until the window's thread drops it: here it is closed in its own
  thread, where its ``finally`` saves what is to be saved;
- it runs in the global thread pool, which has as many threads as cores and is waited for without limit
  when napari quits: here each job has a thread of its own, waited for :data:`GRACE_SECONDS` at most (a
  pool of our own would be waited for without limit too, when the interpreter drops it);
- it changes the warning filters of the whole process while it runs: here they are left alone;
- a pause and a resume before the worker has noticed the pause leaves it paused: here they cancel out.
"""

from __future__ import annotations

import atexit
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal
from superqt.utils import GeneratorWorker

from napari_dense_ssl.core.events import Beat, Event, Preview, Step
from napari_dense_ssl.gui.messages import UnexpectedError, report
from napari_dense_ssl.gui.triton_guard import keep_triton_out

GRACE_SECONDS = 5.0
"""How long a job may take to close before it is left to itself, s."""

_DELIVERY_MS = 20  # between two deliveries to the window
_DELIVERY_BUDGET = 0.015  # s of the window's thread that one delivery may take
_PAUSE_POLL = 0.05  # s between two looks at the flags while paused


class Outcome(Enum):
    """How a job ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class Mailbox:
    """Events on their way to the window; safe to use from any thread.

    Only the newest :class:`Preview` of a slice and box is kept, a :class:`Beat` never is, and of the
    :class:`Step` events the oldest make way when the window has not looked for long.

    Parameters
    ----------
    steps : int
        How many steps are kept at most.
    """

    def __init__(self, steps: int = 4096) -> None:
        self._lock = threading.Lock()
        self._events: dict[object, Event] = {}
        self._steps: dict[object, None] = {}
        self._limit = steps

    def put(self, event: Event) -> None:
        """Add an event."""
        if isinstance(event, Beat):
            return
        with self._lock:
            key: object = (event.z, event.box) if isinstance(event, Preview) else object()
            self._events.pop(key, None)
            self._events[key] = event
            if isinstance(event, Step):
                self._steps[key] = None
                if len(self._steps) > self._limit:
                    oldest = next(iter(self._steps))
                    del self._steps[oldest], self._events[oldest]

    def take(self) -> Event | None:
        """Remove and return the oldest event, or None."""
        with self._lock:
            if not self._events:
                return None
            key = next(iter(self._events))
            self._steps.pop(key, None)
            return self._events.pop(key)


class JobWorker(GeneratorWorker):
    """A superqt worker that closes its generator in its own thread and loses no error."""

    def run(self) -> None:
        """Do the work and say how it went; called by Qt in the worker's thread.

        superqt's own version also sets the warning filters of the whole process to "always" until the
        work is done, and two workers that overlap leave them so.
        """
        self._running = True
        self.started.emit()
        try:
            result = self.work()
        except Exception as error:  # noqa: BLE001 - the end of a thread: whoever started it is told
            _let_go(error)  # a listed notification keeps its error for as long as napari runs
            self.errored.emit(error)
        else:
            if not self.abort_requested:
                self.returned.emit(result)
        self._running = False
        self.finished.emit()
        self._finished.emit(self)

    def work(self) -> Any:
        """Run the generator to its end, or to a request to quit, and close it here.

        Raises
        ------
        UnexpectedError
            From a ``RuntimeError`` of the generator, which superqt hands back as a result.
        """
        try:
            result = super().work()
        finally:
            self._gen.close()
        if isinstance(result, RuntimeError):
            raise UnexpectedError(str(result)) from result
        return result


def _let_go(error: BaseException | None) -> None:
    """Clear the frames of an error and its causes: they would keep arrays alive, on the GPU too."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


_jobs: set[Job] = set()
_application: QCoreApplication | None = None


def close_all(seconds: float = GRACE_SECONDS) -> bool:
    """Stop every job and wait for all of them, together `seconds` at most; True if all have ended."""
    deadline = time.monotonic() + seconds
    jobs = tuple(_jobs)
    for job in jobs:
        job.stop()
    stuck = {job for job in jobs if not job.close(max(0.0, deadline - time.monotonic()))}
    _jobs.difference_update(stuck)  # who did not heed this call is not waited for again
    return not stuck


def _watch_for_the_end() -> None:
    """See to it that jobs are closed when the application quits, or the interpreter without it."""
    global _application
    application = QCoreApplication.instance()
    if application is not None and application is not _application:
        application.aboutToQuit.connect(close_all)
        _application = application


atexit.register(close_all)


class Job(QObject):
    """A running generator of events, as the window sees it. Use it from the main thread only.

    Parameters
    ----------
    title : str
        What it does, such as ``"Training"``; begins messages and names it in napari's task list.
    start : callable
        Returns the generator of events. It is called in the worker's thread, so that heavy imports
        and opening files do not hold up the window.

    Attributes
    ----------
    happened : Signal(object)
        An event of the generator, in the main thread, at a bounded rate.
    ended : Signal(object)
        The :class:`Outcome`; emitted once, after the last event.
    message : str
        What the user was told, where the job failed.
    """

    happened = Signal(object)
    ended = Signal(object)

    def __init__(self, title: str, start: Callable[[], Iterator[Event]]) -> None:
        super().__init__()
        self.title = title
        self.message = ""
        self._starts = [start]
        self._mailbox = Mailbox()
        self._go = threading.Event()
        self._go.set()
        self._error: Exception | None = None
        self._outcome: Outcome | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_DELIVERY_MS)
        self._timer.timeout.connect(self._deliver)
        self._worker = self._make_worker()
        # A daemon: an interpreter that quits does not wait for a thread that is stuck.
        self._thread = threading.Thread(target=self._worker.run, name=f"Dense SSL: {title}", daemon=True)

    def _make_worker(self) -> JobWorker:
        # napari lists its tasks, and this function with them, for as long as the window lives: it must not
        # hold the job, nor, once it has begun or ended, the function that holds the volume.
        starts, mailbox, go = self._starts, self._mailbox, self._go

        def relay() -> Iterator[None]:
            keep_triton_out()  # any job may be the first to import torch
            events = starts.pop()()
            try:
                for event in events:
                    mailbox.put(event)
                    yield
                    while not go.wait(_PAUSE_POLL):
                        yield  # superqt looks here whether to quit
            finally:
                close = getattr(events, "close", None)
                if close is not None:
                    close()

        relay.__qualname__ = f"Dense SSL: {self.title}"  # napari lists its tasks by their functions' names
        worker: JobWorker = create_worker(
            relay, _worker_class=JobWorker, _start_thread=False, _ignore_errors=True
        )
        worker.errored.connect(self._fail)
        worker.finished.connect(self._end)
        return worker

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended; true while paused."""
        return bool(self._timer.isActive())

    @property
    def paused(self) -> bool:
        """Whether it is to stand still at its next event."""
        return not self._go.is_set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop, by :meth:`stop` or by napari's own closing of its window."""
        return bool(self._worker.abort_requested)

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None before."""
        return self._outcome

    def start(self) -> None:
        """Begin; once only."""
        _watch_for_the_end()
        _jobs.add(self)
        self._timer.start()
        self._thread.start()

    def pause(self) -> None:
        """Stand still at the next event."""
        self._go.clear()

    def resume(self) -> None:
        """Go on."""
        self._go.set()

    def stop(self) -> None:
        """Close the generator at its next event; returns at once."""
        self._worker.quit()
        self._go.set()

    def close(self, seconds: float = GRACE_SECONDS) -> bool:
        """Stop and wait, `seconds` at most; True if the generator is closed."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        alive: bool = self._thread.is_alive()
        return not alive

    def _deliver(self, budget: float = _DELIVERY_BUDGET) -> None:
        deadline = time.monotonic() + budget
        while (event := self._mailbox.take()) is not None:
            self.happened.emit(event)
            if time.monotonic() > deadline:
                return

    def _fail(self, error: Exception) -> None:
        self._error = error

    def _end(self) -> None:
        self._deliver(budget=float("inf"))
        self._timer.stop()
        self._starts.clear()
        _jobs.discard(self)
        if self._error is not None:
            self.message = report(self._error, self.title)
            self._error = None
            self._outcome = Outcome.FAILED
        else:
            self._outcome = Outcome.STOPPED if self.stopping else Outcome.FINISHED
        self.ended.emit(self._outcome)
