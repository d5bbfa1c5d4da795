"""LeJEPA: views agree, and the embeddings are distributed as N(0, I).

``L = (1 - lambda) mean |z_mean - z_v|^2 + lambda SIGReg(z)`` (Balestriero & LeCun, arXiv 2511.08544, 2025;
written from the equations, :mod:`napari_dense_ssl.objective.sigreg`). No predictor, no average, no stopped
gradient: a collapsed batch of N costs .4 N lambda.

Energy: ``|z(x) - z(x')|^2``, averaged over perturbations: how fast the embedding changes at x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_dense_ssl.objective.lejepa import view_disagreement
from napari_dense_ssl.objective.sigreg import sigreg
from napari_dense_ssl.playground.methods.base import Losses, PairMethod
from napari_dense_ssl.playground.networks import Encoder

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings

_DIRECTIONS = 16  # in two or three dimensions a few see everything


class Lejepa(PairMethod):
    """Views that agree on a normally distributed embedding."""

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__(dataset, settings)
        self.encoder = Encoder(dataset, settings.width, settings.embedding)
        self.views: int = settings.method.views  # type: ignore[union-attr]
        self.share: float = settings.method.share  # type: ignore[union-attr]

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return ``disagreement`` and ``sigreg``, weighted."""
        views = torch.stack([self.embed(self.perturbed(points, generator)) for _ in range(self.views)])
        spread = torch.stack([sigreg(view, generator, _DIRECTIONS) for view in views]).mean()
        return {
            "disagreement": (1 - self.share) * view_disagreement(views),
            "sigreg": self.share * spread,
        }
