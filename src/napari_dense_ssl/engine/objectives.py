"""The objectives by the ``kind`` of their settings: what is trained, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import nn

from napari_dense_ssl.engine.cross_slice import CrossSlice
from napari_dense_ssl.engine.dense_contrastive import DenseContrastive
from napari_dense_ssl.engine.dense_dsm import DenseDSM
from napari_dense_ssl.engine.dense_iic import DenseIIC
from napari_dense_ssl.engine.dense_jepa import DenseJEPA
from napari_dense_ssl.engine.dense_lejepa import DenseLeJEPA
from napari_dense_ssl.engine.dense_swav import DenseSwAV
from napari_dense_ssl.engine.masked_clusters import MaskedClusters
from napari_dense_ssl.engine.networks import Networks, plain_student
from napari_dense_ssl.engine.pretext import Pretext, SamplerFactory
from napari_dense_ssl.engine.settings import TrainSettings


class Objective(NamedTuple):
    """How an objective is trained.

    Attributes
    ----------
    student : callable
        Builds all that is trained from the settings.
    pretext : callable
        Makes the :class:`~napari_dense_ssl.engine.pretext.Pretext`.
    """

    student: Callable[[TrainSettings], nn.Module]
    pretext: Callable[[TrainSettings, Networks, SamplerFactory], Pretext]


OBJECTIVES: Mapping[str, Objective] = {
    "masked-clusters": Objective(plain_student, MaskedClusters),
    "cross-slice": Objective(CrossSlice.student, CrossSlice),
    "dense-iic": Objective(DenseIIC.student, DenseIIC),
    "dense-swav": Objective(DenseSwAV.student, DenseSwAV),
    "dense-contrastive": Objective(DenseContrastive.student, DenseContrastive),
    "dense-jepa": Objective(DenseJEPA.student, DenseJEPA),
    "dense-lejepa": Objective(DenseLeJEPA.student, DenseLeJEPA),
    "dense-dsm": Objective(DenseDSM.student, DenseDSM),
}
"""One entry a ``kind`` of :data:`napari_dense_ssl.objective.settings.ObjectiveSettings`."""
