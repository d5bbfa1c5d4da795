"""Work that cannot be cut into pieces, done in a thread while beats are given; and jobs run to their end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from napari_dense_ssl.core.events import Beat, Event

T = TypeVar("T")


def beating(work: Callable[[], T]) -> Generator[Event, None, T]:
    """Do work in a thread, yielding beats until it is done; return its result."""
    with ThreadPoolExecutor(1, thread_name_prefix="dense-ssl-fit") as thread:
        result = thread.submit(work)
        while wait([result], timeout=0.1).not_done:
            yield Beat()
    return result.result()


def finished(job: Generator[Any, None, T] | Iterator[Any]) -> T:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(job)
        except StopIteration as end:
            result: T = end.value
            return result
