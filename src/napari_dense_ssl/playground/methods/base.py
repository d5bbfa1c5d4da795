"""What training asks of a method, and what the methods of pairs have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings

Losses = dict[str, Tensor]

# Equal weights at +-sqrt(2) noise along both axes: exact for all that is cubic in the perturbation.
_CUBATURE = 2**0.5 * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


class Method(Protocol):
    """A way to learn from points without their classes."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give what is optimised."""

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return the terms of the loss by name for points (B, 2); their sum is minimised."""

    def after_step(self) -> None:
        """Follow an optimiser step, as averages do."""

    def embed(self, points: Tensor) -> Tensor:
        """Return embeddings (N, D) of points (N, 2)."""

    def energy(self, points: Tensor) -> Tensor:
        """Return the energy (N,) at points (N, 2); low where the method takes a point for data."""


class PairMethod(nn.Module):
    """A network trained on pairs (x, x'), where x' is x with Gaussian noise."""

    encoder: nn.Module

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__()
        self.dataset, self.settings = dataset, settings
        self.noise = float(getattr(settings.method, "noise", 0.0))

    def perturbed(self, points: Tensor, generator: torch.Generator) -> Tensor:
        """Return x' for points (B, 2)."""
        return points + self.noise * torch.randn(points.shape, generator=generator)

    def after_step(self) -> None:
        """Nothing follows."""

    def embed(self, points: Tensor) -> Tensor:
        """Return embeddings (N, D)."""
        return self.encoder(points)  # type: ignore[no-any-return]

    def distance(self, points: Tensor, others: Tensor) -> Tensor:
        """Return what the loss compares, for each point (N, 2) and its perturbation (N, 2): shape (N,)."""
        return (self.embed(points) - self.embed(others)).square().sum(1)

    def energy(self, points: Tensor) -> Tensor:
        """Return the mean distance to perturbations of the point itself, shape (N,), by cubature."""
        distances = [self.distance(points, points + self.noise * away) for away in _CUBATURE]
        return torch.stack(distances).mean(0)


def unit(embeddings: Tensor) -> Tensor:
    """Return embeddings (N, D) of length 1."""
    return F.normalize(embeddings, dim=1)
