"""What is clustered of an image's pixels, and how: for the targets of training, and for classes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.core.events import Beat, Event
from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import SamplerFactory, objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model import DenseEncoder, pretrained
from napari_dense_ssl.model.filter_bank import filter_bank, filter_bank_3d
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.objective.codebook import Codebook
from napari_dense_ssl.objective.discriminants import discriminant_codebook
from napari_dense_ssl.objective.settings import MaskedClustersSettings
from napari_dense_ssl.sampling.views import own_slices

Array = np.ndarray[Any, Any]

Read = Callable[[Tensor, np.random.Generator, torch.Generator], Tensor]
"""Returns maps (B, D, Y, X) of clean windows (B, N, Y, X), and draws what is drawn for it."""

RIM = 8
"""Pixels at a window's edge that give no target: filters and teacher see only one side there."""

_PARTS = 4
"""In how many parts a batch is looked at when a codebook is fitted."""

PIXELS_A_WINDOW = 2048
"""Pixels of a window that a codebook is fitted to; neighbours say little that is new."""


@dataclass(frozen=True)
class Sampled:
    """Which pixels of windows were sampled.

    Attributes
    ----------
    images : Tensor, shape (B, C, Y, X)
        The encoder's input, clean, on the host.
    taken : list of ndarray
        Of each window, pixels inside the rim, counted row by row.
    """

    images: Tensor
    taken: list[Array]

    @classmethod
    def drawn(cls, images: Tensor, rng: np.random.Generator, most: int) -> Sampled:
        """Draw pixels of windows (B, C, Y, X), of each at most so many."""
        count = (images.shape[-2] - 2 * RIM) * (images.shape[-1] - 2 * RIM)
        size = min(most, count)
        return cls(images, [rng.choice(count, size, replace=False) for _ in images])

    def of(self, maps: Tensor) -> list[Array]:
        """Return the pixels (P, D) of each of the maps (B, D, Y, X), on the host."""
        inside = maps[..., RIM:-RIM, RIM:-RIM].flatten(2).transpose(1, 2).cpu().numpy()
        return [pixels[take] for pixels, take in zip(inside, self.taken, strict=True)]


