"""Contrastive joint embedding: InfoNCE.

``L = -log exp(z_i . z'_i / tau) / sum_j exp(z_i . z'_j / tau)`` over the batch, z of length 1 (van den
Oord, Li & Vinyals, "Representation learning with contrastive predictive coding", arXiv 1807.03748, 2018).
It is at least ``log B`` minus what z and z' know of each other.

Energy: ``-mean_j z(x) . z(x_j)`` over data, the seed's. It is a poor landscape where the loss does its work
well: points spread evenly over the circle or sphere have a mean near 0, and so has their energy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.playground.methods.base import Losses, PairMethod, unit
from napari_dense_ssl.playground.networks import Encoder

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings


def info_nce(embeddings: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy of finding each pair among the batch, in nats.

    Parameters
    ----------
    embeddings, others : Tensor, shape (B, D)
        Of length 1; row i of both is a pair.
    temperature : float
        Above 0.
    """
    return F.cross_entropy(embeddings @ others.T / temperature, torch.arange(len(embeddings)))


class Contrastive(PairMethod):
    """InfoNCE on x and a perturbed x'; the negatives are the other points of the batch."""

    _shown: Tensor

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__(dataset, settings)
        self.encoder = Encoder(dataset, settings.width, settings.embedding)
        self.temperature = settings.method.temperature  # type: ignore[union-attr]
        self.register_buffer("_shown", torch.tensor(dataset.points[:1000], dtype=torch.float32))

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return ``info_nce``, in nats."""
        pair = self.embed(points), self.embed(self.perturbed(points, generator))
        return {"info_nce": info_nce(*pair, self.temperature)}

    def embed(self, points: Tensor) -> Tensor:
        """Return embeddings (N, D) of length 1."""
        return unit(self.encoder(points))

    def energy(self, points: Tensor) -> Tensor:
        """Return minus the mean cosine to embedded data, shape (N,)."""
        return -self.embed(points) @ self.embed(self._shown).mean(0)
