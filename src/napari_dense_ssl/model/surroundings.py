"""What lies around a pixel: the shares of codes there."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.model.filter_bank import gaussian


def shares_around(codes: Tensor, classes: int, sigma: float) -> Tensor:
    """Return the shares of codes around each pixel: a local histogram of textons [1]_.

    Parameters
    ----------
    codes : Tensor, shape (B, Y, X), int64
        In [0, K).
    classes : int
        K.
    sigma : float
        Standard deviation, px, of the Gaussian that weights the pixels around; see :func:`gaussian`.

    Returns
    -------
    Tensor, shape (B, K, Y, X), float32
        In [0, 1]; they sum to 1 over the codes.

    References
    ----------
    .. [1] Leung & Malik, "Representing and Recognizing the Visual Appearance of Materials using
       Three-dimensional Textons", IJCV 2001.
    """
    # Rounding may leave a little less than nothing, or more than all.
    return gaussian(F.one_hot(codes, classes).permute(0, 3, 1, 2).float(), sigma).clamp(0, 1)
