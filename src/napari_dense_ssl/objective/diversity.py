"""Many classes on average, one class a pixel: the two entropies of the second experiment.

``L = alpha max(0, H* - H(mean p)) + beta mean H(p)``, the halves of the mutual information
``I(x; c) = H(c) - H(c|x)`` (Krause et al., "Discriminative clustering by regularized information
maximization", NeurIPS 2010). Nothing in it tells classes about the content from classes about the place:
``I(place; c)`` has the same maximum. Taken in each image on its own, as the experiment did, it even asks for
a cut of every image into equal parts, and the place is the easiest cut.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

from napari_dense_ssl.objective.sharing import mean, mean_rows


class DiversityLosses(NamedTuple):
    """Both terms, in nats.

    Attributes
    ----------
    shortfall : Tensor, scalar
        By how much the entropy of the mean falls short of the wanted one, 0 where it does not.
    blur : Tensor, scalar
        Mean entropy of a pixel's classes; 0 where each pixel has one class.
    """

    shortfall: Tensor
    blur: Tensor


def entropy(probabilities: Tensor, dim: int = 1) -> Tensor:
    """Return the entropy along an axis of probabilities, nats."""
    return -(probabilities * probabilities.clamp(min=1e-8).log()).sum(dim)


def diversity_losses(
    probabilities: Tensor, wanted: float, marginal: Literal["image", "batch"] = "image"
) -> DiversityLosses:
    """Measure how few classes are used and how undecided the pixels are.

    Parameters
    ----------
    probabilities : Tensor, shape (B, K, Y, X)
        Softmax maps.
    wanted : float
        H*, the least entropy of the mean, nats; log 8 asks for eight classes.
    marginal : {"image", "batch"}
        Whether the mean is taken over each image, or over the whole batch.
    """
    used = probabilities.mean((-2, -1))  # (B, K)
    if marginal == "batch":
        used = mean_rows(used)[None]
    shortfall = mean((wanted - entropy(used)).clamp(min=0))
    return DiversityLosses(shortfall, mean(entropy(probabilities)))
