"""Invariant information clustering: mutual information between the classes of two views.

``L = -sum_cc' P_cc' (log P_cc' - lambda log P_c - lambda log P_c')`` with P the joint distribution of both
views' classes over all pixels of all crops (Ji, Henriques & Vedaldi, "Invariant Information Clustering for
Unsupervised Image Classification and Segmentation", ICCV 2019). Balance and agreement in one number: -log K
at best, 0 for classes that are independent or all the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_dense_ssl.objective.sharing import total


def joint_distribution(first: Tensor, second: Tensor) -> Tensor:
    """Return how often the classes of two views meet, symmetrised.

    Parameters
    ----------
    first, second : Tensor, shape (N, K)
        Probabilities of the same N pixels in either view.

    Returns
    -------
    Tensor, shape (K, K)
        Sums to 1.
    """
    joint = total(first.T @ second)
    joint = joint + joint.T
    return joint / joint.sum()


def information_loss(joint: Tensor, balance: float = 1.0) -> Tensor:
    """Return minus the mutual information, nats.

    Parameters
    ----------
    joint : Tensor, shape (K, K)
        Symmetric, sums to 1.
    balance : float
        lambda: more than 1 weighs the entropy of the classes above their agreement.

    Returns
    -------
    Tensor, scalar
        At balance 1 in [-log K, 0].
    """
    joint = joint.clamp(min=torch.finfo(joint.dtype).tiny)
    rows = joint.sum(1, keepdim=True).log()
    columns = joint.sum(0, keepdim=True).log()
    return -(joint * (joint.log() - balance * (rows + columns))).sum()
