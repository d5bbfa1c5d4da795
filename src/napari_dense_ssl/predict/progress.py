"""Counting what is done and guessing what is left."""

from __future__ import annotations

import time
from collections import deque

from napari_dense_ssl.core.events import Step

_WINDOW = 20
"""Steps over which the speed is measured: it follows a machine that gets busier."""


class Progress:
    """Turns finished pieces of work into :class:`Step` events.

    Parameters
    ----------
    total : int
        Pieces in all.
    pixels : int
        Pixels in all pieces that are still to be done.
    done : int
        Pieces done before (by the session that is resumed).
    """

    def __init__(self, total: int, pixels: int, done: int = 0) -> None:
        self.total, self.pixels, self.done = total, pixels, done
        self.finished_pixels = 0
        self._begun = time.perf_counter()
        self._marks: deque[tuple[float, int]] = deque([(self._begun, 0)], maxlen=_WINDOW + 1)

    @property
    def seconds(self) -> float:
        """Time since the beginning, s."""
        return time.perf_counter() - self._begun

    def step(self, pixels: int) -> Step:
        """Record one more piece of that many pixels."""
        self.done += 1
        self.finished_pixels += pixels
        self._marks.append((time.perf_counter(), self.finished_pixels))
        (then, before), (now, after) = self._marks[0], self._marks[-1]
        speed = (after - before) / max(now - then, 1e-9)
        return Step(
            index=self.done,
            total=self.total,
            fraction=self.done / max(1, self.total),
            seconds_left=(self.pixels - self.finished_pixels) / speed if speed > 0 else None,
            samples_per_second=speed,
        )
