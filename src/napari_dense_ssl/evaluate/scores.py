"""Scores of unnamed classes, or of named labels, from contingency tables alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import entropy

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate.expected_information import expected_information
from napari_dense_ssl.evaluate.naming import UNNAMED, match_one_to_one, name_by_weight
from napari_dense_ssl.evaluate.tables import Contingency

_IN_USE = 1e-3
"""Share of the pixels above which a class counts as used."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How much a class map says about a truth; every figure on the score slices.

    Pixels that are unlabelled (truth 0) or not predicted (prediction 0) are left out; `coverage` says how
    many labelled pixels the prediction reached.

    Attributes
    ----------
    mi_frac : float
        I(class; truth) / H(truth), 0 to 1: 0 says nothing about the truth, 1 says all of it. 0 where the
        truth has one class only.
    ami : float
        Mutual information adjusted for chance (arithmetic mean of the entropies), at most 1.
    ari : float
        Rand index adjusted for chance, at most 1.
    miou : float
        Mean over the truth's classes of intersection / union, each predicted class named by the truth it
        most often meets on the fit slices. A truth class that no class is named by counts 0.
    miou_fair : float
        The same, each predicted class named by the truth class that it is most over-represented in, so
        that rare classes get a chance.
    miou_hungarian : float
        The same, with one predicted class for each truth class, matched for the greatest overlap
        (Hungarian method) on the fit slices.
    mdice : float
        Mean over the truth's classes of 2 intersection / (area + area), named by majority.
    iou, dice : mapping of int to float
        By truth class, named by majority.
    iou_hungarian, dice_hungarian : mapping of int to float
        By truth class, one predicted class each.
    accuracy : float
        Share of pixels named rightly by majority.
    adapted_rand_error : float
        1 - F of the pairs of pixels that prediction and truth join (Arganda-Carreras et al. 2015), 0 to 1;
        0 is perfect. Pixels left out do not enter it.
    adapted_rand_precision, adapted_rand_recall : float
        Share of the pairs that the prediction joins which the truth joins, and the other way round.
    voi_split, voi_merge : float
        Variation of information in bits: H(prediction | truth), what was cut up, and
        H(truth | prediction), what was run together. 0 is perfect.
    effective_classes : float
        exp H(class): 1 for one class everywhere, K for K classes of equal area.
    classes_used : int
        Predicted classes that hold more than a thousandth of the pixels.
    names, names_hungarian : mapping of int to int
        The truth label that each predicted class is named by; unnamed ones are missing.
    coverage : float
        Share of the labelled pixels that are predicted, 0 to 1.
    pixels : int
        Number of pixels scored.
    """

    mi_frac: float
    ami: float
    ari: float
    miou: float
    miou_fair: float
    miou_hungarian: float
    mdice: float
    iou: Mapping[int, float]
    dice: Mapping[int, float]
    iou_hungarian: Mapping[int, float]
    dice_hungarian: Mapping[int, float]
    accuracy: float
    adapted_rand_error: float
    adapted_rand_precision: float
    adapted_rand_recall: float
    voi_split: float
    voi_merge: float
    effective_classes: float
    classes_used: int
    names: Mapping[int, int]
    names_hungarian: Mapping[int, int]
    coverage: float
    pixels: int

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, ready for JSON (where keys become text)."""
        return asdict(self)


def score_tables(
    score: Contingency,
    fit: Contingency | None = None,
    *,
    named: bool = False,
    given: Mapping[int, int] | None = None,
) -> Scores:
    """Compute all scores from the tables of the score slices and of the fit slices.

    Parameters
    ----------
    score : Contingency
        Pixels that are scored.
    fit : Contingency, optional
        Pixels that the predicted classes are named on; by default those that are scored.
    named : bool
        The prediction already holds the truth's labels: no class is named, equal numbers are the same.
    given : mapping of int to int, optional
        The truth's label of predicted ones that have a name of their own: majority and over-representation
        name the others only. Matching one to one pays no heed to it.

    Raises
    ------
    ScoreError
        If no pixel is both labelled and predicted.
    """
    fit = score if fit is None else fit
    for table, use in ((score, "score"), (fit, "name the classes on")):
        if table.total == 0:
            raise ScoreError(
                f"No pixel to {use} is both predicted and labelled in the truth (0 means neither); "
                "check that the slices hold labels and that the prediction covers them."
            )
    predicted = np.union1d(score.predicted, fit.predicted)
    truth = np.union1d(score.truth, fit.truth)
    on_score, on_fit = score.spread(predicted, truth), fit.spread(predicted, truth)
    if named:
        same = np.where(np.isin(predicted, truth), np.searchsorted(truth, predicted), UNNAMED)
        majority = fair = hungarian = same
    else:
        cells = on_fit.tocoo()
        rows, columns = cells.row.astype(np.int64), cells.col.astype(np.int64)
        area = np.asarray(on_fit.sum(axis=0)).ravel()
        majority = name_by_weight(rows, columns, cells.data, len(predicted))
        fair = name_by_weight(rows, columns, cells.data / area[columns], len(predicted))
        hungarian = match_one_to_one(on_fit)
        for names in (majority, fair):
            _override(names, predicted, truth, given or {})
    iou, dice = overlaps(on_score, majority, truth)
    iou_hungarian, dice_hungarian = overlaps(on_score, hungarian, truth)
    sizes = np.asarray(on_score.sum(axis=1)).ravel()
    h_class, h_truth = float(entropy(sizes)), float(entropy(np.asarray(on_score.sum(axis=0)).ravel()))
    mutual = max(0.0, h_class + h_truth - float(entropy(score.counts.data)))
    pairs = _Pairs.of(score.counts)
    return Scores(
        mi_frac=mutual / h_truth if h_truth > 0 else 0.0,
        ami=_adjusted_mutual(score, mutual, h_class, h_truth),
        ari=pairs.adjusted_rand,
        miou=_mean(iou),
        miou_fair=_mean(overlaps(on_score, fair, truth)[0]),
        miou_hungarian=_mean(iou_hungarian),
        mdice=_mean(dice),
        iou=iou,
        dice=dice,
        iou_hungarian=iou_hungarian,
        dice_hungarian=dice_hungarian,
        accuracy=_right(on_score, majority) / score.total,
        adapted_rand_error=1 - pairs.fscore,
        adapted_rand_precision=pairs.precision,
        adapted_rand_recall=pairs.recall,
        voi_split=(h_class - mutual) / math.log(2),
        voi_merge=(h_truth - mutual) / math.log(2),
        effective_classes=float(np.exp(h_class)),
        classes_used=int(np.count_nonzero(sizes > _IN_USE * score.total)),
        names=_named(predicted, truth, majority),
        names_hungarian=_named(predicted, truth, hungarian),
        coverage=score.total / (score.total + score.unpredicted),
        pixels=score.total,
    )


