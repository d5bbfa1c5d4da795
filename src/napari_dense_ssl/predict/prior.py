"""How common each class is: calibration on held-out scribbles, and class areas from unlabelled pixels.

People scribble as many pixels on a synapse as on the cytoplasm, which is a hundred times larger. A
classifier that learned from that says 'synapse' too often. Under the assumption that the pixels within a
class look alike wherever they are (*label shift*), the class areas can be estimated from unlabelled pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

Array = NDArray[np.float64]

_LOG_WEIGHTS = (-4.0, 2.0)
"""Least of the first classifier, and most of any."""
_ROUNDS = 200
_LEAST_DOUBT = 0.05


def stacking_weights(logits: Array, classes: NDArray[np.int64]) -> Array:
    """Return what the logits of several classifiers are worth when they are added up.

    The weights, none negative, that minimise the cross-entropy of pixels that were not fitted to, each class
    weighing the same: stacked generalisation [1]_; for one classifier temperature scaling [2]_, the weight
    being one over the temperature. A classifier that says nothing new gets a weight of 0. The problem is
    convex.

    Parameters
    ----------
    logits : ndarray, shape (E, N, C)
        Of held-out pixels, by E classifiers.
    classes : ndarray, shape (N,)
        Their true classes, 0 to C - 1.

    Returns
    -------
    ndarray, shape (E,)
        The first is positive, at least.

    References
    ----------
    .. [1] Wolpert, "Stacked generalization", Neural Networks 5, 1992.
    .. [2] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    count = np.bincount(classes, minlength=logits.shape[2])
    weight = 1.0 / count[classes]
    weight /= weight.sum()
    rows = np.arange(len(classes))

    def loss(factors: Array) -> tuple[float, Array]:
        log_p = log_softmax(np.tensordot(factors, logits, axes=1), axis=1)  # (N, C)
        wrong = np.exp(log_p)
        wrong[rows, classes] -= 1
        return float(-weight @ log_p[rows, classes]), np.einsum("n,nc,enc->e", weight, wrong, logits)

    least, most = np.exp(_LOG_WEIGHTS)
    bounds = [(least if k == 0 else 0.0, most) for k in range(len(logits))]
    start = np.full(len(logits), 0.5 / len(logits))
    found: Array = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found


def doubt(scribbled: NDArray[np.int64]) -> float:
    """Return how strongly estimated areas are pulled towards equal ones: ``max(0.05, 1 / sqrt(n))``.

    Areas are as uncertain as the classifier that they are estimated with, and that uncertainty falls with
    the square root of the pixels n of the class that was scribbled on least.

    Parameters
    ----------
    scribbled : ndarray, shape (C,)
        Pixels of each class.
    """
    return float(max(_LEAST_DOUBT, 1 / np.sqrt(scribbled.min())))


def class_areas(logits: Array, pull: float) -> Array:
    """Estimate how common each class is among unlabelled pixels.

    Maximum a posteriori by expectation maximisation [1]_, from posteriors under equal priors and with a
    symmetric Dirichlet prior on the areas, which keeps a rare class from vanishing:

        w_nk ∝ pi_k p_nk,    pi_k ∝ mean_n w_nk + pull / C

    Parameters
    ----------
    logits : ndarray, shape (N, C)
        Calibrated, of a classifier to which all classes are equally common.
    pull : float
        Weight of the equal shares beside the data, such as :func:`doubt`.

    Returns
    -------
    ndarray, shape (C,)
        Shares, summing to 1.

    References
    ----------
    .. [1] Saerens, Latinne & Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
       Probabilities", Neural Computation 14, 2002.
    """
    p = softmax(logits, axis=1)
    classes = p.shape[1]
    share: Array = np.full(classes, 1.0 / classes)
    for _ in range(_ROUNDS):
        # mean_n w_nk = pi_k mean_n p_nk / sum_j pi_j p_nj: two products, and no array of all w_nk.
        weighted = share * (p.T @ (1.0 / (p @ share))) / len(p)
        share = weighted + pull / classes
        share /= share.sum()
    return share
