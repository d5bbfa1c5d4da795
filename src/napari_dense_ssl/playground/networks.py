"""The networks: two-layer perceptrons that embed points, and one whose output is an energy.

All see points that are centred and scaled, so that a learning rate serves every data set.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Return two hidden layers of smooth units and a linear one; (N, inputs) to (N, outputs)."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
    )


class Encoder(nn.Module):
    """Embeds points: centred and scaled as the data, then a perceptron.

    Parameters
    ----------
    dataset : Dataset
        Gives centre and spread.
    width, outputs : int
    marks : int
        Further inputs, joined to the point as they are.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, dataset: Dataset, width: int, outputs: int, marks: int = 0) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(dataset.centre, dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(dataset.spread, dtype=torch.float32))
        self.body = perceptron(2 + marks, width, outputs)

    def scaled(self, points: Tensor) -> Tensor:
        """Return points (N, 2) in units of the data's spread, from their centre."""
        return (points - self.centre) / self.spread

    def forward(self, points: Tensor) -> Tensor:
        """Return embeddings (N, D) of points (N, 2)."""
        return self.body(self.scaled(points))  # type: ignore[no-any-return]


class Average(nn.Module):
    """An exponential moving average of a network, without gradient."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move a step towards `network`."""
        for own, new in zip(self.network.parameters(), network.parameters(), strict=True):
            own.lerp_(new, 1 - self.decay)

    def forward(self, points: Tensor) -> Tensor:
        """Return what the averaged network makes of points."""
        return self.network(points)  # type: ignore[no-any-return]


class EnergyNetwork(nn.Module):
    """An energy for each noise level, and the score ``-dE/dx`` of the very same network.

    ``E(x, sigma) = -log sum_k exp(w_k + b_k(u) - |x - m_k|^2 / 2 (r^2 + sigma^2))``: wells at learned
    places m_k, of learned weights w_k and width r, which widen with the noise as the noised data do, and a
    perceptron b that bends them; u is x in units of the noised data's spread. A log-sum-exp of logits is a
    classifier's energy (Grathwohl et al., "Your classifier is secretly an energy based model", ICLR 2020),
    and the quadratic part holds samples together where there are no data. Nothing but r^2 + sigma^2 and u
    knows the noise: at the weakest, score matching is blind to the weights of modes that lie apart, and
    what the stronger ones say of them is carried over so. The score is written out, so that training needs
    first derivatives only.

    Parameters
    ----------
    dataset : Dataset
        Gives centre and spread.
    width : int
        Wells, and hidden units of b.
    """

    centre: Tensor

    def __init__(self, dataset: Dataset, width: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(dataset.centre, dtype=torch.float32))
        self.spread = dataset.spread
        self.first, self.second = nn.Linear(2, width), nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.second.weight)
        self.weights = nn.Parameter(torch.zeros(width))
        self.wells = nn.Parameter(_SCATTER * torch.randn(width, 2))  # in units of the spread, from the centre
        self.log_radius = nn.Parameter(torch.tensor(math.log(_RADIUS)))

    def forward(self, points: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Return energy (N,) and score (N, 2) at points (N, 2) for noise levels (N,)."""
        place, logits, before, stiffness, scale = self._logits(points, sigma)
        energy = 0.5 * stiffness[:, 0] * place.square().sum(1) - logits.logsumexp(1)
        share = logits.softmax(1)
        bend = ((share @ self.second.weight) * before.sigmoid()) @ self.first.weight
        pull = stiffness * (share @ self.wells - place)
        return energy, (_GAIN * bend / scale + pull) / self.spread

    def features(self, points: Tensor, sigma: Tensor) -> Tensor:
        """Return the shares of the wells (N, width), which is what the network knows of a place."""
        return self._logits(points, sigma)[1].softmax(1)

    def _logits(self, points: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return place (N, 2), logits and hidden units' inputs (N, width), stiffness, scale (N, 1)."""
        place = (points - self.centre) / self.spread
        noise = (sigma / self.spread).square()[:, None]
        scale = (1 + noise).sqrt()
        stiffness = 1 / ((2 * self.log_radius).exp() + noise)
        before = self.first(_GAIN * place / scale)
        # |x - m|^2 / 2 without |x|^2 / 2, which all wells share
        nearness = place @ self.wells.T - 0.5 * self.wells.square().sum(1)
        logits = self.weights + self.second(F.softplus(before)) + stiffness * nearness
        return place, logits, before, stiffness, scale


_GAIN = 3.0  # how sharp the hidden units see: clusters are narrower than the whole
_SCATTER = 0.5  # of the wells at the start
_RADIUS = 0.25  # of a well at the start
