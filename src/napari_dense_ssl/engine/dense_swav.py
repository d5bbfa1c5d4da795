"""Training by swapped prediction of balanced assignments to prototypes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from napari_dense_ssl.core.events import Event
from napari_dense_ssl.engine.embedding import embedded_pixels
from napari_dense_ssl.engine.pairs import Pairs
from napari_dense_ssl.engine.pretext import objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.pixel_student import PixelStudent, Prototypes
from napari_dense_ssl.objective.settings import DenseSwAVSettings
from napari_dense_ssl.objective.sharing import mean
from napari_dense_ssl.objective.swav import swapped_prediction
from napari_dense_ssl.sampling.crops import CropBatch

_NORM_PIXELS = 8192


class DenseSwAV(Pairs):
    """Assignments are balanced over all pixels of all crops of a batch; the classes are the prototypes."""

    @staticmethod
    def student(settings: TrainSettings) -> nn.Module:
        """Build what is trained: the encoder and the prototypes."""
        prototypes = Prototypes(settings.encoder.features, settings.classes)
        return PixelStudent(settings.encoder, settings.classes, prototypes)

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the swapped cross-entropy; logged is how often both views take the same prototype."""
        objective = objective_of(self._settings, DenseSwAVSettings)
        views = self._views(batch, step, part, objective.pixels)
        first, second = (views.pick(x) for x in self._both(views))
        loss = swapped_prediction(
            first, second, objective.temperature, objective.sharpness, objective.iterations
        )
        agreement = mean((first.argmax(1) == second.argmax(1)).float())
        return loss, {"swapped": loss, "agreement": agreement}

    def settle(self, step: int, *, quick: bool = False) -> Iterator[Event]:
        """Write the prototypes into the head, so that its likeliest class is the nearest direction.

        A cosine is no linear function, but its largest is the largest dot product; features are taken to
        be of their mean length, so that the softmax is about as sure as it is in training.
        """
        seed = self._settings.seed + 1_000_003 * (step + 1)
        pixels = yield from embedded_pixels(self._networks, self._sampler, seed, _NORM_PIXELS)
        length = max(float(np.linalg.norm(pixels, axis=1).mean()), 1e-6)
        with torch.no_grad():
            directions = self._networks.reader(Prototypes).directions()
        temperature = objective_of(self._settings, DenseSwAVSettings).temperature
        self._networks.write_head(directions / (temperature * length), directions.new_zeros(len(directions)))
