"""JEPA with an averaged target: BYOL.

``L = |q(f(x)) - f'(x')|^2``, both of length 1, f' the moving average of f, q a predictor, no gradient into
f' (Grill et al., "Bootstrap your own latent", NeurIPS 2020), and the same with x and x' exchanged. A
constant would minimise it too; what keeps training from it is measured in ``docs/playground.md`` by leaving
out the predictor, the stopped gradient and the average one at a time.

Energy: ``|q(f(x)) - f'(x')|^2``, averaged over perturbations x'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dense_ssl.playground.methods.base import Losses, PairMethod, unit
from napari_dense_ssl.playground.networks import Average, Encoder, perceptron

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings


class JepaEma(PairMethod):
    """An online network that predicts its own average."""

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__(dataset, settings)
        own = settings.method
        self.encoder = Encoder(dataset, settings.width, settings.embedding)
        self.predictor = (
            perceptron(settings.embedding, settings.width, settings.embedding)
            if own.predictor  # type: ignore[union-attr]
            else None
        )
        self.average = Average(self.encoder, own.decay) if own.decay > 0 else None  # type: ignore[union-attr]
        self.stop: bool = own.stop_gradient  # type: ignore[union-attr]

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return ``prediction``, a mean over the batch and both directions."""
        other = self.perturbed(points, generator)
        both = self._apart(points, other, self.stop) + self._apart(other, points, self.stop)
        return {"prediction": both.mean() / 2}

    def after_step(self) -> None:
        """Let the average follow."""
        if self.average is not None:
            self.average.follow(self.encoder)

    def embed(self, points: Tensor) -> Tensor:
        """Return online embeddings (N, D) of length 1."""
        return unit(self.encoder(points))

    def distance(self, points: Tensor, others: Tensor) -> Tensor:
        """Return the square distance of prediction and target, shape (N,), 0 to 4."""
        return self._apart(points, others, stop=False)

    def _apart(self, points: Tensor, others: Tensor, stop: bool) -> Tensor:
        online = self.encoder(points)
        predicted = unit(online if self.predictor is None else self.predictor(online))
        target = unit((self.encoder if self.average is None else self.average)(others))
        return (predicted - (target.detach() if stop else target)).square().sum(1)
