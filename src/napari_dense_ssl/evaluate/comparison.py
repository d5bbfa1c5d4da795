"""All that a comparison with truth found: scores, boundaries, confusion, a line a slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate.boundaries import CLASSES_MOST, Met
from napari_dense_ssl.evaluate.naming import UNNAMED
from napari_dense_ssl.evaluate.scores import Scores
from napari_dense_ssl.evaluate.tables import Contingency
from napari_dense_ssl.evaluate.tolerance import Tolerance


@dataclass(frozen=True, slots=True)
class SliceScores:
    """Figures of one slice, its classes named as all are.

    Attributes
    ----------
    z : int
        The slice.
    pixels : int
        That are labelled and predicted.
    miou, mdice : float
        Means over the truth's classes that occur in the slice, named by majority.
    accuracy : float
        Share of the pixels named rightly.
    boundary_f : float or None
        Boundary F-score; None where it was not asked for.
    """

    z: int
    pixels: int
    miou: float
    mdice: float
    accuracy: float
    boundary_f: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A prediction against truth.

    Attributes
    ----------
    scores : Scores
    table : Contingency
        Counts on the score slices.
    slices : tuple of SliceScores
        One for each scored slice that has pixels to score; empty where the tables of single slices were too
        large to be kept.
    tolerance : Tolerance or None
        Within which boundaries are met; None where they were not compared.
    boundary : Met or None
        Of boundaries between any labels.
    boundary_classes : mapping of int to Met
        Of the truth's classes, where there are few.
    prediction, truth : str
        Where they came from.
    fit, score : tuple of int
        Slices that the classes were named on, and that were scored.
    notes : tuple of str
        Sentences that the user should read.
    """

    scores: Scores
    table: Contingency = field(repr=False)
    slices: tuple[SliceScores, ...] = field(repr=False)
    tolerance: Tolerance | None
    boundary: Met | None
    boundary_classes: Mapping[int, Met]
    prediction: str
    truth: str
    fit: tuple[int, ...]
    score: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def instances(self) -> bool:
        """Whether the truth has so many labels that they are things (cells), not classes."""
        return len(self.table.truth) > CLASSES_MOST

    def confusion(self) -> tuple[NDArray[np.int64], tuple[int, ...], bool]:
        """Count pixels by true class and by the class that they were given (majority).

        Returns
        -------
        counts : ndarray, shape (C, C) or (C, C + 1), int64
            Truth by row; in the last column what has no name, where there is any.
        labels : tuple of int
            Of the rows.
        unnamed : bool
            Whether there is such a last column.

        Raises
        ------
        ScoreError
            If the truth has more than 64 labels: no matrix would be readable.
        """
        if self.instances:
            raise ScoreError(
                f"The truth has {len(self.table.truth)} labels, and a confusion matrix is made of at most "
                f"{CLASSES_MOST}; look at adapted Rand error and VOI instead."
            )
        truth, names = self.table.truth, self.scores.names
        cells = self.table.counts.tocoo()
        given = np.array([names.get(int(p), UNNAMED) for p in self.table.predicted], np.int64)
        place = np.where(np.isin(given, truth), np.searchsorted(truth, given), len(truth))
        counts = np.zeros((len(truth), len(truth) + 1), np.int64)
        np.add.at(counts, (cells.col, place[cells.row]), cells.data)
        unnamed = bool(counts[:, -1].any())
        return counts if unnamed else counts[:, :-1], tuple(int(t) for t in truth), unnamed

    def class_rows(self) -> list[dict[str, float | int]]:
        """Return a row a true class: label, pixels, IoU, Dice, the same one to one, boundary F."""
        scores = self.scores
        area = np.asarray(self.table.counts.sum(axis=0)).ravel()
        rows: list[dict[str, float | int]] = []
        for label, pixels in zip(self.table.truth, area, strict=True):
            key = int(label)
            row: dict[str, float | int] = {
                "label": key,
                "pixels": int(pixels),
                "iou": scores.iou[key],
                "dice": scores.dice[key],
                "iou_hungarian": scores.iou_hungarian[key],
                "dice_hungarian": scores.dice_hungarian[key],
            }
            if key in self.boundary_classes:
                row["boundary_f"] = self.boundary_classes[key].fscore
            rows.append(row)
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, ready for JSON: the scores and what goes with them."""
        met = self.boundary
        return {
            **self.scores.as_dict(),
            "boundary_f": None if met is None else met.fscore,
            "boundary_precision": None if met is None else met.precision,
            "boundary_recall": None if met is None else met.recall,
            "boundary_tolerance": None if self.tolerance is None else str(self.tolerance),
            "boundary_f_classes": {label: one.fscore for label, one in self.boundary_classes.items()},
            "slices": [asdict(one) for one in self.slices],
            "prediction": self.prediction,
            "truth": self.truth,
            "notes": list(self.notes),
        }
