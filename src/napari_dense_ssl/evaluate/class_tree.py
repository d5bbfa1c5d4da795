"""From distances between classes to a tree over them, and what its cuts say of a truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform

from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import ClassesError
from napari_dense_ssl.evaluate.scores import Scores, score_tables
from napari_dense_ssl.evaluate.tables import Contingency

Joining = Literal["average", "complete", "ward", "weighted"]


def confusion_distances(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far classes are from being taken for each other.

    ``d_ij = 1 - c_ij / sqrt(c_ii c_jj)`` of the symmetrised counts c: 0 for two classes that any change of
    view swaps as readily as it leaves them, 1 for two that are never swapped.

    Parameters
    ----------
    counts : ndarray, shape (K, K)
        How often (or with what probability) a pixel is class i under one view and j under another.

    Returns
    -------
    ndarray, shape (K, K), in [0, 1]
        Symmetric, 0 on the diagonal. Classes that never occur are at 1 from all others.
    """
    both = np.asarray(counts, float)
    both = (both + both.T) / 2
    own = np.sqrt(np.diag(both))
    scale = np.outer(own, own)
    alike = np.divide(both, scale, out=np.zeros_like(both), where=scale > 0)
    distances: NDArray[np.float64] = 1 - np.minimum(alike, 1)
    np.fill_diagonal(distances, 0)
    return distances


def profile_distances(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return how differently classes are confused with all others.

    The Jensen-Shannon distance (Endres & Schindelin 2003; base 2, so in [0, 1]) of the rows of the
    symmetrised counts, each a distribution: what a pixel of class i is under another view.

    Parameters
    ----------
    counts : ndarray, shape (K, K)
        See :func:`confusion_distances`.

    Returns
    -------
    ndarray, shape (K, K)
        Classes that never occur are at 1 from all others.
    """
    both = np.asarray(counts, float)
    both = both + both.T
    used = both.sum(1) > 0
    distances = np.ones(both.shape)
    rows = both[used] / both[used].sum(1, keepdims=True)
    distances[np.ix_(used, used)] = squareform(
        np.nan_to_num(pdist(rows, "jensenshannon") / np.sqrt(np.log(2)))
    )
    np.fill_diagonal(distances, 0)
    return distances


def centre_distances(centres: NDArray[Any], spread: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Return the Euclidean distances between class centres.

    Parameters
    ----------
    centres : ndarray, shape (K, D)
        Prototypes, or mean features of the pixels of each class.
    spread : ndarray, shape (D,), optional
        Standard deviation of each feature within classes, which it is measured in.
    """
    values = np.asarray(centres, float)
    if spread is not None:
        values = values / np.maximum(spread, 1e-9)
    return np.asarray(squareform(pdist(values)), np.float64)


def angle_distances(centres: NDArray[Any], spread: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Return how far apart the directions are in which classes lie from the mean of all.

    The distance of points on the unit sphere: 0 for the same direction, 2 for opposite ones.

    Parameters
    ----------
    centres, spread
        See :func:`centre_distances`.
    """
    values = np.asarray(centres, float)
    if spread is not None:
        values = values / np.maximum(spread, 1e-9)
    values = values - values.mean(axis=0)
    values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return np.asarray(squareform(pdist(values)), np.float64)


def tree_of(
    distances: NDArray[Any],
    used: NDArray[np.bool_] | None = None,
    *,
    joining: Joining = "average",
    way: str = "",
) -> ClassTree:
    """Cluster classes agglomeratively.

    Parameters
    ----------
    distances : ndarray, shape (K, K)
        Symmetric, 0 on the diagonal.
    used : ndarray of bool, shape (K,), optional
        Which classes occur. Those that do not are joined to the nearest that does before all else, lest
        they be a group of nothing when there are few groups.
    joining : {"average", "complete", "ward", "weighted"}
        How far groups are from each other; see :func:`scipy.cluster.hierarchy.linkage`.
    way : str
        Kept with the tree.

    Raises
    ------
    ClassesError
        If there are fewer than two classes.
    """
    matrix = np.array(distances, float)
    if len(matrix) < 2:
        raise ClassesError(f"A tree needs two classes or more, this run has {len(matrix)}.")
    if used is not None and used.any() and not used.all():
        there = np.flatnonzero(used)
        for k in np.flatnonzero(~np.asarray(used)):
            host = there[int(matrix[k, there].argmin())]
            matrix[k], matrix[:, k] = matrix[host], matrix[:, host]
            matrix[k, host] = matrix[host, k] = matrix[k, k] = 0
    rows = linkage(squareform(matrix, checks=False), joining)
    rows[:, 2] = np.maximum.accumulate(rows[:, 2])  # rounding may let heights fall by a hair
    return ClassTree.from_linkage(rows, way)


def score_cuts(
    tree: ClassTree, sizes: Iterable[int], score: Contingency, fit: Contingency | None = None
) -> dict[int, Scores]:
    """Score the groups of a tree's cuts against a truth, from tables of the classes.

    Parameters
    ----------
    tree : ClassTree
    sizes : iterable of int
        Numbers of groups.
    score, fit : Contingency
        Of the class map (labels are class + 1) and the truth; see
        :func:`~napari_dense_ssl.evaluate.scores.score_tables`.
    """
    found = {}
    for size in sizes:
        lookup = np.zeros(tree.classes + 1, np.int64)
        for number, group in enumerate(tree.cut(size), start=1):
            lookup[np.array(group) + 1] = number
        tables = [None if table is None else _regrouped(table, lookup) for table in (score, fit)]
        assert tables[0] is not None
        found[size] = score_tables(tables[0], tables[1])
    return found


def _regrouped(table: Contingency, lookup: NDArray[np.int64]) -> Contingency:
    """Return the table of a map whose labels are replaced."""
    names, rows = np.unique(lookup[table.predicted], return_inverse=True)
    sums = np.zeros((len(names), len(table.truth)), np.int64)
    np.add.at(sums, rows, table.counts.toarray())
    return Contingency(names, table.truth, csr_array(sums), table.unpredicted)
