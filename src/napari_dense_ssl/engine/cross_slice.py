"""Training as the project's first five experiments did: predict a slice's classes from its neighbours'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import OneSpan, SamplerFactory, objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.class_predictor import CrossSliceStudent
from napari_dense_ssl.model.pixel_student import at_places
from napari_dense_ssl.objective.cross_sample import cross_sample_variance
from napari_dense_ssl.objective.cross_slice import prediction_mse
from napari_dense_ssl.objective.diversity import diversity_losses
from napari_dense_ssl.objective.equivariance import matched_mse
from napari_dense_ssl.objective.settings import CrossSliceSettings
from napari_dense_ssl.objective.sigreg import sigreg
from napari_dense_ssl.sampling.crops import CropBatch
from napari_dense_ssl.sampling.pairs import Matches, matches, second_views
from napari_dense_ssl.sampling.views import cut_views, photometric

_POINTS = 4096
"""Pixels a crop at which displaced or turned views are compared."""


@dataclass(frozen=True)
class _Compared:
    """A second view of some slice of each crop, and the pixels that it shares with the first."""

    images: Tensor
    first_at: Tensor
    second_at: Tensor
    valid: Tensor

    def pick(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values (N, K) of two maps (B, K, Y, X) at the shared pixels."""
        pairs = ((first, self.first_at), (second, self.second_at))
        a, b = (at_places(maps, places).flatten(0, 1)[self.valid] for maps, places in pairs)
        return a, b


class CrossSlice(OneSpan):
    """The parts of ``CrossSliceSettings``, each with its weight; those of weight 0 are not computed."""

    def __init__(self, settings: TrainSettings, networks: Networks, sampler: SamplerFactory) -> None:
        super().__init__(settings, networks, sampler)
        self._objective = objective_of(settings, CrossSliceSettings)

    @staticmethod
    def student(settings: TrainSettings) -> nn.Module:
        """Build what is trained: the encoder and the predictor of classes."""
        width = objective_of(settings, CrossSliceSettings).predictor_width
        return CrossSliceStudent(settings.encoder, settings.classes, width)

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the parts, which are logged without their weights."""
        objective, networks, sampler = self._objective, self._networks, self._settings.sampler
        batch = batch.part(part)
        rng, generator = self._draws(step, part)
        windows = networks.device.to_device(torch.from_numpy(batch.windows))  # (B, 5, R, R)
        # One change of contrast for all slices of a stack, as one microscope session would make it.
        windows = photometric(windows, sampler.photometric, generator, batch.portion)
        views = cut_views(windows, batch, sampler.crop)
        middle = views.shape[1] // 2
        context = torch.cat([views[:, :middle], views[:, middle + 1 :]], dim=1)

        hidden = self._hidden(windows, batch, rng)
        turned, which = self._turned(windows, batch, rng)
        others = [hidden.images] if objective.target == "detached" else []
        others += [] if turned is None else [turned.images]
        empty = context.new_zeros((0, 1, *context.shape[2:]))
        encoded, extra, predicted = networks.student(
            context, torch.cat(others) if others else empty, objective.train_context
        )
        count = len(context)
        if objective.target == "detached":
            target, extra = extra[:count], extra[count:]
            regularised = torch.cat([encoded.flatten(0, 1), target])
        else:
            with torch.no_grad(), networks.device.autocast():
                target = networks.averaged_encoder(hidden.images).logits.float().softmax(dim=1)
            regularised = encoded.flatten(0, 1)  # (4 B, K, Y, X)

        terms = {"prediction": prediction_mse(*self._sides(hidden, predicted, target))}
        loss = objective.prediction_weight * terms["prediction"]
        maps = self._trimmed(regularised)
        if objective.sigreg_weight:
            terms["sigreg"] = sigreg(maps.mean((-2, -1)), generator)
            loss = loss + objective.sigreg_weight * terms["sigreg"]
        if objective.diversity_weight or objective.sharpness_weight:
            found = diversity_losses(maps, objective.wanted_entropy, objective.marginal)
            terms |= found._asdict()
            loss = loss + objective.diversity_weight * found.shortfall
            loss = loss + objective.sharpness_weight * found.blur
        if objective.cross_sample_weight:
            terms["variance"] = cross_sample_variance(maps)
            loss = loss - objective.cross_sample_weight * terms["variance"]
        if turned is not None:
            terms["equivariance"] = matched_mse(*turned.pick(encoded[:, which], extra))
            loss = loss + objective.equivariance_weight * terms["equivariance"]
        return loss, terms

    def _hidden(self, windows: Tensor, batch: CropBatch, rng: np.random.Generator) -> _Compared:
        """Return the hidden slices: at the context's own place, or displaced."""
        middle = windows.shape[1] // 2
        shift = 0 if self._objective.same_window else self._settings.sampler.view_shift
        turns = self._settings.sampler.symmetries
        second = self._second(batch, shift, turns, rng) if shift else batch
        return self._compared(windows[:, middle : middle + 1], batch, second, rng)

    def _turned(
        self, windows: Tensor, batch: CropBatch, rng: np.random.Generator
    ) -> tuple[_Compared | None, int]:
        """Return one of the context slices under another symmetry, and which it is of the four."""
        objective, sampler = self._objective, self._settings.sampler
        if not objective.equivariance_weight:
            return None, 0
        which = int(rng.integers(CrossSliceStudent.neighbours))
        z = which + (which >= windows.shape[1] // 2)
        shift = sampler.view_shift if objective.equivariance_shift else 0
        second = self._second(batch, shift, True, rng)
        return self._compared(windows[:, z : z + 1], batch, second, rng), which

    def _second(self, batch: CropBatch, shift: int, symmetries: bool, rng: np.random.Generator) -> CropBatch:
        multiple, trim = self._networks.encoder.multiple, self._objective.border_trim
        return second_views(batch, self._settings.sampler.crop, shift, multiple, symmetries, rng, trim)

    def _compared(
        self, windows: Tensor, first: CropBatch, second: CropBatch, rng: np.random.Generator
    ) -> _Compared:
        crop, device = self._settings.sampler.crop, self._networks.device
        found: Matches = matches(first, second, crop, _POINTS, self._objective.border_trim, rng)
        places = (found.first, found.second, np.flatnonzero(found.valid))
        a, b, valid = (device.to_device(torch.from_numpy(part)) for part in places)
        return _Compared(cut_views(windows, second, crop), a, b, valid)

    def _sides(self, hidden: _Compared, predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return both sides of the prediction, cut to what both see."""
        if self._objective.same_window:
            return self._trimmed(predicted), self._trimmed(target)
        return hidden.pick(predicted, target)

    def _trimmed(self, maps: Tensor) -> Tensor:
        trim = self._objective.border_trim
        return maps[..., trim:-trim, trim:-trim] if trim else maps
