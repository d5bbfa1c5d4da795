"""Training by masked cluster prediction: targets, codebooks, generations."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.core.beating import beating
from napari_dense_ssl.core.events import Beat, Event, Noted
from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import draws, objective_of
from napari_dense_ssl.engine.schedule import generation_span
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model import DenseEncoder, pretrained
from napari_dense_ssl.model.filter_bank import filter_bank, filter_bank_3d, gaussian
from napari_dense_ssl.model.surroundings import shares_around
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.objective.codebook import (
    Codebook,
    codebook_of,
    fit_codebook,
    fit_linear_head,
    fit_logistic_head,
)
from napari_dense_ssl.objective.discriminants import discriminant_codebook
from napari_dense_ssl.objective.masked_clusters import masked_losses
from napari_dense_ssl.objective.settings import MaskedClustersSettings
from napari_dense_ssl.sampling.crops import CropBatch, CropSampler
from napari_dense_ssl.sampling.portion import Portion
from napari_dense_ssl.sampling.views import block_masks, cut_views, hide, own_slices, photometric

_RIM = 8
"""Pixels at a window's edge that give no target: filters and teacher see only one side there."""

_MOST_REACH = 6
"""Slices on either side that three-dimensional filters look at; beyond, they are cut off."""

_NONE = 255
"""Code of pixels that have none; there are at most 254 classes."""

_FINAL, _QUICK = 2, 8
"""Classes are read with a fit to codebook_pixels divided by this, before a save and before a live map."""

_PARTS = 4
"""In how many parts a batch is looked at when a codebook is fitted."""

_PIXELS_A_WINDOW = 2048
"""Pixels of a window that a codebook is fitted to; neighbours say little that is new."""


def target_reach(settings: TrainSettings) -> int:
    """Return how many slices on either side the hand-made targets look at, the encoder's being decided."""
    objective, encoder = settings.objective, settings.encoder
    if not isinstance(objective, MaskedClustersSettings) or encoder.slices in (None, 1):
        return 0
    return min(_MOST_REACH, math.ceil(2.5 * max(objective.sigmas) / encoder.slice_step))


