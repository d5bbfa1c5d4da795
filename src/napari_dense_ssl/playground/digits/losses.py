"""The two terms that the encoder minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cosine_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return ``1 - mean cosine`` of rows (B, D): half of BYOL's loss; 0 where all agree, at most 2."""
    return 1 - F.cosine_similarity(predicted, target, dim=1).mean()


def redundancy(embeddings: Tensor) -> Tensor:
    """Return how much each dimension of (B, D) repeats the others, 0 to D - 1: VICReg's covariance term.

    ``1/D sum_(i != j) C_ij^2`` with C the correlations over the batch: the term of Bardes, Ponce & LeCun,
    "VICReg", ICLR 2022, of standardised dimensions, which takes the place of its variance term. Of
    independent dimensions it is about D / B in the mean.
    """
    count, dimensions = embeddings.shape
    centred = embeddings - embeddings.mean(0)
    standard = centred / (centred.square().mean(0) + 1e-8).sqrt()
    squares = (standard.T @ standard / count).square()
    return (squares.sum() - torch.diagonal(squares).sum()) / dimensions
