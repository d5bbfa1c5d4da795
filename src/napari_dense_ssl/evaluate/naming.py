"""Which truth label each predicted class is called by, from a contingency table; sparse, so of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

UNNAMED = -1

_DENSE_CELLS = 1 << 22
"""Cells up to which matching on a dense table (32 MB) is quicker."""


def name_by_weight(
    rows: NDArray[np.int64], columns: NDArray[np.int64], weights: NDArray[Any], count: int
) -> NDArray[np.int64]:
    """Return the heaviest column of each row, the first of equals; :data:`UNNAMED` for rows without cells.

    Parameters
    ----------
    rows, columns, weights : ndarray, shape (N,)
        Cells of a sparse table, each named once; weights above 0.
    count : int
        Number of rows of the table.
    """
    names = np.full(count, UNNAMED, np.int64)
    order = np.lexsort((columns, -weights, rows))
    first = np.ones(len(order), bool)
    first[1:] = rows[order][1:] != rows[order][:-1]
    names[rows[order][first]] = columns[order][first]
    return names


def match_one_to_one(counts: csr_array) -> NDArray[np.int64]:
    """Match rows with columns one to one for the greatest sum of counts (Hungarian method).

    Of large tables the pairs are fixed first that some best matching must hold: those whose count is at least
    the sum of the next best of their row and of their column. What is left is matched sparsely (Jonker &
    Volgenant 1987, LAPJVsp), where each row gets a column of its own that stands for 'no name'.

    Parameters
    ----------
    counts : csr_array, shape (R, C), int64

    Returns
    -------
    ndarray, shape (R,)
        The column of each row, or :data:`UNNAMED`.
    """
    height, width = counts.shape
    names = np.full(height, UNNAMED, np.int64)
    if height * width <= _DENSE_CELLS:
        chosen = linear_sum_assignment(counts.toarray(), maximize=True)
        names[chosen[0]] = chosen[1]
        return names
    cells = counts.tocoo()
    left = _Cells(cells.row.astype(np.int64), cells.col.astype(np.int64), cells.data.astype(np.float64))
    while len(left.rows):
        fixed = _dominant(left)
        if not fixed.any():
            break
        names[left.rows[fixed]] = left.columns[fixed]
        gone = np.isin(left.rows, left.rows[fixed]) | np.isin(left.columns, left.columns[fixed])
        left = left.only(~gone)
    if len(left.rows):
        rows, columns = _matched(left)
        names[rows] = columns
    return names


@dataclass(frozen=True)
class _Cells:
    """Cells of a sparse table."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    counts: NDArray[np.float64]

    def only(self, kept: NDArray[np.bool_]) -> _Cells:
        return _Cells(self.rows[kept], self.columns[kept], self.counts[kept])


def _dominant(cells: _Cells) -> NDArray[np.bool_]:
    """Tell the cells that outweigh what stands against them, at most one a row and a column."""
    against = _next_best(cells.rows, cells.counts) + _next_best(cells.columns, cells.counts)
    chosen = np.flatnonzero(cells.counts >= against)
    for groups in (cells.rows, cells.columns):
        chosen = chosen[np.unique(groups[chosen], return_index=True)[1]]
    result = np.zeros(len(cells.rows), bool)
    result[chosen] = True
    return result


def _next_best(groups: NDArray[np.int64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each cell the greatest count of the others in its group; 0 where it is alone."""
    order = np.lexsort((-counts, groups))
    sorted_groups, sorted_counts = groups[order], counts[order]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    sizes = np.diff(np.r_[starts, len(groups)])
    second = np.where(sizes > 1, sorted_counts[np.minimum(starts + 1, len(groups) - 1)], 0.0)
    best = np.repeat(sorted_counts[starts], sizes)
    best[starts] = second
    result = np.empty_like(counts)
    result[order] = best
    return result


def _matched(cells: _Cells) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match the rows and columns of some cells; from the side that has fewer."""
    row_labels, row = np.unique(cells.rows, return_inverse=True)
    column_labels, column = np.unique(cells.columns, return_inverse=True)
    turned = len(row_labels) > len(column_labels)
    a, b = (column, row) if turned else (row, column)
    height, width = sorted((len(row_labels), len(column_labels)))
    most = float(cells.counts.max()) + 1
    alone = np.arange(height)
    costs = coo_array(
        (
            np.concatenate([most - cells.counts, np.full(height, most)]),
            (np.concatenate([a, alone]), np.concatenate([b, alone + width])),
        ),
        shape=(height, width + height),
    )
    one, other = min_weight_full_bipartite_matching(costs.tocsr())
    kept = other < width
    found = (other[kept], one[kept]) if turned else (one[kept], other[kept])
    return row_labels[found[0]], column_labels[found[1]]
