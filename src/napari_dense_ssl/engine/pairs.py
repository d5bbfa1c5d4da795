"""Objectives that compare two views of the same tissue, at pixels that both see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_dense_ssl.engine.pretext import OneSpan
from napari_dense_ssl.sampling.crops import CropBatch
from napari_dense_ssl.sampling.pairs import matches, second_views
from napari_dense_ssl.sampling.portion import Portion
from napari_dense_ssl.sampling.views import cut_views, photometric


@dataclass(frozen=True)
class Views:
    """Two views of each crop, and the pixels that are compared.

    Attributes
    ----------
    first, second : Tensor, shape (B, 1, crop, crop)
        Under photometric change, each on its own.
    clean : Tensor, shape (B, 1, crop, crop)
        The second views without it.
    first_at, second_at : Tensor, shape (B, P), int64
        Places, as :class:`napari_dense_ssl.sampling.pairs.Matches` has them.
    valid : Tensor, shape (N,), int64
        Which of the B P pairs of places show the same point.
    portion : Portion
        Which crops of the whole batch these are.
    rng, generator : numpy and torch generators
        For whatever else the step draws.
    """

    first: Tensor
    second: Tensor
    clean: Tensor
    first_at: Tensor
    second_at: Tensor
    valid: Tensor
    portion: Portion
    rng: np.random.Generator
    generator: torch.Generator

    def pick(self, values: Tensor) -> Tensor:
        """Return those of (B, P, D) values that belong to both views: shape (N, D)."""
        return values.float().flatten(0, 1)[self.valid]


class Pairs(OneSpan):
    """Draws the views; what is compared in them is the subclass's."""

    def _views(self, batch: CropBatch, step: int, part: slice, pixels: int) -> Views:
        settings, networks = self._settings, self._networks
        sampler = settings.sampler
        first = batch.part(part)
        rng, generator = self._draws(step, part)
        rim = min(8, sampler.crop // 8)  # nearer to its edge than that, a view sees one side only
        multiple = networks.encoder.multiple
        second = second_views(first, sampler.crop, sampler.view_shift, multiple, sampler.symmetries, rng, rim)
        found = matches(first, second, sampler.crop, pixels, rim, rng)
        to_device = networks.device.to_device
        windows = to_device(torch.from_numpy(first.middle.copy()))
        seen = cut_views(windows, first, sampler.crop)
        clean = cut_views(windows, second, sampler.crop)
        one, other = (
            photometric(view, sampler.photometric, generator, first.portion) for view in (seen, clean)
        )
        return Views(
            one.contiguous(memory_format=torch.channels_last),
            other.contiguous(memory_format=torch.channels_last),
            clean.contiguous(memory_format=torch.channels_last),
            to_device(torch.from_numpy(found.first)),
            to_device(torch.from_numpy(found.second)),
            # Found on the CPU, so that a device need not be waited for.
            to_device(torch.from_numpy(np.flatnonzero(found.valid))),
            first.portion,
            rng,
            generator,
        )

    def _both(self, views: Views) -> tuple[Tensor, Tensor]:
        """Return what the student reads in either view, shapes (B, P, D)."""
        images = torch.cat([views.first, views.second])
        read = self._networks.student(images, torch.cat([views.first_at, views.second_at]))
        first, second = read.chunk(2)
        return first, second
