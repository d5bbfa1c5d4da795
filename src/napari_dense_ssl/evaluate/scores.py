"""Scores of unnamed classes, or of named labels, from contingency tables alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.stats import entropy
from sklearn.metrics.cluster import expected_mutual_information

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate.tables import Contingency

_EXACT_EXPECTATION_PIXELS = 50_000_000
"""Up to here the expected mutual information is summed exactly; beyond, that sum costs gigabytes."""

_IN_USE = 1e-3
"""Share of the pixels above which a class counts as used."""

_UNNAMED = -1


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
    iou : mapping of int to float
        Intersection / union by truth class, named by majority.
    accuracy : float
        Share of pixels named rightly by majority.
    voi_split, voi_merge : float
        Variation of information in bits: H(prediction | truth), what was cut up, and
        H(truth | prediction), what was run together. 0 is perfect.
    effective_classes : float
        exp H(class): 1 for one class everywhere, K for K classes of equal area.
    classes_used : int
        Predicted classes that hold more than a thousandth of the pixels.
    names : mapping of int to int
        The truth label that each predicted class is named by (majority); unnamed ones are missing.
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
    iou: Mapping[int, float]
    accuracy: float
    voi_split: float
    voi_merge: float
    effective_classes: float
    classes_used: int
    names: Mapping[int, int]
    coverage: float
    pixels: int

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, ready for JSON (where keys become text)."""
        return asdict(self)


def score_tables(score: Contingency, fit: Contingency | None = None, *, named: bool = False) -> Scores:
    """Compute all scores from the tables of the score slices and of the fit slices.

    Parameters
    ----------
    score : Contingency
        Pixels that are scored.
    fit : Contingency, optional
        Pixels that the predicted classes are named on; by default those that are scored.
    named : bool
        The prediction already holds the truth's labels: no class is named, equal numbers are the same.

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
    on_score, on_fit = score.dense(predicted, truth), fit.dense(predicted, truth)
    if named:
        majority = fair = hungarian = np.where(np.isin(predicted, truth), predicted, _UNNAMED)
    else:
        area = np.maximum(on_fit.sum(0), 1)
        majority = _name(on_fit, truth)
        fair = _name(on_fit / area, truth)
        hungarian = _match(on_fit, truth)
    iou = _iou(on_score, majority, truth)
    right = int(on_score[majority[:, None] == truth[None]].sum())
    h_class, h_truth = float(entropy(on_score.sum(1))), float(entropy(on_score.sum(0)))
    mutual = max(0.0, h_class + h_truth - float(entropy(score.counts.data)))
    return Scores(
        mi_frac=mutual / h_truth if h_truth > 0 else 0.0,
        ami=_adjusted_mutual(score, mutual, h_class, h_truth),
        ari=_adjusted_rand(score.counts),
        miou=float(np.mean(list(iou.values()))),
        miou_fair=float(np.mean(list(_iou(on_score, fair, truth).values()))),
        miou_hungarian=float(np.mean(list(_iou(on_score, hungarian, truth).values()))),
        iou=iou,
        accuracy=right / score.total,
        voi_split=(h_class - mutual) / math.log(2),
        voi_merge=(h_truth - mutual) / math.log(2),
        effective_classes=float(np.exp(h_class)),
        classes_used=int(np.count_nonzero(on_score.sum(1) > _IN_USE * score.total)),
        names={int(k): int(v) for k, v in zip(predicted, majority, strict=True) if v != _UNNAMED},
        coverage=score.total / (score.total + score.unpredicted),
        pixels=score.total,
    )


def _name(weight: NDArray[Any], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Name each row by its heaviest column; rows without weight stay unnamed."""
    return np.where(weight.sum(1) > 0, truth[weight.argmax(1)], _UNNAMED)


def _match(table: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    names = np.full(len(table), _UNNAMED, np.int64)
    rows, columns = linear_sum_assignment(table, maximize=True)
    names[rows] = truth[columns]
    return names


def _iou(table: NDArray[np.int64], names: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[int, float]:
    """Intersection over union of each truth class that occurs in `table`."""
    result = {}
    for column, label in enumerate(truth):
        area = int(table[:, column].sum())
        if area:
            rows = table[names == label]
            both = int(rows[:, column].sum())
            result[int(label)] = both / (int(rows.sum()) + area - both)
    return result


def _adjusted_mutual(table: Contingency, mutual: float, h_class: float, h_truth: float) -> float:
    """Compute the adjusted mutual information (Vinh, Epps & Bailey 2010), arithmetic normalisation.

    For tables beyond `_EXACT_EXPECTATION_PIXELS` the expectation is its leading term
    (R - 1)(C - 1) / 2N, by then some 1e-6 nats for a map of 50 classes.
    """
    rows, columns = table.counts.shape
    if rows == columns == 1:
        return 1.0
    if table.total <= _EXACT_EXPECTATION_PIXELS:
        expected = float(expected_mutual_information(table.counts, table.total))
    else:
        expected = (rows - 1) * (columns - 1) / (2 * table.total)
    room = (h_class + h_truth) / 2 - expected
    tiny = float(np.finfo(np.float64).eps)
    room = min(room, -tiny) if room < 0 else max(room, tiny)
    return (mutual - expected) / room


def _adjusted_rand(counts: csr_array) -> float:
    """Compute the adjusted Rand index (Hubert & Arabie 1985), in whole numbers that cannot overflow."""

    def squares(values: NDArray[Any]) -> int:
        return sum(int(v) ** 2 for v in values)

    total = int(counts.sum())
    cells = squares(counts.data)
    rows, columns = squares(counts.sum(axis=1)), squares(counts.sum(axis=0))
    together, split, merged = cells - total, columns - cells, rows - cells
    apart = total**2 - cells - split - merged
    if split == 0 and merged == 0:
        return 1.0
    pairs = (together + split) * (split + apart) + (together + merged) * (merged + apart)
    return 2 * (together * apart - split * merged) / pairs
