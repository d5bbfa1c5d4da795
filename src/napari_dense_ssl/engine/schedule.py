"""When a generation begins, and the learning rate within it: functions of the share of the budget used."""

from __future__ import annotations

import math

from napari_dense_ssl.engine.settings import OptimiserSettings
from napari_dense_ssl.objective.settings import MaskedClustersSettings

_LAST_RATE = 0.02
"""The cosine ends at this share of the highest rate."""


def generation_span(settings: MaskedClustersSettings, fraction: float) -> tuple[int, float, float]:
    """Return (generation, its first, its last share of the budget) at a share of the budget.

    Generation 0 takes ``first_share`` (all of it where there are no others), the others equal parts of
    the rest.
    """
    later = settings.generations - 1
    first = settings.first_share if later else 1.0
    if fraction < first or not later:
        return 0, 0.0, first
    length = (1 - first) / later
    index = min(later - 1, int((fraction - first) / length)) if length > 0 else later - 1
    return 1 + index, first + index * length, first + (index + 1) * length


def learning_rate(settings: OptimiserSettings, progress: float) -> float:
    """Linear warm-up, then half a cosine (Loshchilov & Hutter, "SGDR", ICLR 2017).

    Parameters
    ----------
    settings : OptimiserSettings
    progress : float
        Share of the generation that is over, 0 to 1.
    """
    if progress < settings.warmup_share:
        return settings.learning_rate * max(progress / settings.warmup_share, 0.01)
    over = (progress - settings.warmup_share) / (1 - settings.warmup_share)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, over)))
    return settings.learning_rate * (_LAST_RATE + (1 - _LAST_RATE) * cosine)
