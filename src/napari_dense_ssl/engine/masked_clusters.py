"""Training by masked cluster prediction: targets, codebooks, generations."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_dense_ssl.core.beating import beating
from napari_dense_ssl.core.events import Event, Noted
from napari_dense_ssl.engine.clustered_pixels import RIM, Array, ClusteredPixels
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import SamplerFactory, draws, objective_of
from napari_dense_ssl.engine.readout import Readout
from napari_dense_ssl.engine.schedule import generation_span
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model import DenseEncoder
from napari_dense_ssl.objective.codebook import Codebook, fit_codebook, fit_linear_head
from napari_dense_ssl.objective.masked_clusters import masked_losses
from napari_dense_ssl.objective.settings import MaskedClustersSettings
from napari_dense_ssl.sampling.crops import CropBatch, CropSampler
from napari_dense_ssl.sampling.portion import Portion
from napari_dense_ssl.sampling.views import block_masks, cut_views, hide, own_slices, photometric

_MOST_REACH = 6
"""Slices on either side that three-dimensional filters look at; beyond, they are cut off."""

_NONE = 255
"""Code of pixels that have none; there are at most 254 classes."""


def target_reach(settings: TrainSettings) -> int:
    """Return how many slices on either side the hand-made targets look at, the encoder's being decided."""
    objective, encoder = settings.objective, settings.encoder
    if not isinstance(objective, MaskedClustersSettings) or encoder.slices in (None, 1):
        return 0
    return min(_MOST_REACH, math.ceil(2.5 * max(objective.sigmas) / encoder.slice_step))


