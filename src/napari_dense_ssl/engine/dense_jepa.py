"""Training by prediction of the averaged encoder's features of the clean other view."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_dense_ssl.engine.embedding import Embedding
from napari_dense_ssl.engine.pairs import Pairs
from napari_dense_ssl.engine.pretext import objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.pixel_student import PixelStudent, at_places, perceptron
from napari_dense_ssl.objective.jepa import feature_prediction, normalised_target, spread
from napari_dense_ssl.objective.settings import DenseJEPASettings
from napari_dense_ssl.sampling.crops import CropBatch
from napari_dense_ssl.sampling.views import block_masks, hide


class DenseJEPA(Embedding, Pairs):
    """The student sees the first view with squares hidden; the average sees the second one clean."""

    divisible = True

    @staticmethod
    def student(settings: TrainSettings) -> nn.Module:
        """Build what is trained: the encoder and a predictor."""
        features = settings.encoder.features
        width = objective_of(settings, DenseJEPASettings).predictor_width
        return PixelStudent(settings.encoder, settings.classes, perceptron(features, width, features))

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the prediction's distance; logged beside it is the targets' spread, 0 in collapse."""
        objective, networks = objective_of(self._settings, DenseJEPASettings), self._networks
        views = self._views(batch, step, part, objective.pixels)
        crop = self._settings.sampler.crop
        own = views.portion
        masks = block_masks(own.total, crop, objective.mask_size, objective.mask_share, views.rng)
        hidden = torch.from_numpy(own.of(masks)).to(views.first.device)
        images = hide(views.first, hidden, views.generator, own).contiguous(memory_format=torch.channels_last)
        predicted = views.pick(networks.student(images, views.first_at))
        with torch.no_grad(), networks.device.autocast():
            features = networks.averaged_encoder.features(views.clean)
        target = normalised_target(views.pick(at_places(features, views.second_at)))
        loss = feature_prediction(predicted, target)
        return loss, {"prediction": loss, "spread": spread(target)}
