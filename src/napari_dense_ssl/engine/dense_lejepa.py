"""Training by two agreeing views whose embedding is distributed as a standard normal one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_dense_ssl.engine.embedding import Embedding
from napari_dense_ssl.engine.pairs import Pairs
from napari_dense_ssl.engine.pretext import objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.pixel_student import PixelStudent, perceptron
from napari_dense_ssl.objective.lejepa import view_disagreement
from napari_dense_ssl.objective.settings import DenseLeJEPASettings
from napari_dense_ssl.objective.sigreg import sigreg
from napari_dense_ssl.sampling.crops import CropBatch


class DenseLeJEPA(Embedding, Pairs):
    """SIGReg looks at the pixels of all crops of a batch, each view on its own."""

    @staticmethod
    def student(settings: TrainSettings) -> nn.Module:
        """Build what is trained: the encoder and a projection."""
        features = settings.encoder.features
        projection = objective_of(settings, DenseLeJEPASettings).projection
        return PixelStudent(settings.encoder, settings.classes, perceptron(features, features, projection))

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return ``(1 - lambda) disagreement + lambda sigreg``; logged are both without their weights."""
        objective = objective_of(self._settings, DenseLeJEPASettings)
        views = self._views(batch, step, part, objective.pixels)
        embeddings = torch.stack([views.pick(x) for x in self._both(views)])  # (V, N, D)
        disagreement = view_disagreement(embeddings)
        statistic = torch.stack(
            [sigreg(view, views.generator, objective.directions) for view in embeddings]
        ).mean()
        share = objective.regularisation
        loss = (1 - share) * disagreement + share * statistic
        return loss, {"disagreement": disagreement, "sigreg": statistic}