class MaskedClusters:
    """The pretext task of the default recipe (``docs/learning.md``).

    Parameters
    ----------
    settings : TrainSettings
        Its objective is of the kind ``masked-clusters``.
    networks : Networks
        Student, its average, device.
    sampler : callable
        Makes a sampler of the same region from a seed, for fitting codebooks.
    """

    divisible = True

    def __init__(
        self,
        settings: TrainSettings,
        networks: Networks,
        sampler: SamplerFactory,
    ) -> None:
        self._settings, self._networks = settings, networks
        self._objective = objective_of(settings, MaskedClustersSettings)
        self._pixels = ClusteredPixels(settings, networks, sampler)
        self._readout = Readout(settings, networks, self._pixels)
        self._generation = -1
        self._codebook: Codebook | None = None
        self._codes: dict[tuple[int, int], np.ndarray[Any, np.dtype[np.uint8]]] = {}
        self._teacher: DenseEncoder | None = None

    def prepare(self, fraction: float) -> Iterator[Event]:
        """Begin a new generation where one is due: fit its codebook, give the student a head for it.

        A run that goes on with a larger budget has used up a smaller share of it than before: it stays in
        its generation, whose targets are the better ones.
        """
        generation, _, _ = generation_span(self._objective, fraction)
        if generation <= self._generation:
            return
        if generation > 0:
            self._teacher = copy.deepcopy(self._networks.averaged_encoder).eval()
        seed = self._settings.seed + 1_000_003 * (generation + 1)
        wanted = self._objective.codebook_pixels
        teacher = self._teacher
        samples, embedding, _ = yield from self._pixels.sampled(teacher, seed, wanted, self._read_student)
        codebook, weight, bias = yield from beating(lambda: self._fit(samples, embedding, generation))
        # All ranks go on with the first one's centres.
        self._codebook = self._networks.share_codebook(codebook)
        self._networks.renew_head(weight, bias)
        self._generation = generation
        self._codes.clear()
        source = "a filter bank of the image" if generation == 0 else "what the network has learned so far"
        yield Noted(
            f"Generation {generation} begins: its targets are {self._settings.classes} clusters of {source}, "
            f"fitted to {len(samples):,} pixels."
        )

    def _fit(self, samples: Array, embedding: Array, generation: int) -> tuple[Codebook, Tensor, Tensor]:
        """Return the codebook of a generation, and a head that tells its codes from the embedding."""
        classes, seed = self._settings.classes, self._settings.seed + generation
        groups = self._pixels.groups(generation > 0, samples.shape[1])
        codebook = fit_codebook(samples, classes, seed, groups=groups)
        codebook = self._pixels.refined(codebook, samples, groups, seed)
        return codebook, *fit_linear_head(embedding, codebook.codes(samples), classes)

    def progress(self, fraction: float) -> float:
        """Return the share of the present generation that is over."""
        _, start, stop = generation_span(self._objective, fraction)
        return (fraction - start) / (stop - start)

    def ready(self, batch: CropBatch, sampler: CropSampler) -> Iterator[Event]:
        """Compute the targets of a batch, for whole planes of its blocks, which later batches use too.

        Processes that train together compute a share of the planes each, and all get all.
        """
        for key in [key for key in self._codes if key[0] < batch.oldest]:
            del self._codes[key]
        wanted = {(block.index, z): block for block, z in batch.slices}
        missing = [key for key in wanted if key not in self._codes]
        if not missing:
            return
        own = {}
        for key in missing[self._networks.rank :: self._networks.world]:
            stack = torch.from_numpy(sampler.plane(wanted[key], key[1]))[None]
            features = yield from self._pixels.features(stack, self._teacher)
            own[key] = self._assign(features)
        for found in self._networks.processes.exchanged(own):
            self._codes |= found

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to be minimised and its terms, for a part of a batch that is :meth:`ready`.

        Parameters
        ----------
        batch : CropBatch
        step : int
            Decides, with the seed, what is drawn.
        part : slice
            Which crops of the batch.
        """
        networks, objective, crop = self._networks, self._objective, self._settings.sampler.crop
        batch = batch.part(part)
        rng, generator = draws(self._settings, networks, step, part)
        phase = (int(rng.integers(2)), int(rng.integers(2)))

        windows = networks.device.to_device(torch.from_numpy(batch.windows))  # (B, N, R, R)
        targets = networks.device.to_device(torch.from_numpy(self._targets(batch)))  # (B, R, R)
        codes = cut_views(targets[:, None], batch, crop)[:, 0]  # (B, S, S)
        codes = codes[:, phase[0] :: 2, phase[1] :: 2].long()
        codes = torch.where(codes == _NONE, -1, codes)
        context = self._settings.context
        reach = context or networks.encoder.slices // 2
        views = cut_views(own_slices(windows, reach), batch, crop)  # (B, C, S, S)
        middle, count = context, batch.portion.total
        hidden_ones, seen_ones = batch.portion.split(
            round(objective.across_share * count) if self._settings.context else 0
        )
        across = len(hidden_ones)  # of this process; of all processes there are hidden_ones.total

        images, masks = self._student_input(views[across:], rng, generator, seen_ones)
        terms: dict[str, Tensor] = {}
        total = windows.new_zeros(())
        if seen_ones.total:
            logits = self._logits(images, None, phase)
            found = masked_losses(logits, codes[across:], masks[:, phase[0] :: 2, phase[1] :: 2])
            total = found.hidden + objective.seen_weight * found.seen
            terms |= found._asdict()
        if hidden_ones.total:
            neighbours = torch.cat([views[:across, :middle], views[:across, middle + 1 :]], dim=1)
            # One change of contrast for all slices of a stack, as one microscope session would make it.
            strength = self._settings.sampler.photometric
            neighbours = photometric(neighbours, strength, generator, hidden_ones)
            logits = self._logits(views[:across, middle : middle + 1], neighbours, phase)
            hidden = torch.ones_like(codes[:across], dtype=torch.bool)
            terms["across"] = masked_losses(logits, codes[:across], hidden).hidden
            total = total + terms["across"]
        return total, terms

    def _logits(self, images: Tensor, neighbours: Tensor | None, phase: tuple[int, int]) -> Tensor:
        """Return the student's logits (B, K, Y / 2, X / 2); the network is not asked where B is 0."""
        if len(images) == 0:
            height, width = images.shape[-2] // 2, images.shape[-1] // 2
            return images.new_zeros((0, self._settings.classes, height, width))
        logits: Tensor = self._networks.student(images, neighbours, phase)
        return logits

    def _student_input(
        self,
        views: Tensor,
        rng: np.random.Generator,
        generator: torch.Generator,
        portion: Portion | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return what the student sees of clean views (B, N, Y, X), and where it sees noise instead."""
        objective = self._objective
        portion = Portion.all(len(views)) if portion is None else portion
        shape = portion.total, views.shape[-1], objective.mask_size, objective.mask_share
        masks = torch.from_numpy(portion.of(block_masks(*shape, rng))).to(views.device)
        images = own_slices(views, self._networks.encoder.slices // 2)
        images = photometric(images, self._settings.sampler.photometric, generator, portion)
        images = hide(images, masks, generator, portion)
        return images.contiguous(memory_format=torch.channels_last), masks

    def settle(self, step: int, *, quick: bool = False) -> Iterator[Event]:
        """Fit what classes are read with; training depends on none of it. Quickly: from fewer pixels."""
        if self._codebook is not None:
            yield from self._readout.fit(step, quick=quick)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return (values, weights) that a checkpoint keeps."""
        values: dict[str, Any] = {"generation": self._generation}
        if self._codebook is not None:
            values["codebook"] = self._codebook.state()
        weights = {} if self._teacher is None else self._teacher.state_dict()
        return values, {f"teacher.{name}": value for name, value in weights.items()}

    def restore(self, values: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned."""
        self._generation = int(values["generation"])
        device = self._networks.device.torch_device
        if "codebook" in values:
            self._codebook = Codebook(**values["codebook"]).to(device)
        mine = {k.removeprefix("teacher."): v for k, v in weights.items() if k.startswith("teacher.")}
        if mine:
            self._teacher = copy.deepcopy(self._networks.averaged_encoder).eval()
            self._teacher.load_state_dict(mine)

    def _assign(self, features: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the codes of a plane's features (1, D, Y, X): shape (Y, X), _NONE along the rim."""
        assert self._codebook is not None  # prepare() comes first
        codes = self._codebook.assign(features)[0].to(torch.uint8).cpu().numpy()
        targets = np.full_like(codes, _NONE)
        targets[RIM:-RIM, RIM:-RIM] = codes[RIM:-RIM, RIM:-RIM]
        return targets

    def _targets(self, batch: CropBatch) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the codes of the windows, shape (B, R, R)."""
        windows = []
        for block, box in zip(batch.blocks, batch.boxes, strict=True):
            (z, y, x), (_, y0, x0) = box.start, block.box.start
            _, height, width = box.shape
            codes = self._codes[block.index, z]
            windows.append(codes[y - y0 : y - y0 + height, x - x0 : x - x0 + width])
        return np.stack(windows)

    def _read_student(self, stack: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        """Return the features of what the student sees of clean windows (B, N, Y, X)."""
        images, _ = self._student_input(stack, rng, generator)
        return self._networks.averaged_encoder.features(images)
