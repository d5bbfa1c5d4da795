"""Values by name over steps, in bounded memory (no Qt here)."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

POINTS = 4096
"""Points that are kept at most: more than a screen has pixels across."""


class Curves:
    """Keeps values by name; of a long run neighbouring points are averaged, so that memory stays bounded.

    Parameters
    ----------
    points : int
        How many points are kept at most, an even number. When there are as many, neighbours are merged in
        pairs, and from then on each point stands for twice as many steps as before.

    Attributes
    ----------
    steps : list of int
        The last step that each point stands for.
    values : dict of str to list of float
        The mean over the steps of each point; NaN where a name had no value.
    latest : dict of str to float
        The newest value of each name, not averaged.
    stride : int
        Steps that a full point stands for.
    """

    def __init__(self, points: int = POINTS) -> None:
        self._most = points
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.steps: list[int] = []
        self.values: dict[str, list[float]] = {}
        self.latest: dict[str, float] = {}
        self.stride = 1
        self._counts: dict[str, list[int]] = {}
        self._filled = 0

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add what was measured at a step; a name that is new begins a curve here."""
        if self._filled == 0 or self._filled == self.stride:
            self._begin_point()
        self._filled += 1
        self.steps[-1] = step
        for name, value in values.items():
            if name not in self.values:
                self.values[name] = [math.nan] * len(self.steps)
                self._counts[name] = [0] * len(self.steps)
            if math.isnan(value):
                continue
            self.latest[name] = float(value)
            count = self._counts[name][-1]
            mean = self.values[name][-1] if count else 0.0
            self.values[name][-1] = mean + (value - mean) / (count + 1)
            self._counts[name][-1] = count + 1

    def _begin_point(self) -> None:
        if len(self.steps) == self._most:
            self._merge()
        self.steps.append(0)
        for name in self.values:
            self.values[name].append(math.nan)
            self._counts[name].append(0)
        self._filled = 0

    def _merge(self) -> None:
        self.steps = self.steps[1::2]
        self.stride *= 2
        for name, values in self.values.items():
            counts = self._counts[name]
            sums = [0.0 if not n else v * n for v, n in zip(values, counts, strict=True)]
            pairs = [a + b for a, b in zip(counts[::2], counts[1::2], strict=True)]
            self.values[name] = [
                (a + b) / n if n else math.nan for a, b, n in zip(sums[::2], sums[1::2], pairs, strict=True)
            ]
            self._counts[name] = pairs

    def write_csv(self, path: Path, units: Mapping[str, str]) -> None:
        """Write a table: a line a point, a column a name, with its unit in the head.

        Parameters
        ----------
        path : Path
        units : mapping of str to str
            By name; a name that is missing has none.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        heads = [f"{name} ({units[name]})" if units.get(name) else name for name in self.values]
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["step", *heads])
            for index, step in enumerate(self.steps):
                row = [values[index] for values in self.values.values()]
                table.writerow([step, *("" if math.isnan(value) else f"{value:.7g}" for value in row)])
