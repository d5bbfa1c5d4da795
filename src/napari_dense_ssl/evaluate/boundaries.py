"""How well boundaries are met, within a tolerance.

Boundary F-score of Csurka, Larlus & Perronnin, "What is a good evaluation measure for semantic segmentation?"
(BMVC 2013), after the contour matching of Martin, Fowlkes & Malik (TPAMI 2004). Counts are summed over the
slices before shares are taken, where the paper takes the mean of the images' shares: slices with few
boundaries then weigh less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import isotropic_dilation

_SHIFTS = 80
"""Up to as many shifted copies (a radius of 5 px) are quicker than a distance transform."""

CLASSES_MOST = 64
"""Up to as many classes of the truth get a figure of their own: a segmentation into cells does not."""


@dataclass(frozen=True, slots=True)
class Met:
    """Boundary pixels: predicted ones, those near a true one, true ones, those near a predicted one."""

    predicted: int = 0
    right: int = 0
    true: int = 0
    found: int = 0

    def __add__(self, other: Met) -> Met:
        return Met(
            self.predicted + other.predicted,
            self.right + other.right,
            self.true + other.true,
            self.found + other.found,
        )

    @property
    def precision(self) -> float:
        """Share of the predicted boundary pixels that are near a true one; 0 where there are none."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the true boundary pixels that are near a predicted one; 0 where there are none."""
        return self.found / self.true if self.true else 0.0

    @property
    def fscore(self) -> float:
        """Harmonic mean of both; 1 where neither has a boundary."""
        if not self.predicted and not self.true:
            return 1.0
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def boundary(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of a plane that touch another label by an edge; 0 is no label and makes no boundary.

    Parameters
    ----------
    labels : ndarray, shape (Y, X), integer
    """
    edge = np.zeros(labels.shape, bool)
    for low, high in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        a, b = labels[low], labels[high]
        differ = (a != b) & (a != 0) & (b != 0)
        edge[low] |= differ
        edge[high] |= differ
    return edge


def near(mask: NDArray[np.bool_], reach: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the pixels that are within an ellipse of a mask's pixels.

    Parameters
    ----------
    mask : ndarray, shape (Y, X), bool
    reach : tuple of float
        Half axes along Y and X, px: the tolerance over the pixel's edges.
    """
    tall, wide = (int(r + 1e-9) for r in reach)
    offsets = [
        (dy, dx)
        for dy in range(-tall, tall + 1)
        for dx in range(-wide, wide + 1)
        if _inside(dy, reach[0]) + _inside(dx, reach[1]) <= 1 + 1e-9
    ]
    if len(offsets) > _SHIFTS:
        if not mask.any():
            return mask
        spacing = (1 / reach[0], 1 / reach[1])
        grown: NDArray[np.bool_] = isotropic_dilation(mask, 1 + 1e-9, spacing=spacing)
        return grown
    result = np.zeros_like(mask)
    height, width = mask.shape
    for dy, dx in offsets:
        if abs(dy) < height and abs(dx) < width:
            to = (slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
            of = (slice(max(0, -dy), height + min(0, -dy)), slice(max(0, -dx), width + min(0, -dx)))
            result[to] |= mask[of]
    return result


def _inside(distance: int, reach: float) -> float:
    return (distance / reach) ** 2 if reach > 0 else float(distance != 0)


def boundaries_met(
    predicted: NDArray[Any], truth: NDArray[Any], reach: tuple[float, float], classes: tuple[int, ...]
) -> tuple[Met, dict[int, Met]]:
    """Compare the boundaries of two planes: those between any labels, and those of each class.

    Parameters
    ----------
    predicted, truth : ndarray, shape (Y, X), integer
        Of the same labels; 0 is not predicted and unlabelled. Boundaries of the prediction count where the
        truth is labelled, those of the truth where there is a prediction.
    reach : tuple of float
        Tolerance along Y and X, px.
    classes : tuple of int
        Labels that get counts of their own.
    """
    known = (predicted != 0) & (truth != 0)
    ours, theirs = boundary(predicted) & known, boundary(truth) & known
    whole = _met(ours, theirs, reach)
    each = {c: _met(ours & (predicted == c), theirs & (truth == c), reach) for c in classes}
    return whole, each


def _met(ours: NDArray[np.bool_], theirs: NDArray[np.bool_], reach: tuple[float, float]) -> Met:
    return Met(
        int(np.count_nonzero(ours)),
        int(np.count_nonzero(ours & near(theirs, reach))),
        int(np.count_nonzero(theirs)),
        int(np.count_nonzero(theirs & near(ours, reach))),
    )
