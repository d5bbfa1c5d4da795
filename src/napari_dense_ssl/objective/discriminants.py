"""Clusters in the space that tells them apart: k-means and linear discriminants in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from napari_dense_ssl.objective.codebook import SHRINKAGE, Codebook, kmeans_centres

Array = np.ndarray[Any, Any]


def discriminant_codebook(
    samples: Array,
    start: Codebook,
    views: Sequence[slice],
    rounds: int,
    seed: int,
    votes: Sequence[float] | None = None,
) -> Codebook:
    """Refine clusters by k-means in the discriminant spaces of the clusters before [1]_.

    Euclidean distance between standardised features lets a few directions of large variance, most of it
    within structures, decide. In the space of linear discriminants the spread within clusters is the same
    in all directions, so that clusters part along what tells them apart. Each round fits discriminants to
    the codes of the round before, and moves the centres from the codes' means there: classes keep their
    numbers.

    Parameters
    ----------
    samples : ndarray, shape (N, D), float32
    start : Codebook
        Without a projection.
    views : sequence of slice
        Groups of features, which may overlap. Each has discriminants of its own, and distances add up over
        the groups: what one group would drown has a vote.
    rounds : int
        0 returns `start`.
    seed : int
        Of the mini-batches.
    votes : sequence of float, optional
        How often the squared distance within each group counts; once if not given.

    Returns
    -------
    Codebook
        Fewer than two clusters of two pixels or more leave nothing to discriminate: it is `start` then.

    References
    ----------
    .. [1] Ding & Li, "Adaptive Dimension Reduction Using Discriminant Analysis and K-means Clustering",
       ICML 2007.
    """
    found, rng = start, np.random.default_rng(seed)
    classes = len(start.centres)
    scales = np.sqrt(np.ones(len(views)) if votes is None else np.asarray(votes)).astype(np.float32)
    standard = (samples - start.mean.numpy()) / start.std.numpy()
    for number in range(rounds):
        codes = found.codes(samples)
        if np.count_nonzero(np.bincount(codes) > 1) < 2:
            return found
        spaces = zip(scales, views, strict=True)
        projection = np.concatenate(  # (E, D)
            [scale * _discriminants(standard, codes, view) for scale, view in spaces]
        )
        seen = standard @ projection.T
        # A code that no pixel has begins anew, at any pixel.
        means = seen[rng.choice(len(seen), classes)]
        for code in np.unique(codes):
            means[code] = seen[codes == code].mean(axis=0)
        centres = kmeans_centres(seen, classes, means, seed + number)
        found = Codebook(start.mean, start.std, centres, torch.from_numpy(projection))
    return found


def _discriminants(standard: Array, codes: Array, view: slice) -> Array:
    """Return the map (E, D) to the discriminants of one group of features, 0 for the others."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    often = np.bincount(codes)[codes] > 1  # one pixel has no spread
    features, codes = standard[often, view], codes[often]
    count = min(len(np.unique(codes)) - 1, features.shape[1])
    fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE).fit(features, codes)
    projection = np.zeros((count, standard.shape[1]), np.float32)
    projection[:, view] = fitted.scalings_[:, :count].T
    return projection