class ClusteredPixels:
    """The features that pixels are clustered by.

    Parameters
    ----------
    settings : TrainSettings
        Its objective is of the kind ``masked-clusters``.
    networks : Networks
    sampler : callable
        Makes a sampler of the training's region from a seed.
    """

    def __init__(self, settings: TrainSettings, networks: Networks, sampler: SamplerFactory) -> None:
        self._settings, self._networks, self._sampler = settings, networks, sampler
        self._objective = objective_of(settings, MaskedClustersSettings)

    def features(
        self, stack: Tensor, teacher: DenseEncoder | None, views: int | None = None
    ) -> Generator[Event, None, Tensor]:
        """Yield beats; return what is clustered: what a teacher has learned, if there is one, and filters.

        Parameters
        ----------
        stack : Tensor, shape (B, N, Y, X)
            Clean slices with their neighbours, on the host.
        teacher : DenseEncoder or None
        views : {1, 2, 4, 8}, optional
            Over how many symmetries of the images what was learned is averaged; ``objective.teacher_views``
            by default.

        Returns
        -------
        Tensor, shape (B, D, Y, X)
        """
        networks, slices = self._networks, self._networks.encoder.slices
        stack = networks.device.to_device(stack)
        with torch.no_grad():
            if slices > 1 and stack.shape[1] > 1:
                bank = filter_bank_3d(stack, self._settings.encoder.slice_step, self._objective.sigmas)
            else:
                bank = filter_bank(own_slices(stack, 0), self._objective.sigmas)
        groups = [bank]
        if self._objective.pretrained:
            groups.insert(0, self._pretrained(own_slices(stack, 0)))
            yield Beat()
        if teacher is None:
            return torch.cat(groups, dim=1)
        height, width = stack.shape[-2:]
        multiple = networks.encoder.multiple
        clean = F.pad(
            own_slices(stack, slices // 2), (0, -width % multiple, 0, -height % multiple), "reflect"
        )
        total: Tensor | None = None
        symmetries = Symmetry.all()[:: 8 // (views or self._objective.teacher_views)]
        for symmetry in symmetries:
            with torch.no_grad(), networks.device.autocast():
                image = turned(clean, symmetry).contiguous(memory_format=torch.channels_last)
                # The pyramid rather than the last features, which are bent to the codes before.
                pyramid = turned(teacher.pyramid(image), symmetry.inverse).float()
            total = pyramid if total is None else total + pyramid
            yield Beat()
        assert total is not None  # there is one view at least
        mean = F.interpolate(total / len(symmetries), scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat([mean[..., :height, :width], *groups], dim=1)

    def _pretrained(self, images: Tensor) -> Tensor:
        """Return the features (B, D, Y, X) of images (B, 1, Y, X) that need no training."""
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % pretrained.MULTIPLE, 0, -height % pretrained.MULTIPLE), "reflect")
        device = self._networks.device
        with torch.no_grad(), device.autocast():
            maps: Tensor = pretrained.pretrained_features(device.torch_device)(padded)
        return maps[..., :height, :width]

    def sampled(
        self,
        teacher: DenseEncoder | None,
        seed: int,
        wanted: int,
        read: Read,
        a_window: int = PIXELS_A_WINDOW,
        views: int | None = None,
    ) -> Generator[Event, None, tuple[Array, Array, list[Sampled]]]:
        """Yield beats; return what is clustered (N, D), what was read there (N, D'), and where that was.

        Parameters
        ----------
        teacher : DenseEncoder or None
            As for :meth:`features`.
        seed : int
            Of the places.
        wanted : int
            N, pixels.
        read : callable
            What else is read at the same pixels.
        a_window : int, optional
            Pixels of a window, at most.
        views : {1, 2, 4, 8}, optional
            As for :meth:`features`.
        """
        networks = self._networks
        rng = np.random.default_rng((seed, 3))
        generator = torch.Generator(networks.device.torch_device)
        generator.manual_seed(int(rng.integers(2**62)))
        networks.averaged_encoder.eval()
        targets: list[Array] = []
        found: list[Array] = []
        sampled: list[Sampled] = []
        with self._sampler(seed) as sampler:
            parts = (
                part
                for step in itertools.count()
                for part in np.array_split(sampler.batch(step).windows, _PARTS)
            )
            while sum(len(pixels) for pixels in targets) < wanted:
                stack = torch.from_numpy(next(parts))
                features = yield from self.features(stack, teacher, views)
                with torch.no_grad(), networks.device.autocast():
                    values = read(networks.device.to_device(stack), rng, generator).float()
                images = own_slices(stack, networks.encoder.slices // 2)
                sampled.append(Sampled.drawn(images, rng, a_window))
                for pixels in sampled[-1].of(torch.cat([features, values], dim=1)):  # (P, D + D')
                    targets.append(pixels[:, : features.shape[1]])
                    found.append(pixels[:, features.shape[1] :])
                yield Beat()
        return np.concatenate(targets)[:wanted], np.concatenate(found)[:wanted], sampled

    def groups(self, with_learned: bool, channels: int) -> tuple[int, ...]:
        """Return how many of what is clustered was learned, is pretrained, and are filters."""
        learned = (self._settings.encoder.features,) if with_learned else ()
        borrowed = (pretrained.CHANNELS,) if self._objective.pretrained else ()
        return *learned, *borrowed, channels - sum(learned) - sum(borrowed)

    def refined(
        self,
        codebook: Codebook,
        samples: Array,
        groups: tuple[int, ...],
        seed: int,
        votes: int = 1,
        around: int = 0,
    ) -> Codebook:
        """Return a codebook of these groups of features, refined in the space of its discriminants.

        Parameters
        ----------
        codebook : Codebook
            To begin with.
        samples : ndarray, shape (N, D)
        groups : tuple of int
            Widths of the groups of features; filters come last.
        seed : int
        votes : int, optional
            How often the distance in the filters' own discriminants counts beside that in those of all
            groups: among learned features, which say more of the kind of tissue, fine structures are lost
            (docs/learning.md).
        around : int, optional
            How many features, the first ones, are of what surrounds a pixel. Where there are any, the
            distance in the discriminants of the others, which are the pixel's own, counts
            ``objective.pixel_votes`` times beside: rare structures may go to what lies around them
            (docs/learning-log.md).
        """
        width = samples.shape[1]
        views, weights = [slice(0, width)], [1]
        if len(groups) > 1:
            views.append(slice(width - groups[-1], width))
            weights.append(votes)
        if around and self._objective.pixel_votes:
            views.append(slice(around, width))
            weights.append(self._objective.pixel_votes)
        rounds = self._objective.discriminant_rounds
        return discriminant_codebook(samples, codebook, views, rounds, seed, weights)
