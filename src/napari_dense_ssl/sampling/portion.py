"""Which crops of a batch a process has, where several share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor

Whole = TypeVar("Whole", bound=Tensor | np.ndarray)


@dataclass(frozen=True)
class Portion:
    """Every `step`-th of `total` crops, from number `first` on.

    Whatever is drawn at random is drawn for the whole batch, by every process from the same generator, and
    each keeps its portion: so a batch is the same however many share it.
    """

    first: int
    step: int
    total: int

    @classmethod
    def all(cls, total: int) -> Portion:
        """Return all of the crops."""
        return cls(0, 1, total)

    def __len__(self) -> int:
        return len(range(self.first, self.total, self.step))

    def of(self, whole: Whole) -> Whole:
        """Return these entries of what was drawn for the whole batch, along the first axis."""
        return whole if self.step == 1 else whole[self.first :: self.step]  # type: ignore[return-value]

    def part(self, start: int, stop: int) -> Portion:
        """Return what is one's own crops `start` to `stop` as a portion of the crops that go with them."""
        return Portion(self.first, self.step, self.step * (stop - start))

    def split(self, number: int) -> tuple[Portion, Portion]:
        """Part the whole batch after crop `number`; return the portions of either side."""
        return (
            Portion(self.first, self.step, number),
            Portion((self.first - number) % self.step, self.step, self.total - number),
        )
