"""How far a job is, and how much time it probably still takes."""

from __future__ import annotations

import time

from napari_dense_ssl.core.events import Step


class Clock:
    """Counts what is done (crops, slices, blocks) and guesses the time that is left for the rest."""

    def __init__(self, total: int) -> None:
        self.total, self._done, self._begun = total, 0.0, time.perf_counter()

    def step(self, more: float) -> Step:
        """Say that more is done."""
        self._done = min(self._done + more, self.total)
        seconds = time.perf_counter() - self._begun
        done = max(self._done, 1e-9)
        return Step(
            index=round(self._done),
            total=self.total,
            fraction=self._done / self.total if self.total else 1.0,
            seconds_left=seconds / done * (self.total - self._done),
            samples_per_second=self._done / max(seconds, 1e-9),
        )
