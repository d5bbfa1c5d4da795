"""Turned image, turned classes: the fifth experiment.

``L = |f(x) - g^-1 f(g x)|^2`` over views g. A map without content, h(u) whatever the image, costs nothing if
and only if it is constant on the orbits of the views' group. The eight symmetries of a 192 px square leave
4,656 orbits, room for any grid; relative shifts whose differences have the greatest common divisor 1 leave
one; shifts that are multiples of a stride s leave s^2, a periodic grid.
"""

from __future__ import annotations

from torch import Tensor

from napari_dense_ssl.objective.sharing import mean


def matched_mse(first: Tensor, second: Tensor) -> Tensor:
    """Mean square, over pixels and classes, between two views of the same tissue.

    Parameters
    ----------
    first, second : Tensor, shape (N, K)
        Probabilities of the same N pixels in either view, as
        :func:`napari_dense_ssl.sampling.pairs.matches` finds them.

    Returns
    -------
    Tensor, scalar
        In [0, 2 / K]: as a mean over K it is small beside entropies in nats, as it was in the experiment.
    """
    return mean((first - second).square())
