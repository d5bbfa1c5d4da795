"""Which class met which truth, how often: the table that every score is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from napari_dense_ssl.core.errors import ScoreError

_BINCOUNT_LIMIT = 1 << 22
"""Cells up to which counting into a dense table (32 MB) beats sorting."""


@dataclass(frozen=True)
class Contingency:
    """Pixel counts by predicted and true label.

    Tables of parts of a volume are added with ``+``, so that no volume is ever held whole.

    Attributes
    ----------
    predicted : ndarray, shape (R,), int64
        Predicted labels that occur, ascending.
    truth : ndarray, shape (C,), int64
        True labels that occur, ascending.
    counts : csr_array, shape (R, C), int64
        Pixels that carry both labels.
    unpredicted : int
        Labelled pixels that the prediction leaves at its background; they are in no cell.
    """

    predicted: NDArray[np.int64]
    truth: NDArray[np.int64]
    counts: csr_array
    unpredicted: int = 0

    @classmethod
    def empty(cls) -> Contingency:
        """Return the table of no pixels, the neutral element of ``+``."""
        none = np.zeros(0, np.int64)
        return cls(none, none, csr_array((0, 0), dtype=np.int64))

    @property
    def total(self) -> int:
        """Number of pixels counted."""
        return int(self.counts.sum())

    def dense(self, predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.int64]:
        """Spread the counts over given labels (ascending; those that are missing here count 0).

        Returns
        -------
        ndarray, shape (len(predicted), len(truth)), int64
        """
        cells = self.counts.tocoo()
        table = np.zeros((len(predicted), len(truth)), np.int64)
        rows = np.searchsorted(predicted, self.predicted)[cells.row]
        table[rows, np.searchsorted(truth, self.truth)[cells.col]] = cells.data
        return table

    def spread(self, predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> csr_array:
        """Do the same for tables of any size: the zeros are not stored.

        Returns
        -------
        csr_array, shape (len(predicted), len(truth)), int64
        """
        cells = self.counts.tocoo()
        rows = np.searchsorted(predicted, self.predicted)[cells.row]
        columns = np.searchsorted(truth, self.truth)[cells.col]
        return coo_array((cells.data, (rows, columns)), shape=(len(predicted), len(truth))).tocsr()

    def __add__(self, other: Contingency) -> Contingency:
        cells = [table.counts.tocoo() for table in (self, other)]
        labels = [table.predicted[c.row] for table, c in zip((self, other), cells, strict=True)]
        truths = [table.truth[c.col] for table, c in zip((self, other), cells, strict=True)]
        return _from_cells(
            np.concatenate(labels),
            np.concatenate(truths),
            np.concatenate([c.data for c in cells]),
            self.unpredicted + other.unpredicted,
        )


def _from_cells(
    predicted: NDArray[Any], truth: NDArray[Any], counts: NDArray[Any], unpredicted: int
) -> Contingency:
    """Build the table from labels and counts of its cells; cells named twice are summed."""
    rows, row = np.unique(predicted, return_inverse=True)
    columns, column = np.unique(truth, return_inverse=True)
    cells = coo_array((counts.astype(np.int64), (row, column)), shape=(len(rows), len(columns)))
    return Contingency(rows.astype(np.int64), columns.astype(np.int64), cells.tocsr(), unpredicted)


def contingency(pred: NDArray[Any], truth: NDArray[Any], ignore: int | None = 0) -> Contingency:
    """Count how often each predicted label meets each true label.

    Parameters
    ----------
    pred, truth : ndarray of any, but the same, shape
        Integer labels, not negative.
    ignore : int or None
        The label that means 'not predicted' in `pred` and 'unlabelled' in `truth`; pixels that carry it
        in either are left out. None leaves nothing out.

    Raises
    ------
    ScoreError
        If the shapes differ, or one of the arrays is not of integers or holds negative labels.
    """
    pred, truth = np.asarray(pred), np.asarray(truth)
    if pred.shape != truth.shape:
        raise ScoreError(
            f"The prediction has the shape {pred.shape}, the truth {truth.shape}; "
            "compare volumes of the same shape, or cut both to the same region first."
        )
    for name, labels in (("prediction", pred), ("truth", truth)):
        if labels.dtype.kind not in "bui":
            raise ScoreError(
                f"The {name} holds {labels.dtype.name} values, but labels are whole numbers; "
                "give a label volume (of a prediction of ours: its labels/classes)."
            )
        if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
            raise ScoreError(
                f"The {name} holds the negative label {labels.min()}; use 0 for what is not labelled."
            )
    keep = np.ones(truth.shape, bool) if ignore is None else truth != ignore
    labelled = int(np.count_nonzero(keep))
    if ignore is not None:
        keep &= pred != ignore
    p, t = pred[keep].astype(np.int64), truth[keep].astype(np.int64)
    if p.size == 0:
        return replace(Contingency.empty(), unpredicted=labelled)
    width = int(t.max()) + 1
    codes = p * width + t
    if (int(p.max()) + 1) * width <= _BINCOUNT_LIMIT:
        table = np.bincount(codes)
        cells = np.flatnonzero(table)
        counts = table[cells]
    else:
        cells, counts = np.unique(codes, return_counts=True)
    return _from_cells(cells // width, cells % width, counts, labelled - p.size)
