"""How much of the budget is used up, and how long the rest will take."""

from __future__ import annotations

import time
from collections import deque

_MEASURED = 20


class Budget:
    """Minutes of work, or steps, whichever is used up first; pauses do not count.

    Parameters
    ----------
    minutes : float or None
        Limit of working time.
    steps : int or None
        Limit of steps.
    done : int
        Steps done before (of a resumed run).
    seconds : float
        Working time spent before, s.
    """

    def __init__(self, minutes: float | None, steps: int | None, done: int = 0, seconds: float = 0.0) -> None:
        self._limit = None if minutes is None else 60 * minutes
        self.total = steps
        self.done = done
        self._spent, self._since = seconds, time.perf_counter()
        self._recent: deque[float] = deque(maxlen=_MEASURED)

    @property
    def seconds(self) -> float:
        """Working time so far, s."""
        return self._spent + time.perf_counter() - self._since

    def away(self, seconds: float) -> None:
        """Leave out time in which the job was not working."""
        self._spent -= seconds

    def step_done(self) -> None:
        """Count a step."""
        self.done += 1
        self._recent.append(self.seconds)

    @property
    def fraction(self) -> float:
        """Share that is used up, 0 to 1."""
        shares = [0.0]
        if self.total is not None:
            shares.append(self.done / self.total)
        if self._limit is not None:
            shares.append(self.seconds / self._limit)
        return min(1.0, max(shares))

    @property
    def steps_per_second(self) -> float:
        """Measured over the last steps; 0 before the second."""
        if len(self._recent) < 2:
            return 0.0
        return (len(self._recent) - 1) / max(self._recent[-1] - self._recent[0], 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the last steps, s; None before the second."""
        rate = self.steps_per_second
        if rate == 0:
            return None
        left = [float("inf")]
        if self.total is not None:
            left.append((self.total - self.done) / rate)
        if self._limit is not None:
            left.append(self._limit - self.seconds)
        return max(0.0, min(left))
