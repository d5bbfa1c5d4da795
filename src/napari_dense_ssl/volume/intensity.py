"""Mean, spread and contrast limits of a volume, from a sample of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

CLIP = 6.0
"""Normalised grey values are cut off here, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """Statistics of the finite values of a volume (or of a sample of it), in its own grey values.

    Attributes
    ----------
    mean, std : float
        Mean and standard deviation.
    low, high : float
        0.5 and 99.5 percentiles: contrast limits.
    finite : float
        Share of the values that are neither NaN nor infinite, 0 to 1.
    constant : bool
        Whether all finite values are the same, or there is none.
    """

    mean: float
    std: float
    low: float
    high: float
    finite: float = 1.0
    constant: bool = False

    @classmethod
    def from_sample(cls, array: np.ndarray[Any, Any]) -> Intensity:
        """Measure an array of any shape; NaNs and infinities are left out."""
        values = np.asarray(array).ravel()
        kept = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if kept.size == 0:
            return cls(mean=0.0, std=0.0, low=0.0, high=0.0, finite=0.0, constant=True)
        low, high = np.percentile(kept, (0.5, 99.5))
        return cls(
            mean=float(kept.mean(dtype=np.float64)),
            std=float(kept.std(dtype=np.float64)),
            low=float(low),
            high=float(high),
            finite=kept.size / values.size,
            constant=bool(kept.min() == kept.max()),
        )

    @property
    def limits(self) -> tuple[float, float]:
        """Contrast limits that differ even where the volume is constant (as displays need)."""
        return (self.low, self.high) if self.high > self.low else (self.low - 0.5, self.low + 0.5)

    def resembles(self, other: Intensity) -> bool:
        """Whether another volume's statistics are near enough to normalise it with these.

        Its mean lies within a tenth of this standard deviation, and the two spreads differ by at most a
        tenth.
        """
        near = abs(other.mean - self.mean) <= 0.1 * self.std
        return near and 0.9 * self.std <= other.std <= 1.1 * self.std

    def normalise(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return ``(array - mean) / std`` clipped to ±6, as a new float32 array; NaN and infinity become 0.

        A constant volume becomes 0 everywhere.
        """
        # Subtracting in float32 is exact enough up to 24 bits; wider integers would lose their low bits.
        wide = array.dtype.itemsize > 2 and array.dtype != np.float32
        values: np.ndarray[Any, np.dtype[np.floating[Any]]]
        values = array.astype(np.float64 if wide else np.float32)
        values -= self.mean
        values /= self.std if self.std > 0 and not self.constant else 1.0
        bad = ~np.isfinite(values)
        np.clip(values, -CLIP, CLIP, out=values)
        values[bad] = 0.0
        return values.astype(np.float32, copy=False)

    def as_dict(self) -> dict[str, float | bool]:
        """Return the fields as plain numbers, as kept in a run folder."""
        return {
            "mean": self.mean,
            "std": self.std,
            "low": self.low,
            "high": self.high,
            "finite": self.finite,
            "constant": self.constant,
        }
