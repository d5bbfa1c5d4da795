"""How often each class occurs, how bright it is, how far it can be trusted: sums that can be taken back."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

LABELS = 256
"""Labels of a class map of one byte: class + 1, and 0 for 'not predicted'."""

ERROR_STEPS = 100
"""Thresholds of the equivariance error are multiples of 1 / ERROR_STEPS."""


class ClassFigures:
    """Sums over pixels by label: number, grey values, equivariance error.

    Attributes
    ----------
    sums : ndarray, shape (5, 256), float64
        Rows: pixels; finite grey values and their sum; pixels with an error and its sum. Column 0 stays 0.
    errors : ndarray, shape (101,), float64
        Pixels by error, rounded up to the next multiple of 0.01: no more than n / 100 are the first n + 1.
    """

    __slots__ = ("errors", "sums")

    def __init__(self) -> None:
        self.sums: NDArray[np.float64] = np.zeros((5, LABELS))
        self.errors: NDArray[np.float64] = np.zeros(ERROR_STEPS + 1)

    @classmethod
    def of(
        cls,
        classes: NDArray[np.uint8],
        error: NDArray[np.floating[Any]] | None = None,
        grey: NDArray[Any] | None = None,
    ) -> Self:
        """Count maps of one shape.

        Parameters
        ----------
        classes : ndarray, uint8
            Labels; 0 is not counted.
        error : ndarray, optional
            In [0, 1]; NaN where it is not known.
        grey : ndarray, optional
            The image; NaN and infinity are left out.
        """
        found = cls()
        labels = np.asarray(classes).ravel()
        found.sums[0] = np.bincount(labels, minlength=LABELS)
        if grey is not None:
            values = np.asarray(grey, np.float64).ravel()
            finite = np.isfinite(values)
            kept, values = (labels, values) if finite.all() else (labels[finite], values[finite])
            found.sums[1] = np.bincount(kept, minlength=LABELS)
            found.sums[2] = np.bincount(kept, values, minlength=LABELS)
        if error is not None:
            values = np.asarray(error, np.float64).ravel()
            known = np.isfinite(values) & (labels > 0)
            kept, values = labels[known], values[known]
            found.sums[3] = np.bincount(kept, minlength=LABELS)
            found.sums[4] = np.bincount(kept, values, minlength=LABELS)
            found.errors += np.bincount(_step_of(values), minlength=ERROR_STEPS + 1)
        found.sums[:, 0] = 0
        return found

    def add(self, other: ClassFigures, sign: int = 1) -> None:
        """Add other pixels, or take them back with ``sign=-1``."""
        self.sums += sign * other.sums
        self.errors += sign * other.errors

    def copy(self) -> Self:
        """Return figures of their own."""
        made = type(self)()
        made.add(self)
        return made

    def grouped(self, leaders: NDArray[np.integer[Any]]) -> Self:
        """Return figures in which labels count as others.

        Parameters
        ----------
        leaders : ndarray of int, shape (256,)
            The label that each label's pixels are counted under.
        """
        made = type(self)()
        for row, own in zip(made.sums, self.sums, strict=True):
            np.add.at(row, leaders, own)
        made.errors = self.errors.copy()
        return made

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(self.sums[0].sum())

    @property
    def labels(self) -> NDArray[np.intp]:
        """Labels that occur, in order."""
        return np.flatnonzero(self.sums[0] > 0.5)

    def share(self) -> NDArray[np.float64]:
        """Share of the pixels by label, 0 to 1."""
        share: NDArray[np.float64] = self.sums[0] / max(1.0, float(self.sums[0].sum()))
        return share

    def mean_grey(self) -> NDArray[np.float64]:
        """Mean grey value by label; NaN where there is none."""
        return _mean(self.sums[2], self.sums[1])

    def mean_error(self) -> NDArray[np.float64]:
        """Mean equivariance error by label, 0 to 1; NaN where it is not known."""
        return _mean(self.sums[4], self.sums[3])

    def total_error(self) -> float:
        """Mean equivariance error of all pixels; NaN where it is not known."""
        return float(_mean(self.sums[4].sum(keepdims=True), self.sums[3].sum(keepdims=True))[0])

    def kept(self, threshold: float) -> float:
        """Share of the pixels with an error that is at most a multiple of 0.01; NaN where none is known."""
        total = self.errors.sum()
        below = self.errors[: round(threshold * ERROR_STEPS) + 1].sum()
        return float(below / total) if total > 0.5 else float("nan")


_THRESHOLDS = (np.arange(ERROR_STEPS + 1) / ERROR_STEPS).astype(np.float32)


def _step_of(error: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the least n whose threshold n / 100 an error does not exceed; in float32, as maps compare."""
    return np.minimum(np.searchsorted(_THRESHOLDS, error.astype(np.float32)), ERROR_STEPS)


def _mean(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.full(total.shape, np.nan)
    np.divide(total, count, out=result, where=count > 0.5)
    return result
