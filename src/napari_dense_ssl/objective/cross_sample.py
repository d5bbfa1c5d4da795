"""Different samples, different classes: the variance of the fourth experiment.

``L = -mean_{k,u} Var_samples p_k(u)`` at a fixed place u of the crop. For n classes that are used equally and
surely it has its largest value (1 - 1/n) / K; stripes whose phase follows the image reach that without any
content (the experiment's log: .0179 of a possible .0182 at n = 11, K = 50). Compare VICReg (Bardes et al.,
ICLR 2022), whose variance is a hinge on each dimension of a continuous embedding.
"""

from __future__ import annotations

from torch import Tensor

from napari_dense_ssl.objective.sharing import variance_rows


def cross_sample_variance(probabilities: Tensor) -> Tensor:
    """Return the variance over samples, averaged over classes and places.

    Parameters
    ----------
    probabilities : Tensor, shape (N, K, Y, X)
        Softmax maps of N samples, at least two.

    Returns
    -------
    Tensor, scalar
        Between 0 and :func:`saturation` (times N / (N - 1), since the variance is the unbiased one).
    """
    return variance_rows(probabilities).mean()


def saturation(used: int, classes: int) -> float:
    """Return (1 - 1/n) / K: the largest variance with `used` equally frequent of `classes` classes."""
    return (1 - 1 / used) / classes
