"""Follows a job's events: a bar with time left on a terminal, plain lines elsewhere; Ctrl-C ends it well.

Everything goes to standard error, so that standard output holds results only.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Protocol, Self, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from napari_dense_ssl.core.events import (
    Audited,
    Beat,
    Event,
    Finished,
    Noted,
    Pictured,
    Preview,
    Saved,
    Started,
    Step,
)

T = TypeVar("T")

FIRST_INTERVAL = 2.0
LAST_INTERVAL = 60.0


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The user stopped a job; the message says what was kept and how to go on."""


class Screen(Protocol):
    """Where a job's progress is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def say(self, message: str) -> None:
        """Show a line that stays."""

    def step(self, step: Step) -> None:
        """Show how far the job is."""


def duration(seconds: float) -> str:
    """Return a time as people say it: ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _figures(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in losses.items())


def _left(step: Step) -> str:
    return "time left: measuring" if step.seconds_left is None else f"{duration(step.seconds_left)} left"


class PlainScreen:
    """Lines for log files and pipes: one every 2 s at first, one a minute when the job is long."""

    def __init__(self, job: str, unit: str) -> None:
        self._job = job
        self._unit = unit
        self._begun = time.monotonic()
        self._next = self._begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def say(self, message: str) -> None:
        """Print a line."""
        typer.echo(f"{self._job}: {message}", err=True)

    def step(self, step: Step) -> None:
        """Print a line, unless the last one is young."""
        now = time.monotonic()
        if now < self._next and step.fraction < 1:
            return
        self._next = now + min(max((now - self._begun) / 20, FIRST_INTERVAL), LAST_INTERVAL)
        total = "" if step.total is None else f" of {step.total}"
        figures = [f"{self._unit} {step.index}{total} ({step.fraction:.0%})", _left(step)]
        if step.losses:
            figures.append(_figures(step.losses))
        self.say(", ".join(figures))


class TerminalScreen:
    """A bar with share done, time gone, time left, and the losses."""

    def __init__(self, job: str, unit: str, console: Console) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[figures]}"),
            console=console,
        )
        self._unit = unit
        self._task = self._progress.add_task(job, total=1.0, left="", figures="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def step(self, step: Step) -> None:
        """Move the bar."""
        total = "" if step.total is None else f"/{step.total}"
        figures = f"{self._unit} {step.index}{total}"
        if step.losses:
            figures += f" · {_figures(step.losses)}"
        self._progress.update(self._task, completed=step.fraction, left=_left(step), figures=figures)


@contextmanager
def _stop_flag() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag that is looked at between events; the second interrupts at once.

    A job may stop only at an event: interrupted in the middle of a step, it could not save what it has.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        flag.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)


def follow(events: Iterator[Event], *, stopped: Callable[[], str]) -> Finished:
    """Run a job to its end, showing how far it is.

    Parameters
    ----------
    events : iterator of Event
        The job; it is closed in every case.
    stopped : callable
        Asked after Ctrl-C, when the job is closed, for what to say: what was kept, and how to go on.

    Returns
    -------
    Finished
        The job's last event.

    Raises
    ------
    Stopped
        After Ctrl-C, when the job has been closed.
    """
    try:
        with _stop_flag() as flag:
            finished = _consume(events, flag)
            if finished is None and isinstance(events, Generator):
                # Still under the flag, so that a second Ctrl-C is what it takes to interrupt the saving.
                events.close()
    finally:
        if isinstance(events, Generator):
            events.close()
    if finished is None:
        raise Stopped(stopped())
    return finished


def keeping(job: Generator[Event], kind: type[T], found: list[T]) -> Generator[Event]:
    """Pass events on, and keep the result that one of them carries.

    Parameters
    ----------
    job : generator of Event
    kind : type
        Of the result: what an ``Audited`` says, or a ``Pictured`` shows.
    found : list
        Gets it.
    """
    try:
        for event in job:
            match event:
                case Audited(result=result) | Pictured(picture=result) if isinstance(result, kind):
                    found.append(result)
                case _:
                    pass
            yield event
    finally:
        job.close()


def _consume(events: Iterator[Event], flag: threading.Event) -> Finished | None:
    """Show the events until the last, or until the flag is up (then None)."""
    screen: Screen | None = None
    with ExitStack() as shown:
        for event in events:
            match event:
                case Started():
                    screen = shown.enter_context(_screen(event))
                    screen.say(_greeting(event))
                case Step() if screen:
                    screen.step(event)
                case Noted(message=message) if screen:
                    screen.say(message)
                case Saved(path=path) if screen:
                    screen.say(f"saved {path}")
                case Audited() if screen:
                    screen.say(event.sentence)
                case Finished():
                    return event
                case Step() | Noted() | Saved() | Preview() | Pictured() | Audited() | Beat():
                    pass
            if flag.is_set():
                return None
    return Finished(path=None)


def _screen(started: Started) -> Screen:
    console = Console(stderr=True)
    if console.is_terminal:
        return TerminalScreen(started.job, started.unit, console)
    return PlainScreen(started.job, started.unit)


def _greeting(started: Started) -> str:
    details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in started.details.items())
    return f"started: {details}" if details else "started"


def tell(name: str, finished: Finished, path: object) -> None:
    """Print what a job made and its last figures, a line each, on standard output."""
    typer.echo(f"{name} {finished.path or path}")
    for key, value in finished.summary.items():
        typer.echo(f"{key.replace('_', ' ')} {f'{value:.4g}' if isinstance(value, float) else value}")
