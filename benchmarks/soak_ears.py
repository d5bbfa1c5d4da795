"""Hears every error of a process with windows, and counts what of ours is left when all is closed."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
import threading
import traceback
import warnings
from collections import Counter
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

import psutil
from napari.layers import Layer
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QObject, QtMsgType, qInstallMessageHandler
from qtpy.QtWidgets import QApplication, QWidget

PACKAGE = "napari_dense_ssl"
THREADS = "Dense SSL"
KEPT = frozenset({"SessionRuns"})
"""Objects of ours that live as long as the process."""

REFUSALS = re.compile(
    r"being trained in this napari already|slider stands outside|out of view|which no layer here shows"
    r"|is another volume|cannot be resumed|budget is|holds a run already|exists already|has no checkpoint yet"
    r"|No run is chosen"
)
"""Sentences with which the docks rightly refuse something."""

QUIET = re.compile(r"propagateSizeHints|XDG_RUNTIME_DIR|qt\.qpa|does not support")
"""What Qt says under Xvfb whatever one does."""


class Ears:
    """Collects what must not happen, each with what was done before it.

    Attributes
    ----------
    doing : str
        The action at hand, set from outside.
    found : Counter of str
        What was heard, and how often.
    refused : Counter of str
        Refusals, which are as they should be.
    warned : Counter of str
        Python's warnings.
    """

    def __init__(self) -> None:
        self.doing = "starting"
        self.found: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.warned: Counter[str] = Counter()

    def __enter__(self) -> Ears:
        self._before = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning
        sys.excepthook = lambda kind, error, trace: self.hear("exception", error, trace)
        threading.excepthook = lambda told: self.hear("exception in a thread", told.exc_value)
        sys.unraisablehook = lambda told: self.hear(f"unraisable, {told.object!r:.80}", told.exc_value)
        warnings.showwarning = self._warning
        self._qt = qInstallMessageHandler(self._qt_message)
        notification_manager.notification_ready.connect(self._notification)
        return self

    def __exit__(self, *_: object) -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = self._before
        qInstallMessageHandler(self._qt)
        notification_manager.notification_ready.disconnect(self._notification)

    def hear(self, kind: str, error: BaseException | str | None, trace: TracebackType | None = None) -> None:
        """Keep something that must not happen."""
        if isinstance(error, BaseException):
            lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
            text = "".join(lines[-12:])
        else:
            text = str(error)
        self.found[f"{kind} while {self.doing}: {text}"] += 1

    def _notification(self, event: Any) -> None:
        told = getattr(event, "notification", event)
        text = str(told.message)
        if str(told.severity) != "error":
            return
        error = getattr(told, "exception", None)
        if error is None and REFUSALS.search(text):
            self.refused[REFUSALS.search(text)[0]] += 1  # type: ignore[index]
        else:
            self.hear("error notification", error or text)

    def _warning(self, message: Warning | str, kind: type[Warning], file: str, line: int, *_: Any) -> None:
        self.warned[f"{kind.__name__} at {'/'.join(file.split('/')[-3:])}:{line}: {message!s:.200}"] += 1

    def _qt_message(self, kind: QtMsgType, context: Any, text: str | None) -> None:
        bad = (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg)
        if kind in bad and text and not QUIET.search(text):
            self.hear("message of Qt", text)


def settle() -> None:
    """Let Qt delete what is to be deleted, Python collect what nobody holds, and C give it back."""
    for _ in range(3):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def threads_left() -> list[str]:
    """Return the names of our threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(THREADS)]


def census() -> Counter[str]:
    """Count the objects of our classes, and napari's layers, that anything still holds."""
    counted: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        module = getattr(kind, "__module__", None)
        if isinstance(module, str) and module.startswith(PACKAGE) and kind.__name__ not in KEPT:
            counted[kind.__name__] += 1
        elif issubclass(kind, Layer):
            counted[f"napari {kind.__name__}"] += 1
    return counted


def widgets_left() -> list[str]:
    """Return the widgets and other Qt objects of ours that live on, by the names of their classes."""
    ours = [w for w in QApplication.allWidgets() if type(w).__module__.startswith(PACKAGE)]
    held = [
        thing
        for thing in gc.get_objects()
        # By type: to ask some of torch's objects for their class warns.
        if issubclass(type(thing), QObject)
        and not issubclass(type(thing), QWidget)
        and type(thing).__module__.startswith(PACKAGE)
        and type(thing).__name__ not in KEPT
    ]
    return sorted(type(thing).__name__ for thing in (*ours, *held))


def held_by(name: str, most: int = 20_000) -> str:
    """Return what keeps an object of ours of that class alive.

    Who refers to it is asked, and who refers to them, until a frame, the names of a module or something
    that the garbage collector does not know of is met; the way there is told, by types.
    """
    thing = next((thing for thing in gc.get_objects() if type(thing).__name__ == name), None)
    if thing is None:
        return f"{name} is gone"
    found: list[Any] = [thing]
    parents = [-1]
    known = {id(thing), id(found), id(parents)}
    ends: list[int] = []
    last = 0
    for at in range(most):
        if at >= len(found) or ends:
            break
        holders = gc.get_referrers(found[at])
        known.add(id(holders))
        before = len(found)
        for holder in holders:
            if id(holder) in known or holder is sys._getframe():
                continue
            known.add(id(holder))
            found.append(holder)
            parents.append(at)
            if isinstance(holder, FrameType) or (type(holder) is dict and "__name__" in holder):
                ends.append(len(found) - 1)
        if len(found) == before and not ends:
            last = at
    ways = []
    for end in ends[:3] or [last]:
        way, at = [], end
        while at >= 0:
            way.append(_short(found[at]))
            at = parents[at]
        ways.append(" -> ".join(way))
    return "\n".join(ways)


def _short(thing: Any) -> str:
    if isinstance(thing, FrameType):
        return f"frame of {thing.f_code.co_qualname}"
    if type(thing) is dict:
        return f"dict of {', '.join(map(str, list(thing)[:4])):.80}"
    said = getattr(thing, "__qualname__", "") if callable(thing) else ""
    return f"{type(thing).__name__} {said}".strip()


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks")),
        *((name, ctypes.c_size_t) for name in ("fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


def in_use() -> float:
    """Return what was asked of malloc and not given back, MB: the rest of :func:`rss` is files and gaps.

    NaN where the C library does not tell (glibc before 2.33, others).
    """
    with suppress(OSError, AttributeError):
        told = ctypes.CDLL("libc.so.6").mallinfo2
        told.restype = _Mallinfo
        found = told()
        return float(found.uordblks + found.hblkhd) / 1e6
    return float("nan")


def rss() -> float:
    """Return the memory that the process takes, MB."""
    return float(psutil.Process().memory_info().rss) / 1e6
