"""The mutual information that chance gives two labellings of known sizes (Vinh, Epps & Bailey 2010)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import gammaln, xlogy
from sklearn.metrics.cluster import expected_mutual_information

_EXACT_PIXELS = 50_000_000
"""Up to here the sum is taken exactly; beyond, it costs gigabytes."""

_EXACT_TERMS = 1_000_000_000
"""Most terms of the exact sum, some seconds."""

_BINS = 2048
"""Sizes of clusters that are told apart in the approximate sum: steps of 1 % over nine decades."""

_LEAST, _MOST = 1e-12, 64.0
"""Range of expected counts in which the mean of a cell's term is tabulated."""


def expected_information(counts: csr_array) -> float:
    """Return the expected mutual information of a table's margins, nats.

    Exact (hypergeometric) for up to 50 million pixels and a billion terms. Beyond that each cell's count is
    taken as Poisson with the mean λ = a b / N and its term is damped by (1 - a / N)(1 - b / N): for large λ
    that is the leading term (R - 1)(C - 1) / 2N of the exact sum, for small λ it is the Poisson sum, which
    many small segments need.

    Parameters
    ----------
    counts : csr_array, shape (R, C), int64
    """
    rows = np.asarray(counts.sum(axis=1)).ravel().astype(np.int64)
    columns = np.asarray(counts.sum(axis=0)).ravel().astype(np.int64)
    total = int(rows.sum())
    if total <= _EXACT_PIXELS and _terms(rows, columns) <= _EXACT_TERMS:
        return float(expected_mutual_information(counts, total))
    a, many_a = _binned(rows)
    b, many_b = _binned(columns)
    result = 0.0
    for size, many in zip(a, many_a, strict=True):
        mean = size * b / total
        terms = many_b * (1 - b / total) * _excess(mean)
        result += float(many * (1 - size / total) * terms.sum())
    return result / total


def _terms(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> int:
    """Return the number of terms of the exact sum: the lesser of both sizes, over all cells."""
    ascending = np.sort(columns)
    below = np.searchsorted(ascending, rows)
    sums = np.concatenate([[0], np.cumsum(ascending)])
    return int((sums[below] + rows * (len(ascending) - below)).sum(dtype=np.float64))


def _binned(sizes: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sizes and how often each occurs; near ones are joined, their mean kept, where there are many."""
    values, counts = np.unique(sizes, return_counts=True)
    if len(values) <= _BINS:
        return values.astype(float), counts.astype(float)
    edges = np.geomspace(values[0], values[-1], _BINS)
    place = np.searchsorted(edges, values)
    many = np.bincount(place, counts)
    sums = np.bincount(place, counts * values.astype(float))
    kept = many > 0
    return sums[kept] / many[kept], many[kept].astype(float)


def _excess(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return E[n log n] - λ log λ of Poisson counts n of mean λ."""
    points, values = _tabulated()
    inside = np.interp(np.log(np.clip(mean, _LEAST, _MOST)), points, values) * np.minimum(mean, _MOST)
    return np.where(mean < _MOST, inside, 0.5 + 1 / (12 * np.maximum(mean, 1.0)))


@cache
def _tabulated() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tabulate (E[n log n] - λ log λ) / λ over log λ."""
    means = np.geomspace(_LEAST, _MOST, 4000)
    n = np.arange(1, 200)
    chance = np.exp(n * np.log(means)[:, None] - means[:, None] - gammaln(n + 1))
    return np.log(means), (chance @ xlogy(n, n)) / means - np.log(means)
