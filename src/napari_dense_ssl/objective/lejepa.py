"""Views that agree on an embedding that is distributed as a standard normal one.

``L = (1 - lambda) mean |z_mean - z_v|^2 + lambda SIGReg(z)`` (Balestriero & LeCun, LeJEPA, arXiv 2511.08544,
2025): no average, no predictor, no stopped gradient. The statistic carries the number of samples as a
factor, so lambda goes with it. On tissue that is mostly of one kind it has a price: the normal target spreads
identical background apart, by whatever differs.
"""

from __future__ import annotations

from torch import Tensor

from napari_dense_ssl.objective.sharing import mean


def view_disagreement(embeddings: Tensor) -> Tensor:
    """Mean square between views and their mean.

    Parameters
    ----------
    embeddings : Tensor, shape (V, N, D)
        The same N pixels in V views.

    Returns
    -------
    Tensor, scalar
        A mean over views, pixels and dimensions.
    """
    return mean((embeddings - embeddings.mean(0)).square())
