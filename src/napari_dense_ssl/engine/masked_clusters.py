"""Training by masked cluster prediction: targets, codebooks, generations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.core.events import Beat, Event, Noted
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import objective_of
from napari_dense_ssl.engine.schedule import generation_span
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model import DenseEncoder
from napari_dense_ssl.objective.codebook import Codebook, fit_codebook
from napari_dense_ssl.objective.filter_bank import filter_bank
from napari_dense_ssl.objective.masked_clusters import masked_losses
from napari_dense_ssl.objective.settings import MaskedClustersSettings
from napari_dense_ssl.sampling.crops import CropBatch, CropSampler
from napari_dense_ssl.sampling.views import block_masks, cut_views, hide, photometric

_RIM = 8
"""Pixels at a window's edge that give no target: filters and teacher see only one side there."""

_PIXELS_A_WINDOW = 1024
"""Pixels of a window that a codebook is fitted to; neighbours say little that is new."""


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
        self, settings: TrainSettings, networks: Networks, sampler: Callable[[int], CropSampler]
    ) -> None:
        self._settings, self._networks = settings, networks
        self._objective = objective_of(settings, MaskedClustersSettings)
        self._sampler = sampler
        self._generation = -1
        self._codebook: Codebook | None = None
        self._teacher: DenseEncoder | None = None

    def prepare(self, fraction: float) -> Iterator[Event]:
        """Begin a new generation where one is due: fit its codebook, give the student a head for it."""
        generation, _, _ = generation_span(self._objective, fraction)
        if generation == self._generation:
            return
        if generation > 0:
            self._teacher = copy.deepcopy(self._networks.averaged_encoder).eval()
        samples = yield from self._samples(generation)
        with ThreadPoolExecutor(1, thread_name_prefix="dense-ssl-codebook") as thread:
            fit = thread.submit(
                fit_codebook, samples, self._settings.classes, self._settings.seed + generation
            )
            while wait([fit], timeout=0.1).not_done:
                yield Beat()
        # All ranks go on with the first one's centres.
        self._codebook = self._networks.share_codebook(fit.result())
        if generation > 0:
            self._networks.renew_head(self._settings.seed + generation)
        self._generation = generation
        source = "a filter bank of the image" if generation == 0 else "what the network has learned so far"
        yield Noted(
            f"Generation {generation} begins: its targets are {self._settings.classes} clusters of {source}, "
            f"fitted to {len(samples):,} pixels."
        )

    def progress(self, fraction: float) -> float:
        """Return the share of the present generation that is over."""
        _, start, stop = generation_span(self._objective, fraction)
        return (fraction - start) / (stop - start)

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to be minimised and its terms, for a part of a batch.

        Parameters
        ----------
        batch : CropBatch
        step : int
            Decides, with the seed, what is drawn.
        part : slice
            Which crops of the batch.
        """
        networks, objective, crop = self._networks, self._objective, self._settings.sampler.crop
        batch = CropBatch(batch.windows[part], batch.offsets[part], batch.symmetries[part], batch.boxes[part])
        seed = (self._settings.seed, 2, step, part.start, networks.rank)
        rng = np.random.default_rng(seed)
        generator = torch.Generator(networks.device.torch_device)
        generator.manual_seed(int(rng.integers(2**62)))
        phase = (int(rng.integers(2)), int(rng.integers(2)))

        windows = networks.device.to_device(torch.from_numpy(batch.windows))  # (B, N, R, R)
        middle = windows.shape[1] // 2
        clean = windows[:, middle : middle + 1]
        codes = cut_views(self._targets(clean)[:, None], batch, crop)[:, 0]  # (B, S, S)
        codes = codes[:, phase[0] :: 2, phase[1] :: 2]
        views = cut_views(windows, batch, crop)  # (B, N, S, S)
        count = len(views)
        across = round(objective.across_share * count) if self._settings.context else 0

        masks = torch.from_numpy(
            block_masks(count - across, crop, objective.mask_size, objective.mask_share, rng)
        ).to(windows.device)
        images = photometric(
            views[across:, middle : middle + 1], self._settings.sampler.photometric, generator
        )
        images = hide(images, masks, generator).contiguous(memory_format=torch.channels_last)
        terms: dict[str, Tensor] = {}
        total = clean.new_zeros(())
        if count > across:
            logits = networks.student(images, None, phase)
            found = masked_losses(logits, codes[across:], masks[:, phase[0] :: 2, phase[1] :: 2])
            total = found.hidden + objective.seen_weight * found.seen
            terms |= found._asdict()
        if across:
            neighbours = torch.cat([views[:across, :middle], views[:across, middle + 1 :]], dim=1)
            # One change of contrast for all slices of a stack, as one microscope session would make it.
            neighbours = photometric(neighbours, self._settings.sampler.photometric, generator)
            logits = networks.student(views[:across, middle : middle + 1], neighbours, phase)
            hidden = torch.ones_like(codes[:across], dtype=torch.bool)
            terms["across"] = masked_losses(logits, codes[:across], hidden).hidden
            total = total + terms["across"]
        return total, terms

    def settle(self, step: int, *, quick: bool = False) -> Iterator[Event]:
        """Do nothing: the head is what is trained."""
        return iter(())

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

    def _features(self, clean: Tensor, generation: int) -> Tensor:
        """Return what the codebook of a generation clusters, shape (B, D, R, R)."""
        with torch.no_grad():
            if generation == 0:
                return filter_bank(clean, self._objective.sigmas)
            assert self._teacher is not None  # set when generation 1 began
            with self._networks.device.autocast():
                images = clean.contiguous(memory_format=torch.channels_last)
                # The pyramid rather than the last features, which are bent to the codes before.
                pyramid = self._teacher.pyramid(images).float()
            return F.interpolate(pyramid, scale_factor=2, mode="bilinear", align_corners=False)

    def _targets(self, clean: Tensor) -> Tensor:
        """Return the codes of clean windows (B, 1, R, R): shape (B, R, R), -1 along the rim."""
        assert self._codebook is not None  # prepare() comes first
        codes = self._codebook.assign(self._features(clean, self._generation))
        targets = torch.full_like(codes, -1)
        targets[:, _RIM:-_RIM, _RIM:-_RIM] = codes[:, _RIM:-_RIM, _RIM:-_RIM]
        return targets

    def _samples(self, generation: int) -> Generator[Event, None, np.ndarray[Any, Any]]:
        """Yield beats; return features of pixels from all over the region, shape (N, D)."""
        rng = np.random.default_rng((self._settings.seed, 3, generation))
        chosen: list[np.ndarray[Any, Any]] = []
        wanted = self._objective.codebook_pixels
        with self._sampler(self._settings.seed + 1_000_003 * (generation + 1)) as sampler:
            for step in range(10**6):
                batch = sampler.batch(step).middle
                for window in np.array_split(batch, max(1, len(batch) // 4)):
                    clean = self._networks.device.to_device(torch.from_numpy(window))
                    features = self._features(clean, generation)[..., _RIM:-_RIM, _RIM:-_RIM]
                    pixels = features.flatten(2).transpose(1, 2)  # (B, D, Y, X) -> (B, Y X, D)
                    for crop in pixels.cpu().numpy():
                        take = min(_PIXELS_A_WINDOW, len(crop))
                        chosen.append(crop[rng.choice(len(crop), take, replace=False)])
                    yield Beat()
                if sum(len(c) for c in chosen) >= wanted:
                    break
        return np.concatenate(chosen)[:wanted]
