"""Masked JEPA: the embedding of a point predicted from one of its coordinates.

``L = |q(f(m x), m) - f'(x)|^2``, both of length 1; m hides the first or the second coordinate, by turns
within the batch, f' is the moving average of f (Assran et al., I-JEPA, arXiv 2301.08243, 2023, in two
dimensions). Where one coordinate leaves several answers open, the prediction is their mean: the loss keeps
a floor, and the embedding wants what both coordinates tell.

Energy: the prediction error, averaged over both masks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from napari_dense_ssl.playground.methods.base import Losses, PairMethod, unit
from napari_dense_ssl.playground.networks import Average, Encoder, perceptron

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings


class JepaMasked(PairMethod):
    """A context network, a predictor that knows which coordinate is hidden, an averaged target."""

    centre: Tensor

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__(dataset, settings)
        self.encoder = Encoder(dataset, settings.width, settings.embedding)
        self.predictor = perceptron(settings.embedding + 2, settings.width, settings.embedding)
        self.register_buffer("centre", torch.tensor(dataset.centre, dtype=torch.float32))
        self.average = Average(self.encoder, settings.method.decay)  # type: ignore[union-attr]

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return ``prediction``: one half of the batch lacks the first coordinate, the other the second."""
        hidden = torch.arange(len(points)) % 2
        target = self.embed(points).detach()
        return {"prediction": (self.predict(points, hidden) - target).square().sum(1).mean()}

    def after_step(self) -> None:
        """Let the average follow."""
        self.average.follow(self.encoder)

    def embed(self, points: Tensor) -> Tensor:
        """Return the averaged network's embeddings (N, D) of length 1."""
        return unit(self.average(points))

    def predict(self, points: Tensor, hidden: Tensor) -> Tensor:
        """Return predictions (N, D) of length 1 where coordinate `hidden` (N,), 0 or 1, is not seen."""
        mark = one_hot(hidden, 2).to(points.dtype)
        seen = torch.where(mark.bool(), self.centre, points)
        return unit(self.predictor(torch.cat([self.encoder(seen), mark], 1)))

    def energy(self, points: Tensor) -> Tensor:
        """Return the mean prediction error, shape (N,)."""
        target = self.embed(points)
        first = torch.zeros(len(points), dtype=torch.long)
        errors = [(self.predict(points, first + k) - target).square().sum(1) for k in (0, 1)]
        return torch.stack(errors).mean(0)
