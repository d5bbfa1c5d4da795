"""Training by denoising score matching: say what noise was added to a crop."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_dense_ssl.engine.embedding import Embedding
from napari_dense_ssl.engine.pretext import objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.pixel_student import PixelStudent
from napari_dense_ssl.objective.dsm import denoising_loss, noise_levels
from napari_dense_ssl.objective.settings import DenseDSMSettings
from napari_dense_ssl.sampling.crops import CropBatch
from napari_dense_ssl.sampling.views import cut_views, drawn_for


class DenseDSM(Embedding):
    """One view of each crop, without photometric change: the noise is the change."""

    divisible = True

    @staticmethod
    def student(settings: TrainSettings) -> nn.Module:
        """Build what is trained: the encoder and a linear layer that reads the scaled score."""
        return PixelStudent(settings.encoder, settings.classes, nn.Linear(settings.encoder.features, 1))

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return half the mean square of the scaled score's error; .5 is a network that says nothing."""
        objective, networks = objective_of(self._settings, DenseDSMSettings), self._networks
        batch = batch.part(part)
        _, generator = self._draws(step, part)
        windows = networks.device.to_device(torch.from_numpy(batch.middle.copy()))
        images = cut_views(windows, batch, self._settings.sampler.crop)
        own = batch.portion
        levels = own.of(noise_levels(own.total, objective.lowest_noise, objective.highest_noise, generator))
        noise = drawn_for(images, generator, own)
        noised = images + levels[:, None, None, None] * noise
        read = networks.student(noised.contiguous(memory_format=torch.channels_last))  # (B, Y X, 1)
        loss = denoising_loss(read, noise.flatten(2).transpose(1, 2))
        return loss, {"denoising": loss}
