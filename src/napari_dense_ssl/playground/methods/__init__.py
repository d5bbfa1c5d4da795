"""The methods, a file each: its loss, its energy, its source; settings are in ``playground/settings.py``.

A new method is its file here, its settings and its sentence there, one line in :data:`METHODS`, and its test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_dense_ssl.playground.methods.base import Method
from napari_dense_ssl.playground.methods.contrastive import Contrastive
from napari_dense_ssl.playground.methods.dsm import DenoisingScoreMatching
from napari_dense_ssl.playground.methods.jepa_basic import JepaBasic
from napari_dense_ssl.playground.methods.jepa_ema import JepaEma
from napari_dense_ssl.playground.methods.jepa_masked import JepaMasked
from napari_dense_ssl.playground.methods.jepa_pairwise import JepaPairwise
from napari_dense_ssl.playground.methods.lejepa import Lejepa
from napari_dense_ssl.playground.methods.vicreg import Vicreg

METHODS: dict[str, Callable[[Any, Any], Method]] = {
    "contrastive": Contrastive,
    "dsm": DenoisingScoreMatching,
    "jepa-basic": JepaBasic,
    "jepa-pairwise": JepaPairwise,
    "jepa-masked": JepaMasked,
    "jepa-ema": JepaEma,
    "vicreg": Vicreg,
    "lejepa": Lejepa,
}
"""Makes a method from a data set and :class:`~napari_dense_ssl.playground.PlaygroundSettings`."""

__all__ = ["METHODS", "Method"]
