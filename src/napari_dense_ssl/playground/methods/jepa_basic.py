"""Basic JEPA: the distance of an embedding to that of a perturbed point, and nothing else.

``L = |z - z'|^2``, z of length 1 as in the seed (after LeCun, "A path towards autonomous machine
intelligence", openreview BZ5a1r-kVsf, 2022). Its minimum, 0, is any constant: it collapses. A
regulariser takes the unit length away and asks for spread in its place: ``vicreg`` adds the variance and
covariance terms of :mod:`.vicreg`, ``sigreg`` the statistic of :mod:`.lejepa`.

Energy: ``|z(x) - z(x')|^2``, averaged over perturbations x'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_dense_ssl.objective.sigreg import sigreg
from napari_dense_ssl.playground.methods.base import Losses, PairMethod, unit
from napari_dense_ssl.playground.methods.vicreg import shared_covariance, variance_shortfall
from napari_dense_ssl.playground.networks import Encoder

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings

_SIGREG_WEIGHT = 0.05


def against_collapse(kind: str, embeddings: Tensor, generator: torch.Generator) -> Losses:
    """Return the terms that ask embeddings (N, D) for spread: none, VICReg's (over 25) or SIGReg's."""
    if kind == "vicreg":
        return {"shortfall": variance_shortfall(embeddings), "covariance": shared_covariance(embeddings) / 25}
    if kind == "sigreg":
        return {"sigreg": _SIGREG_WEIGHT * sigreg(embeddings, generator)}
    return {}


class JepaBasic(PairMethod):
    """Pairs next to each other."""

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        super().__init__(dataset, settings)
        self.encoder = Encoder(dataset, settings.width, settings.embedding)
        self.regulariser: str = settings.method.regulariser  # type: ignore[union-attr]

    def losses(self, points: Tensor, generator: torch.Generator) -> Losses:
        """Return ``distance``, a mean over the batch, and what the regulariser adds."""
        pair = self.embed(points), self.embed(self.perturbed(points, generator))
        distance = self.compare(*pair)
        return {"distance": distance, **against_collapse(self.regulariser, torch.cat(pair), generator)}

    def compare(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """Return the mean square distance of pairs (B, D)."""
        return (embeddings - others).square().sum(1).mean()

    def embed(self, points: Tensor) -> Tensor:
        """Return embeddings (N, D), of length 1 unless there is a regulariser."""
        embeddings: Tensor = self.encoder(points)
        return unit(embeddings) if self.regulariser == "none" else embeddings
