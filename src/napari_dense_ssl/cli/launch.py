"""Starting a command in several processes on this machine, and ending them together.

The process that was called is the first: it alone shows anything. The others run the same command line.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import typer

from napari_dense_ssl.core.errors import ProcessesError

_PARENT = "DENSE_SSL_FIRST_PROCESS"
"""Number of the process that started this one."""

_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 45.0
"""Who waits for a process that has ended is told so, mostly, and saves; if not, it is ended after this."""

_SHORT_SECONDS = 3.0
"""What is left of the other processes after an error has nothing to save."""


def first_is_there() -> bool:
    """Whether the process that started this one is still there to tell what happened."""
    parent = os.environ.get(_PARENT)
    return parent is not None and int(parent) == os.getppid()


@contextmanager
def started(count: int, variable: str, command: str) -> Iterator[None]:
    """Run this process's command line in `count` processes; those that are left at the end are ended.

    Parameters
    ----------
    count : int
        How many, with this one.
    variable : str
        Environment variable that tells each how many there are.
    command : str
        The command that the command line begins with.

    Raises
    ------
    ProcessesError
        If this process was not called by such a command line.
    """
    if variable in os.environ:  # one of them already
        _Watching(lambda: not first_is_there(), []).start()
        yield
        return
    if sys.argv[1:2] != [command]:
        raise ProcessesError(
            f"Further processes run the command line of the first one, and this one was not called as "
            f"`napari-dense-ssl {command} ...`; call it so, or start the processes with torchrun or srun."
        )
    os.environ.update(_variables(count, variable))
    again = [sys.executable, "-m", "napari_dense_ssl", *sys.argv[1:]]
    told = [{"LOCAL_RANK": str(number), _PARENT: str(os.getpid())} for number in range(1, count)]
    # In a group of their own, so that a terminal's Ctrl-C reaches the first one only, which stops all.
    others = [subprocess.Popen(again, env=os.environ | more, process_group=0) for more in told]
    _Watching(lambda: any(other.poll() for other in others), others).start()
    grace = _SHORT_SECONDS
    try:
        yield
        grace = _GRACE_SECONDS
    finally:
        _end(others, grace)


def _variables(count: int, variable: str) -> Mapping[str, str]:
    """Return what Lightning's environment and the others are told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        variable: str(count),
        "LOCAL_RANK": "0",
        "NODE_RANK": "0",
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _end(others: list[subprocess.Popen[bytes]], grace: float) -> None:
    """Wait for the other processes so many seconds, then end them."""
    deadline = time.monotonic() + grace
    for other in others:
        try:
            other.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            other.kill()
            other.wait()


class _Watching(threading.Thread):
    """Ends this process some time after another one was lost, if it has not ended by itself."""

    def __init__(self, lost: Callable[[], bool], others: list[subprocess.Popen[bytes]]) -> None:
        super().__init__(name="dense-ssl-processes", daemon=True)
        self._lost, self._others = lost, others

    def run(self) -> None:
        while not self._lost():
            time.sleep(_LOOK_SECONDS)
        time.sleep(_GRACE_SECONDS)
        typer.echo(
            "Another process of this training ended before its time, and this one waited for it in vain; the "
            "last checkpoint is whole: go on with --resume.",
            err=True,
        )
        for other in self._others:
            other.kill()
        os._exit(2)  # the main thread hangs in a message of the device's
