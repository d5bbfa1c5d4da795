"""Global pairwise JEPA: the distance of every embedding to every perturbed one.

``L = mean_ij |z_i - z'_j|^2`` (the seed's own). For z of length 1 this is ``2 - 2 zm . z'm`` with zm, z'm
the means: it knows nothing of which points are a pair, and only total collapse minimises it. With a
regulariser the pull to one point and the demand for spread hold a balance: for ``vicreg`` at a standard
deviation well below the 1 that is asked for.

Energy: ``mean_j |z(x) - z(x_j)|^2`` over data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_dense_ssl.playground.methods.jepa_basic import JepaBasic

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings


def pairwise_distance(embeddings: Tensor, others: Tensor) -> Tensor:
    """Return the mean square distance of all pairs of rows of (N, D) and (M, D).

    Written by moments, ``mean|z|^2 + mean|z'|^2 - 2 zm . z'm``: N + M terms in place of N M.
    """
    squares = embeddings.square().sum(1).mean() + others.square().sum(1).mean()
    return squares - 2 * embeddings.mean(0) @ others.mean(0)


class JepaPairwise(JepaBasic):
    """All next to all."""

    _shown: Tensor

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__(dataset, settings)
        self.register_buffer("_shown", torch.tensor(dataset.points[:1000], dtype=torch.float32))

    def compare(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """Return the mean square distance of all to all."""
        return pairwise_distance(embeddings, others)

    def energy(self, points: Tensor) -> Tensor:
        """Return the mean square distance to embedded data, shape (N,)."""
        shown = self.embed(self._shown)
        embeddings = self.embed(points)
        squares = embeddings.square().sum(1) + shown.square().sum(1).mean()
        return squares - 2 * embeddings @ shown.mean(0)
