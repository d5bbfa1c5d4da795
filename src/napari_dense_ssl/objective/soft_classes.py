"""From a codebook to a linear layer whose softmax is neither flat nor sure of everything."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_dense_ssl.objective.codebook import Codebook

_HALVINGS = 60


def soft_classes(codebook: Codebook, samples: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    """Return a linear layer whose likeliest class is the nearest centre.

    The logits are those of equal, round Gaussians about the centres, ``-|z - c|^2 / 2 T`` up to a constant.

    Parameters
    ----------
    codebook : Codebook
        Of K centres.
    samples : Tensor, shape (N, D)
        Features like those it was fitted to, on its device.
    confidence : float
        Mean probability of the likeliest class over the samples, which sets T; in (1/K, 1).

    Returns
    -------
    weight, bias : Tensor, shapes (K, D) and (K,)
    """
    weight, bias = codebook.linear()
    warmth = temperature(samples @ weight.T + bias, confidence)
    return weight / warmth, bias / warmth


def temperature(logits: Tensor, confidence: float) -> float:
    """Find T such that the mean of ``max softmax(logits / T)`` is `confidence`.

    Parameters
    ----------
    logits : Tensor, shape (N, K)
    confidence : float
        In (1/K, 1). The mean falls from 1 to 1/K as T grows, so T is found by halving an interval.

    Returns
    -------
    float
        1 where all logits of a sample are equal and no T makes a difference.
    """
    logits = logits.double()
    logits = logits - logits.max(dim=1, keepdim=True).values
    scale = float(-logits.mean())
    if scale == 0:
        return 1.0
    low, high = 1e-6 * scale, 1e6 * scale
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        # The largest logit is 0, so that its probability is 1 / sum exp.
        mean = float((1 / torch.exp(logits / middle).sum(dim=1)).mean())
        low, high = (middle, high) if mean > confidence else (low, middle)
    return math.sqrt(low * high)
