"""Dense InfoNCE whose negatives forbid a code for the position.

``L = -log exp(q.k+ / tau) / (exp(q.k+ / tau) + sum_i exp(q.k-_i / tau))`` (van den Oord et al., arXiv
1807.03748, 2018; for pixels Wang et al., "Dense Contrastive Learning", CVPR 2021). The keys of *other images
at the same place of their crops* are among the negatives: to a code for the place they are as near as the
positive, so it pays at least log(1 + N_same). A loss that stays at that figure is the tell-tale of a
positional code.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.objective.sharing import mean


class ContrastiveLosses(NamedTuple):
    """Both in nats.

    Attributes
    ----------
    contrast : Tensor, scalar
        InfoNCE against all negatives; what is minimised.
    same_place : Tensor, scalar
        InfoNCE against the other images' keys at the same place only; log(1 + N_same) for a code for
        the position.
    """

    contrast: Tensor
    same_place: Tensor


def dense_info_nce(
    queries: Tensor,
    keys: Tensor,
    valid: Tensor,
    others: Tensor,
    owners: Tensor,
    temperature: float = 0.2,
    images: Tensor | None = None,
) -> ContrastiveLosses:
    """Tell each pixel from the others.

    Parameters
    ----------
    queries : Tensor, shape (B', P, D)
        Pixels in the first view.
    keys : Tensor, shape (B, P, D)
        The same tissue in the second view; keys ``[:, p]`` lie at one and the same place of their crops.
    valid : Tensor, shape (B', P), bool
        Where the query's view sees the tissue too; at least one.
    others : Tensor, shape (M, D)
        Further keys from anywhere.
    owners : Tensor, shape (M,), int64
        Which image each of them is from: it is no negative for that image's own queries.
    temperature : float
        tau.
    images : Tensor, shape (B',), int64, optional
        Which of the B images the queries are from, where processes share them; by default all.
    """
    queries, keys, others = (F.normalize(x.float(), dim=-1) for x in (queries, keys, others))
    images = torch.arange(len(queries), device=queries.device) if images is None else images
    same = torch.einsum("ipd,jpd->ipj", queries, keys) / temperature  # (B', P, B)
    own_image = images[:, None, None].expand(-1, same.shape[1], 1)
    positive = same.gather(2, own_image)[..., 0]  # (B', P); where both are of one image
    further = queries @ others.T / temperature  # (B', P, M)
    own = (owners[None, :] == images[:, None])[:, None, :]  # (B', 1, M)
    further = further.masked_fill(own, float("-inf"))
    at_place = same.logsumexp(-1)
    everywhere = torch.cat([same, further], dim=-1).logsumexp(-1)
    return ContrastiveLosses(
        mean((everywhere - positive)[valid]),
        mean((at_place - positive)[valid]).detach(),
    )
