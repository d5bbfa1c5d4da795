"""Predicting the middle slice's classes from those of its neighbours: the experiments' pretext.

``L = |P(f(x_{z-2}), f(x_{z-1}), f(x_{z+1}), f(x_{z+2})) - stopgrad f'(x_z)|^2``, a mean over the K classes.
With all five slices cut at one place, the place is known to both sides: predicting it costs nothing.
"""

from __future__ import annotations

from torch import Tensor

from napari_dense_ssl.objective.sharing import mean


def prediction_mse(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean square over pixels and classes.

    Parameters
    ----------
    predicted, target : Tensor, shape (B, K, Y, X)
        Probabilities; no gradient goes into the target.

    Returns
    -------
    Tensor, scalar
        For sure classes ``2 (1 - agreement) / K``: at K = 50 at most .04.
    """
    return mean((predicted - target.detach()).square())
