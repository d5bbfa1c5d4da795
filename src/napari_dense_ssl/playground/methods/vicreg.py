"""VICReg: pairs agree, every dimension varies, no two dimensions share.

``L = 25 |z - z'|^2 / D + 25 mean_d max(0, 1 - std_d) + sum_{d != e} C_de^2 / D`` for both members of the
pairs (Bardes, Ponce & LeCun, ICLR 2022; written from the equations). The hinge makes a collapse cost 25.

Energy: ``|z(x) - z(x')|^2``, averaged over perturbations: how fast the embedding changes at x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from napari_dense_ssl.playground.methods.base import Losses, PairMethod
from napari_dense_ssl.playground.networks import Encoder

if TYPE_CHECKING:
    import torch

    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings

_TINY = 1e-4  # variance at which the gradient of the root is cut off, as in the paper


def variance_shortfall(embeddings: Tensor) -> Tensor:
    """Return how far the standard deviations of (N, D) fall short of 1, a mean over D: 0 to 1."""
    return (1 - (embeddings.var(0) + _TINY).sqrt()).clamp_min(0).mean()


def shared_covariance(embeddings: Tensor) -> Tensor:
    """Return the sum of squared covariances between dimensions of (N, D), over D."""
    centred = embeddings - embeddings.mean(0)
    covariance = centred.T @ centred / (len(embeddings) - 1)  # (D, D)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / embeddings.shape[1]


class Vicreg(PairMethod):
    """Invariance, variance, covariance."""

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__(dataset, settings)
        self.encoder = Encoder(dataset, settings.width, settings.embedding)
        self.own = settings.method

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return ``invariance``, ``variance`` and ``covariance``, weighted."""
        pair = self.embed(points), self.embed(self.perturbed(points, generator))
        first, second = pair
        variance = (variance_shortfall(first) + variance_shortfall(second)) / 2
        covariance = shared_covariance(first) + shared_covariance(second)
        return {
            "invariance": self.own.invariance * (first - second).square().mean(),  # type: ignore[union-attr]
            "variance": self.own.variance * variance,  # type: ignore[union-attr]
            "covariance": self.own.covariance * covariance,  # type: ignore[union-attr]
        }
