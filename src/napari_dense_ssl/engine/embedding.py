"""Classes for an encoder that learns an embedding: k-means, written into its linear head."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_dense_ssl.core.beating import beating
from napari_dense_ssl.core.events import Beat, Event
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import OneSpan, SamplerFactory, objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.objective.codebook import Codebook, fit_codebook
from napari_dense_ssl.objective.settings import EmbeddingSettings
from napari_dense_ssl.objective.soft_classes import soft_classes

_RIM = 8
"""Pixels at a window's edge that are left out: features see only one side there."""

_PIXELS_A_WINDOW = 1024
"""Pixels that are taken from a window; neighbours say little that is new."""

_QUICK_PIXELS = 8192
"""Pixels that the classes of a live map are fitted to."""


class Embedding(OneSpan):
    """An objective that learns an embedding; K classes are fitted to it whenever they are asked for.

    What is fitted is a function of the weights, the seed and the step alone, and nothing in training
    depends on it: a run that was stopped and resumed ends with the classes of one that was not.

    Parameters
    ----------
    settings : TrainSettings
        Its objective's are ``EmbeddingSettings``.
    networks : Networks
    sampler : callable
        Makes a sampler of the same region from a seed.
    """

    def __init__(self, settings: TrainSettings, networks: Networks, sampler: SamplerFactory) -> None:
        super().__init__(settings, networks, sampler)
        self._shown: Codebook | None = None

    def settle(self, step: int, *, quick: bool = False) -> Iterator[Event]:
        """Fit the classes to the averaged encoder's embedding and write them into the head.

        Parameters
        ----------
        step : int
            Decides, with the seed, which pixels.
        quick : bool
            Few pixels, beginning with the classes of last time, so that a live map keeps its colours.
        """
        settings, networks = self._settings, self._networks
        objective = objective_of(settings, EmbeddingSettings)
        wanted = min(objective.codebook_pixels, _QUICK_PIXELS) if quick else objective.codebook_pixels
        seed = settings.seed + 1_000_003 * (step + 1)
        samples = yield from embedded_pixels(networks, self._sampler, seed, wanted)
        start = self._shown if quick else None
        codebook = yield from beating(lambda: fit_codebook(samples, settings.classes, settings.seed, start))
        # All ranks go on with the first one's centres.
        self._shown = networks.share_codebook(codebook)
        pixels = networks.device.to_device(
            torch.from_numpy(samples[:: -(-len(samples) // _QUICK_PIXELS)].copy())
        )
        networks.write_head(*soft_classes(self._shown, pixels, objective.confidence))


def embedded_pixels(
    networks: Networks, sampler: SamplerFactory, seed: int, wanted: int
) -> Generator[Event, None, np.ndarray[Any, np.dtype[np.float32]]]:
    """Yield beats; return the averaged encoder's features of pixels all over the region, shape (N, D)."""
    rng = np.random.default_rng((seed, 3))
    encoder = networks.averaged_encoder.eval()
    chosen: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    found = 0
    with sampler(seed) as crops:
        step = 0
        while found < wanted:
            windows = crops.batch(step).middle
            step += 1
            for some in np.array_split(windows, max(1, len(windows) // 4)):
                for pixels in _features(networks, encoder, some):
                    take = min(_PIXELS_A_WINDOW, len(pixels), wanted - found)
                    chosen.append(pixels[rng.choice(len(pixels), take, replace=False)])
                    found += take
                yield Beat()
                if found >= wanted:
                    break
    return np.concatenate(chosen)


def _features(
    networks: Networks, encoder: Any, windows: np.ndarray[Any, Any]
) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Return the features of each window's pixels, shape (Y X, D), off its rim."""
    with torch.no_grad(), networks.device.autocast():
        images = networks.device.to_device(torch.from_numpy(windows.copy()))
        features: Tensor = encoder.features(images.contiguous(memory_format=torch.channels_last)).float()
    inner = features[..., _RIM:-_RIM, _RIM:-_RIM].flatten(2).transpose(1, 2)  # (B, Y X, D)
    return list(inner.cpu().numpy())
