"""Denoising score matching, with an energy.

``L = 1/2 E sigma |s(x + sigma e, sigma) + e / sigma|^2`` with ``s = -dE/dx``: Vincent's objective (Neural
Computation, 2011), whose optimum is the score of the noised data, at noise levels in geometric steps (Song
& Ermon, NeurIPS 2019). For data p the energy is then ``-log p_sigma`` and a constant a level. The factor
sigma lies between Vincent's own weight 1 and the usual sigma^2: the relative error of every level counts
about alike. Each e is used with both signs, which takes away most of the variance that a weak
noise brings.

The seed's code matched ``+dE/dx``, whose energy is upside down. The network is not that of the other methods:
:class:`~napari_dense_ssl.playground.networks.EnergyNetwork` adds up wells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.playground.methods.base import Losses
from napari_dense_ssl.playground.networks import EnergyNetwork

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings


def score_loss(score: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Return ``1/2 mean sigma |s + e / sigma|^2``.

    Parameters
    ----------
    score, noise : Tensor, shape (N, 2)
        s at x + sigma e, and e.
    sigma : Tensor, shape (N,)
    """
    away = (score + noise / sigma[:, None]).square().sum(1)
    return 0.5 * (sigma * away).mean()


class DenoisingScoreMatching(nn.Module):
    """An energy a noise level."""

    levels: Tensor

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__()
        own = settings.method
        low, high = own.noise_low, own.noise_high  # type: ignore[union-attr]
        if low > high:
            raise SettingsError(f"The least noise, {low:g}, is above the greatest, {high:g}; exchange them.")
        levels = np.geomspace(low, high, own.levels)  # type: ignore[union-attr]
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32))
        self.network = EnergyNetwork(dataset, settings.width)

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return ``score_matching`` for a random level a point."""
        drawn = torch.randint(len(self.levels), (len(points),), generator=generator)
        sigma = self.levels[drawn].repeat(2)
        noise = torch.randn(points.shape, generator=generator)
        noise = torch.cat([noise, -noise])
        _, score = self.network(points.repeat(2, 1) + sigma[:, None] * noise, sigma)
        return {"score_matching": score_loss(score, noise, sigma)}

    def after_step(self) -> None:
        """Nothing follows."""

    def embed(self, points: Tensor) -> Tensor:
        """Return the shares of the energy's wells (N, width) at the least noise."""
        return self.network.features(points, self.levels[:1].expand(len(points)))

    def energy(self, points: Tensor) -> Tensor:
        """Return the energy (N,) at the least noise."""
        return self.at(points, float(self.levels[0]))[0]

    def at(self, points: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """Return energy (N,) and score (N, 2) at points (N, 2) for a noise level."""
        energy, score = self.network(points, torch.full((len(points),), sigma))
        return energy, score
