"""Swapped prediction of balanced assignments, pixel by pixel.

Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments" (SwAV), NeurIPS
2020; dense as in Leopart (Ziegler & Asano, CVPR 2022). One view's assignment to K prototypes, made balanced
over the batch by Sinkhorn's iterations (Cuturi, NeurIPS 2013), is predicted from the other view.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_dense_ssl.objective.sharing import count_of, logsumexp_rows, mean


@torch.no_grad()
def sinkhorn(scores: Tensor, sharpness: float = 0.05, iterations: int = 3) -> Tensor:
    """Assign N samples to K prototypes, softly and in nearly equal parts.

    ``max_Q Tr(Q^T S) + epsilon H(Q)`` over Q with rows that sum to 1 and columns that sum to N / K; in the
    logarithmic domain, so that small epsilons do not overflow.

    Parameters
    ----------
    scores : Tensor, shape (N, K)
        Cosines, in [-1, 1].
    sharpness : float
        epsilon; small values assign surely.
    iterations : int
        Columns, then rows, so often: rows are exact at the end, columns as good as they have become.

    Returns
    -------
    Tensor, shape (N, K)
    """
    n, k = count_of(scores), scores.shape[1]
    log_q = scores.float() / sharpness
    for _ in range(iterations):
        log_q = log_q - logsumexp_rows(log_q) + math.log(n / k)
        log_q = log_q - log_q.logsumexp(1, keepdim=True)
    return log_q.exp()


def swapped_prediction(
    first: Tensor, second: Tensor, temperature: float = 0.1, sharpness: float = 0.05, iterations: int = 3
) -> Tensor:
    """Cross-entropy of each view against the other's balanced assignment, nats.

    Parameters
    ----------
    first, second : Tensor, shape (N, K)
        Cosines between the same N pixels in either view and the prototypes.
    temperature : float
        Of the softmax.
    sharpness, iterations : float, int
        Of :func:`sinkhorn`.

    Returns
    -------
    Tensor, scalar
        log K where all cosines are equal.
    """
    loss = first.new_zeros(())
    for assigned, predicted in ((first, second), (second, first)):
        target = sinkhorn(assigned, sharpness, iterations)
        loss = loss - mean((target * (predicted / temperature).log_softmax(1)).sum(1)) / 2
    return loss
