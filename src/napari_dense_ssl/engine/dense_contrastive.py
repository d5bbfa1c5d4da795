"""Training by dense InfoNCE with the other crops' pixels at the same place among the negatives."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from napari_dense_ssl.core.events import Event, Noted
from napari_dense_ssl.engine.embedding import Embedding
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pairs import Pairs
from napari_dense_ssl.engine.pretext import SamplerFactory, objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.pixel_student import PixelStudent, perceptron
from napari_dense_ssl.objective.contrastive import dense_info_nce
from napari_dense_ssl.objective.settings import DenseContrastiveSettings
from napari_dense_ssl.objective.sharing import gathered
from napari_dense_ssl.sampling.crops import CropBatch


class DenseContrastive(Embedding, Pairs):
    """Both views through the student; keys are those of the second view."""

    def __init__(self, settings: TrainSettings, networks: Networks, sampler: SamplerFactory) -> None:
        super().__init__(settings, networks, sampler)
        self._told = False

    @staticmethod
    def student(settings: TrainSettings) -> nn.Module:
        """Build what is trained: the encoder and a projection."""
        features = settings.encoder.features
        projection = objective_of(settings, DenseContrastiveSettings).projection
        return PixelStudent(settings.encoder, settings.classes, perceptron(features, features, projection))

    def prepare(self, fraction: float) -> Iterator[Event]:
        """Tell once what a code for the position would be known by."""
        if not self._told:
            self._told = True
            crops = self._settings.sampler.batch
            yield Noted(
                f"same_place at {math.log(crops):.2f} nats (the logarithm of {crops} crops) would mean that "
                "only the place in the crop is learned; lower is content."
            )

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return InfoNCE; logged beside it is the part against the same place only."""
        objective = objective_of(self._settings, DenseContrastiveSettings)
        views = self._views(batch, step, part, objective.pixels)
        queries, keys = self._both(views)
        valid = torch.zeros(queries.shape[:2], dtype=torch.bool, device=keys.device)
        valid.view(-1)[views.valid] = True
        keys = gathered(keys)  # the other processes' crops are among the negatives
        images = torch.arange(len(keys), device=keys.device)
        count = keys.shape[0] * keys.shape[1]
        drawn = torch.from_numpy(views.rng.permutation(count)[: objective.others]).to(keys.device)
        found = dense_info_nce(
            queries,
            keys,
            valid,
            keys.flatten(0, 1)[drawn],
            drawn // keys.shape[1],
            objective.temperature,
            views.portion.of(images) if len(queries) < len(keys) else images,
        )
        return found.contrast, found._asdict()
