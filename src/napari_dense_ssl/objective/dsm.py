"""Denoising score matching.

``L = 1/2 E |sigma s(x + sigma e) + e|^2``, sigma^2 times Vincent's ``1/2 |s(x~) - (x - x~) / sigma^2|^2``
(Vincent, "A connection between score matching and denoising autoencoders", Neural Computation 2011), which
weighs all noise levels alike (Song & Ermon, NeurIPS 2019). Its optimum is the score of the noised images,
``s(x~) = (E[x | x~] - x~) / sigma^2``. It cannot collapse, and a code for the position gains nothing: in
crops at random places the position says nothing about a pixel. It gives features, not classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_dense_ssl.objective.sharing import mean


def noise_levels(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw standard deviations whose logarithms are uniform, shape (count,), on the generator's device."""
    share = torch.rand(count, generator=generator, device=generator.device)
    return low * torch.exp(share * math.log(high / low))


def denoising_loss(scaled_score: Tensor, noise: Tensor) -> Tensor:
    """Return ``1/2 mean (sigma s + e)^2``.

    Parameters
    ----------
    scaled_score : Tensor
        sigma s(x~): the network's output.
    noise : Tensor, same shape
        e, of unit variance.

    Returns
    -------
    Tensor, scalar
        1/2 for a network that says nothing; for white images of variance v, at best
        ``v / (2 (v + sigma^2))``.
    """
    return 0.5 * mean((scaled_score.float() + noise).square())
