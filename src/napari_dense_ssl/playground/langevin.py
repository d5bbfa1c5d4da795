"""Langevin dynamics: points that move down an energy's gradient, and are shaken.

``x <- x - eta dE/dx + sqrt(2 eta) e`` samples ``exp(-E)`` for small steps eta. An energy that was learned
at many noise levels is walked through from the strongest to the weakest (annealed Langevin dynamics, Song &
Ermon, NeurIPS 2019): at the strongest all modes are connected, and as they come apart each keeps the share
of the walkers that its weight is. At the end stands one step of denoising, ``x + sigma^2 s(x)`` (Tweedie's
formula).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_dense_ssl.playground.methods.dsm import DenoisingScoreMatching

if TYPE_CHECKING:
    from napari_dense_ssl.playground.methods.base import Method
    from napari_dense_ssl.playground.mixture import Dataset

STEPS_A_LEVEL = 60
_STEP = 0.25  # eta in units of sigma^2: no direction of the noised data is narrower than sigma
_PLAIN_STEP = 0.1  # eta in data units squared, for energies without noise levels
PLAIN_STEPS = 120
INNER_STEPS = 6  # between two yields


def force(method: Method, points: Tensor) -> Tensor:
    """Return ``-dE/dx`` (N, 2) at points (N, 2)."""
    if isinstance(method, DenoisingScoreMatching):
        with torch.no_grad():
            return method.at(points, float(method.levels[0]))[1]
    with torch.enable_grad():
        places = points.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(method.energy(places).sum(), places)
    return -slope.detach()


class Walkers:
    """Points that move in the energy of a method, kept in the data's box by mirrors.

    Parameters
    ----------
    dataset : Dataset
        Gives the box that they start in, evenly.
    count : int
    generator : torch.Generator
    """

    def __init__(self, dataset: Dataset, count: int, generator: torch.Generator) -> None:
        low, high = (torch.tensor(corner, dtype=torch.float32) for corner in dataset.box)
        self.low, self.high, self.generator = low, high, generator
        self.centre = torch.tensor(dataset.centre, dtype=torch.float32)
        self.spread = dataset.spread
        self.places = low + (high - low) * torch.rand((count, 2), generator=generator)

    def walk(self, method: Method, steps: int) -> None:
        """Move in the energy that a method has now."""
        for _ in range(steps):
            self._move(force(method, self.places), _PLAIN_STEP)
            self._mirror()

    def sample(self, method: Method) -> Iterator[float | None]:
        """Sample from a trained method, yielding the noise level on the way (None without levels)."""
        if not isinstance(method, DenoisingScoreMatching):
            for _ in range(0, PLAIN_STEPS, INNER_STEPS):
                self.walk(method, INNER_STEPS)
                yield None
            return
        levels = [float(level) for level in method.levels.flip(0)]
        shaken = torch.randn(self.places.shape, generator=self.generator)
        self.places = self.centre + (self.spread**2 + levels[0] ** 2) ** 0.5 * shaken
        for sigma in levels:
            step = _STEP * sigma**2
            for first in range(0, STEPS_A_LEVEL, INNER_STEPS):
                for _ in range(min(INNER_STEPS, STEPS_A_LEVEL - first)):
                    with torch.no_grad():
                        self._move(method.at(self.places, sigma)[1], step)
                yield sigma
        with torch.no_grad():
            self.places = self.places + levels[-1] ** 2 * method.at(self.places, levels[-1])[1]
        yield levels[-1]

    def _move(self, slope: Tensor, step: float) -> None:
        shaken = torch.randn(self.places.shape, generator=self.generator)
        self.places = self.places + step * slope + (2 * step) ** 0.5 * shaken

    def _mirror(self) -> None:
        away = torch.remainder(self.places - self.low, 2 * (self.high - self.low))
        self.places = self.low + torch.minimum(away, 2 * (self.high - self.low) - away)
