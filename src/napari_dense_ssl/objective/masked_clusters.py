"""Masked cluster prediction: say which cluster a hidden pixel belongs to, in generations.

As HuBERT [1]_ does for speech: the targets of generation 0 are clusters of hand-made features of the clean
crop; those of each later generation are clusters of the features that the generation before has learned.
The student sees the crop under a symmetry, a shift, photometric change and masks. A target is computed
from the image alone and compared at the tissue's own place, so a code for the position in the crop cannot
predict it.

References
----------
.. [1] Hsu et al., "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden
   Units", IEEE/ACM TASLP 2021, doi 10.1109/TASLP.2021.3122291.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.objective.sharing import total


class MaskedLosses(NamedTuple):
    """Cross-entropies in nats and the agreement with the targets.

    Attributes
    ----------
    hidden, seen : Tensor, scalar
        Mean cross-entropy over hidden and over seen pixels, nats.
    agreement : Tensor, scalar
        Share of seen pixels whose most likely class is the target's.
    """

    hidden: Tensor
    seen: Tensor
    agreement: Tensor


def masked_losses(logits: Tensor, codes: Tensor, hidden: Tensor) -> MaskedLosses:
    """Compare the student's logits with the codes, hidden and seen pixels apart.

    Parameters
    ----------
    logits : Tensor, shape (B, K, Y, X)
    codes : Tensor, shape (B, Y, X), int64
        Targets in [0, K); -1 where there is none.
    hidden : Tensor, shape (B, Y, X), bool
        Pixels that the student did not see.

    Returns
    -------
    MaskedLosses
        A loss over no pixel is 0.
    """
    entropy = F.cross_entropy(logits.float(), codes, ignore_index=-1, reduction="none")  # (B, Y, X)
    valid = codes >= 0
    of_hidden, of_seen = valid & hidden, valid & ~hidden
    correct = (logits.argmax(dim=1) == codes) & of_seen
    sums = total(torch.stack([(entropy * of_hidden).sum(), (entropy * of_seen).sum()]))
    counts = total(torch.stack([of_hidden.sum(), of_seen.sum(), correct.sum()]))
    hidden_count, seen_count = counts[:2].clamp(min=1)
    return MaskedLosses(sums[0] / hidden_count, sums[1] / seen_count, counts[2] / seen_count)
