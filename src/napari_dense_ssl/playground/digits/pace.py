"""How far two phases that share a budget are, and how long the rest will take."""

from __future__ import annotations

import time
from collections import deque

_MEASURED = 30


class Pace:
    """A budget of steps or of minutes for the first phase and a share of it, on top, for the second.

    Where minutes are given they hold for both phases together, and time that passes between a step's end and
    the next one's begin (a pause) is left out.

    Parameters
    ----------
    steps : int or None
        Of the first phase.
    minutes : float or None
        Of both.
    second : float
        The second phase, as a share of the first.
    """

    def __init__(self, steps: int | None, minutes: float | None, second: float) -> None:
        self.steps = 0
        self._second = second
        if steps is not None:
            self._ends = [float(steps), float(steps + max(1, round(steps * second)))]
        else:
            whole = 60 * (minutes or 1.0)
            self._ends = [whole / (1 + second), whole]
        self.total = None if steps is None else int(self._ends[1])
        self._worked, self._begun = 0.0, time.perf_counter()
        self._recent: deque[float] = deque(maxlen=_MEASURED)

    @property
    def _used(self) -> float:
        return self._worked if self.total is None else float(self.steps)

    def begin(self, phase: int) -> float:
        """Begin a step of phase 1 or 2; return the share of the phase that is used up, 1 where it is over."""
        self._begun = time.perf_counter()
        start = 0.0 if phase == 1 else self._ends[0]
        return min(1.0, max(0.0, (self._used - start) / (self._ends[phase - 1] - start)))

    def step_done(self) -> None:
        """End a step."""
        self.steps += 1
        spent = time.perf_counter() - self._begun
        self._worked += spent
        self._recent.append(spent)

    @property
    def fraction(self) -> float:
        """Share of both phases that is used up, 0 to 1."""
        return min(1.0, self._used / self._ends[1])

    @property
    def steps_per_second(self) -> float:
        """Measured over the last steps; 0 before the first."""
        return len(self._recent) / max(sum(self._recent), 1e-9) if self._recent else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Working time to the end of both phases, s; None before the first step."""
        if not self._recent:
            return None
        left = max(0.0, self._ends[1] - self._used)
        return left if self.total is None else left / self.steps_per_second