def _override(
    names: NDArray[np.int64],
    predicted: NDArray[np.int64],
    truth: NDArray[np.int64],
    given: Mapping[int, int],
) -> None:
    """Name predicted labels by what was given; by nothing where the truth has no such label here."""
    for label, wanted in given.items():
        rows = predicted == label
        column = np.flatnonzero(truth == wanted)
        names[rows] = column[0] if len(column) else UNNAMED


def overlaps(
    table: csr_array, names: NDArray[np.int64], truth: NDArray[np.int64]
) -> tuple[dict[int, float], dict[int, float]]:
    """Return IoU and Dice of each truth class that occurs in a table.

    Parameters
    ----------
    table : csr_array, shape (R, C), int64
    names : ndarray, shape (R,)
        Column that each row is named by, or below 0.
    truth : ndarray, shape (C,)
        Labels of the columns.
    """
    cells = table.tocoo()
    width = len(truth)
    area = np.asarray(table.sum(axis=0)).ravel()
    hits = names[cells.row] == cells.col
    both = np.bincount(cells.col[hits], cells.data[hits], width)
    given = names >= 0
    claimed = np.bincount(names[given], np.asarray(table.sum(axis=1)).ravel()[given], width)
    seen = np.flatnonzero(area)
    iou = {int(truth[c]): float(both[c] / (claimed[c] + area[c] - both[c])) for c in seen}
    dice = {int(truth[c]): float(2 * both[c] / (claimed[c] + area[c])) for c in seen}
    return iou, dice


def _mean(values: Mapping[int, float]) -> float:
    return float(np.mean(list(values.values())))


def _right(table: csr_array, names: NDArray[np.int64]) -> int:
    cells = table.tocoo()
    return int(cells.data[names[cells.row] == cells.col].sum())


def _named(
    predicted: NDArray[np.int64], truth: NDArray[np.int64], names: NDArray[np.int64]
) -> dict[int, int]:
    return {int(p): int(truth[n]) for p, n in zip(predicted, names, strict=True) if n != UNNAMED}


def _adjusted_mutual(table: Contingency, mutual: float, h_class: float, h_truth: float) -> float:
    """Compute the adjusted mutual information (Vinh, Epps & Bailey 2010), arithmetic normalisation."""
    rows, columns = table.counts.shape
    if rows == columns == 1:
        return 1.0
    expected = expected_information(table.counts)
    room = (h_class + h_truth) / 2 - expected
    tiny = float(np.finfo(np.float64).eps)
    room = min(room, -tiny) if room < 0 else max(room, tiny)
    return (mutual - expected) / room


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Ordered pairs of different pixels, in whole numbers that cannot overflow.

    Those that both join, the prediction joins, the truth joins, and all.
    """

    both: int
    predicted: int
    truth: int
    all: int

    @classmethod
    def of(cls, counts: csr_array) -> _Pairs:
        def squares(values: NDArray[Any]) -> int:
            return sum(int(v) ** 2 for v in np.asarray(values).ravel())

        total = int(counts.sum())
        cells = squares(counts.data) - total
        return cls(
            cells, squares(counts.sum(axis=1)) - total, squares(counts.sum(axis=0)) - total, total**2 - total
        )

    @property
    def adjusted_rand(self) -> float:
        """Adjusted Rand index (Hubert & Arabie 1985)."""
        split, merged = self.truth - self.both, self.predicted - self.both
        apart = self.all - self.both - split - merged
        if split == 0 and merged == 0:
            return 1.0
        chance = (self.both + split) * (split + apart) + (self.both + merged) * (merged + apart)
        return 2 * (self.both * apart - split * merged) / chance

    @property
    def precision(self) -> float:
        """Share of the predicted pairs that are true; 1 where none is predicted."""
        return self.both / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that are predicted; 1 where there is none."""
        return self.both / self.truth if self.truth else 1.0

    @property
    def fscore(self) -> float:
        """Harmonic mean of both."""
        pairs = self.predicted + self.truth
        return 2 * self.both / pairs if pairs else 1.0
