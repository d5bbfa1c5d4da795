"""Predicting an averaged network's features of a clean view from a masked one.

``L = smooth_l1(q(f(x)), LayerNorm(f'(x')))`` with f' the moving average of f and no gradient into it: the
target of I-JEPA (Assran et al., CVPR 2023), the average of BYOL (Grill et al., NeurIPS 2020). Nothing in the
loss itself forbids a collapse; the predictor and the average are known to avoid it in practice, so the
spread of the targets is logged beside it.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.objective.sharing import mean, variance_rows


def normalised_target(features: Tensor) -> Tensor:
    """Return features (N, D), each standardised over its channels, without gradient."""
    return F.layer_norm(features.detach().float(), features.shape[-1:])


def feature_prediction(predicted: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 distance, averaged over pixels and channels.

    Parameters
    ----------
    predicted : Tensor, shape (N, D)
    target : Tensor, shape (N, D)
        From :func:`normalised_target`; predicting their mean costs about .4.
    """
    return mean(F.smooth_l1_loss(predicted.float(), target, reduction="none"))


def spread(target: Tensor) -> Tensor:
    """Return the mean standard deviation of the channels over pixels (N, D); 0 is total collapse."""
    return variance_rows(target).sqrt().mean()