@dataclass(frozen=True)
class _Sampled:
    """Which pixels of windows were sampled.

    Attributes
    ----------
    images : Tensor, shape (B, C, Y, X)
        The encoder's input, clean, on the host.
    taken : list of ndarray
        Of each window, pixels inside the rim, counted row by row.
    """

    images: Tensor
    taken: list[np.ndarray[Any, Any]]

    @classmethod
    def drawn(cls, images: Tensor, rng: np.random.Generator) -> _Sampled:
        count = (images.shape[-2] - 2 * _RIM) * (images.shape[-1] - 2 * _RIM)
        size = min(_PIXELS_A_WINDOW, count)
        return cls(images, [rng.choice(count, size, replace=False) for _ in images])

    def of(self, maps: Tensor) -> list[np.ndarray[Any, Any]]:
        """Return the pixels (P, D) of each of the maps (B, D, Y, X), on the host."""
        inside = maps[..., _RIM:-_RIM, _RIM:-_RIM].flatten(2).transpose(1, 2).cpu().numpy()
        return [pixels[take] for pixels, take in zip(inside, self.taken, strict=True)]


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
        sampler: Callable[[int], CropSampler],
    ) -> None:
        self._settings, self._networks = settings, networks
        self._objective = objective_of(settings, MaskedClustersSettings)
        self._sampler = sampler
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
        samples, embedding, _ = yield from self._pixels(teacher, seed, wanted, self._read_student)
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

    def _fit(
        self, samples: np.ndarray[Any, Any], embedding: np.ndarray[Any, Any], generation: int
    ) -> tuple[Codebook, Tensor, Tensor]:
        """Return the codebook of a generation, and a head that tells its codes from the embedding."""
        classes, seed = self._settings.classes, self._settings.seed + generation
        groups = self._widths(generation > 0, samples.shape[1])
        codebook = fit_codebook(samples, classes, seed, groups=groups)
        codebook = self._refined(codebook, samples, groups, seed)
        return codebook, *fit_linear_head(embedding, codebook.codes(samples), classes)

    def _refined(
        self, codebook: Codebook, samples: np.ndarray[Any, Any], groups: tuple[int, ...], seed: int
    ) -> Codebook:
        """Return a codebook of these groups of features, refined in the space of its discriminants."""
        width = samples.shape[1]
        # The filters have a vote of their own: among the learned features, which say more of the kind of
        # tissue, fine structures are lost (docs/learning.md).
        views = [slice(0, width)] if len(groups) == 1 else [slice(0, width), slice(width - groups[-1], width)]
        return discriminant_codebook(samples, codebook, views, self._objective.discriminant_rounds, seed)

    def _widths(self, with_learned: bool, channels: int) -> tuple[int, ...]:
        """Return how many of what is clustered was learned, is pretrained, and are filters."""
        learned = (self._settings.encoder.features,) if with_learned else ()
        borrowed = (pretrained.CHANNELS,) if self._objective.pretrained else ()
        return *learned, *borrowed, channels - sum(learned) - sum(borrowed)

    def progress(self, fraction: float) -> float:
        """Return the share of the present generation that is over."""
        _, start, stop = generation_span(self._objective, fraction)
        return (fraction - start) / (stop - start)

    def ready(self, batch: CropBatch, sampler: CropSampler) -> Iterator[Event]:
        """Compute the targets of a batch, for whole planes of its blocks, which later batches use too."""
        for key in [key for key in self._codes if key[0] < batch.oldest]:
            del self._codes[key]
        for block, box in zip(batch.blocks, batch.boxes, strict=True):
            key = (block.index, box.start[0])
            if key not in self._codes:
                stack = torch.from_numpy(sampler.plane(block, box.start[0]))[None]
                features = yield from self._features(stack, self._teacher)
                self._codes[key] = self._assign(features)

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
        """Fit what classes are read with: from clean images, and from the filters too.

        Classes are one more generation, which nothing is trained for: clusters of what has been learned up to
        now, that begin from the codes that the student tells. Training hides and changes what the student
        sees; its own head is as unsure as that makes it. What is fitted is a function of the weights, the
        seed and the step alone, and training depends on none of it.

        Then, after some hundred steps, the clusters are refined once more, with the shares of classes around
        each pixel, as they were told so far, and the features there beside what is known of the pixel itself.
        [1]_ feeds a classifier of pixels its own output around them in the same way; here no label is asked
        for, and what is read afterwards is again what is known of the pixel alone.

        References
        ----------
        .. [1] Tu, "Auto-context and Its Application to High-level Vision Tasks", CVPR 2008.
        """
        if self._codebook is None:
            return
        seed = self._settings.seed + 1_000_003 * (step + 1)
        wanted = self._objective.codebook_pixels // (_QUICK if quick else _FINAL)
        teacher = self._networks.averaged_encoder
        samples, read, sampled = yield from self._pixels(teacher, seed, wanted, self._read_clean)
        groups = self._widths(True, samples.shape[1])
        head = self._networks.encoder.head
        with torch.no_grad():
            features = torch.from_numpy(read[:, : head.in_channels]).to(head.weight.device)
            codes = F.linear(features, head.weight[..., 0, 0], head.bias).argmax(dim=1).cpu().numpy()
        codes, readout = yield from beating(lambda: self._fit_readout(samples, read, codes, groups, seed))
        self._networks.write_readout(*readout)
        if self._objective.surroundings and step >= self._objective.surroundings_after:
            around = (yield from self._surroundings(sampled))[: len(samples)]
            # Filters come last; see _refined().
            samples = np.concatenate([around, samples], axis=1)
            groups = self._settings.classes, self._settings.encoder.features, *groups
            _, readout = yield from beating(lambda: self._fit_readout(samples, read, codes, groups, seed))
            self._networks.write_readout(*readout)

    def _fit_readout(
        self,
        samples: np.ndarray[Any, Any],
        read: np.ndarray[Any, Any],
        codes: np.ndarray[Any, Any],
        groups: tuple[int, ...],
        seed: int,
    ) -> tuple[np.ndarray[Any, Any], tuple[Tensor, Tensor]]:
        """Return clusters of samples (N, D) that begin from codes (N,), as codes (N,), and a head for them.

        The head tells them from what is read there (N, D').
        """
        classes = self._settings.classes
        codebook = self._refined(codebook_of(samples, codes, classes, groups), samples, groups, seed)
        codes = codebook.codes(samples)
        return codes, fit_logistic_head(read, codes, classes)

    def _surroundings(self, sampled: list[_Sampled]) -> Generator[Event, None, np.ndarray[Any, Any]]:
        """Yield beats; return what lies around the pixels that were sampled, shape (N, K + D).

        Square roots of the shares of classes, whose Euclidean distance is Hellinger's, then the feature
        pyramid, blurred twice as far.
        """
        networks, sigma, classes = self._networks, self._objective.surroundings, self._settings.classes
        encoder = networks.averaged_encoder
        found: list[np.ndarray[Any, Any]] = []
        for part in sampled:
            images = networks.device.to_device(part.images).contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), networks.device.autocast():
                codes = encoder(images).logits.argmax(dim=1)
                pyramid = encoder.pyramid(images).float()  # (B, D, Y / 2, X / 2)
            blurred = gaussian(pyramid, sigma)  # of its pixels, which are two of the image
            wide = F.interpolate(blurred, scale_factor=2, mode="bilinear", align_corners=False)
            found += part.of(torch.cat([shares_around(codes, classes, sigma).sqrt(), wide], dim=1))
            yield Beat()
        return np.concatenate(found)

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

    def _features(self, stack: Tensor, teacher: DenseEncoder | None) -> Generator[Event, None, Tensor]:
        """Yield beats; return what is clustered: what a teacher has learned, if there is one, and filters.

        Parameters
        ----------
        stack : Tensor, shape (B, N, Y, X)
            Clean slices with their neighbours, on the host.

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
        views = Symmetry.all()[:: 8 // self._objective.teacher_views]
        for symmetry in views:
            with torch.no_grad(), networks.device.autocast():
                image = turned(clean, symmetry).contiguous(memory_format=torch.channels_last)
                # The pyramid rather than the last features, which are bent to the codes before.
                pyramid = turned(teacher.pyramid(image), symmetry.inverse).float()
            total = pyramid if total is None else total + pyramid
            yield Beat()
        assert total is not None  # there is one view at least
        mean = F.interpolate(total / len(views), scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat([mean[..., :height, :width], *groups], dim=1)

    def _pretrained(self, images: Tensor) -> Tensor:
        """Return the features (B, D, Y, X) of images (B, 1, Y, X) that need no training."""
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % pretrained.MULTIPLE, 0, -height % pretrained.MULTIPLE), "reflect")
        device = self._networks.device
        with torch.no_grad(), device.autocast():
            maps: Tensor = pretrained.pretrained_features(device.torch_device)(padded)
        return maps[..., :height, :width]

    def _assign(self, features: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the codes of a plane's features (1, D, Y, X): shape (Y, X), _NONE along the rim."""
        assert self._codebook is not None  # prepare() comes first
        codes = self._codebook.assign(features)[0].to(torch.uint8).cpu().numpy()
        targets = np.full_like(codes, _NONE)
        targets[_RIM:-_RIM, _RIM:-_RIM] = codes[_RIM:-_RIM, _RIM:-_RIM]
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

    def _read_clean(self, stack: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        """Return what classes are read from, of clean windows (B, N, Y, X)."""
        encoder = self._networks.averaged_encoder
        images = own_slices(stack, encoder.slices // 2)
        return encoder.readout(images.contiguous(memory_format=torch.channels_last))

    def _pixels(
        self,
        teacher: DenseEncoder | None,
        seed: int,
        wanted: int,
        read: Callable[[Tensor, np.random.Generator, torch.Generator], Tensor],
    ) -> Generator[Event, None, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[_Sampled]]]:
        """Yield beats; return what is clustered (N, D), what was read there (N, D'), and where that was."""
        networks = self._networks
        rng = np.random.default_rng((seed, 3))
        generator = torch.Generator(networks.device.torch_device)
        generator.manual_seed(int(rng.integers(2**62)))
        networks.averaged_encoder.eval()
        targets: list[np.ndarray[Any, Any]] = []
        found: list[np.ndarray[Any, Any]] = []
        sampled: list[_Sampled] = []
        with self._sampler(seed) as sampler:
            step = 0
            while sum(len(pixels) for pixels in targets) < wanted:
                for window in np.array_split(sampler.batch(step).windows, _PARTS):
                    stack = torch.from_numpy(window)
                    features = yield from self._features(stack, teacher)
                    with torch.no_grad(), networks.device.autocast():
                        values = read(networks.device.to_device(stack), rng, generator).float()
                    sampled.append(_Sampled.drawn(own_slices(stack, networks.encoder.slices // 2), rng))
                    for pixels in sampled[-1].of(torch.cat([features, values], dim=1)):  # (P, D + D')
                        targets.append(pixels[:, : features.shape[1]])
                        found.append(pixels[:, features.shape[1] :])
                    yield Beat()
                step += 1
        return np.concatenate(targets)[:wanted], np.concatenate(found)[:wanted], sampled
