"""Training by invariant information clustering; the head's softmax is what is clustered."""

from __future__ import annotations

from torch import Tensor, nn

from napari_dense_ssl.engine.pairs import Pairs
from napari_dense_ssl.engine.pretext import objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.pixel_student import PixelStudent
from napari_dense_ssl.objective.diversity import entropy
from napari_dense_ssl.objective.iic import information_loss, joint_distribution
from napari_dense_ssl.objective.settings import DenseIICSettings
from napari_dense_ssl.sampling.crops import CropBatch


class DenseIIC(Pairs):
    """The joint distribution is taken over all pixels of all crops of a batch, those of all processes."""

    @staticmethod
    def student(settings: TrainSettings) -> nn.Module:
        """Build what is trained: the encoder with its head."""
        return PixelStudent(settings.encoder, settings.classes)

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return minus the mutual information; logged are the information and the effective classes."""
        objective = objective_of(self._settings, DenseIICSettings)
        views = self._views(batch, step, part, objective.pixels)
        first, second = (views.pick(x).softmax(1) for x in self._both(views))
        joint = joint_distribution(first, second)
        terms = {
            "information": -information_loss(joint),
            "effective_classes": entropy(joint.sum(0), dim=0).exp(),
        }
        return information_loss(joint, objective.balance), terms
