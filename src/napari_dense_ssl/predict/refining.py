"""Training the encoder itself a little on the scribbles: what a fixed embedding cannot tell, it can learn."""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.model.averaging import ema_teacher
from napari_dense_ssl.model.device import Device
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.predict.classifier import Classifier
from napari_dense_ssl.predict.prior import class_areas, doubt
from napari_dense_ssl.predict.probe_encoder import ProbeEncoder
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.refining_windows import RefiningWindows
from napari_dense_ssl.sampling.views import photometric

_BATCH = 8
_DECAY = 0.97
"""Of the average of the weights: the last 30 steps or so."""

_SUPERVISED = 20
"""Steps before the network learns from its own average too, which has to have learned something first."""

_SURE = 0.6
"""Probability from which the average is believed."""

_RIM = 8
"""Pixels at a crop's edge that are not learned from: the network sees only one side there."""

_AREAS_EVERY = 10
_AREAS_KEEP = 0.7


@dataclass(frozen=True)
class Refined:
    """What came of it.

    Attributes
    ----------
    encoder : DenseEncoder
        A refined copy of the run's, in evaluation mode.
    classifier : Classifier
        Linear in embedding and filters, fitted with it; all classes are equally common to it.
    """

    encoder: DenseEncoder
    classifier: Classifier


class _Network(nn.Module):
    """Encoder and linear classifier of standardised features."""

    def __init__(
        self, encoder: DenseEncoder, probe: ProbeSettings, classifier: Classifier, spread: NDArray[np.float64]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self._probe = probe
        weight, bias = classifier.layers[-1]
        device = next(encoder.parameters()).device
        self.weight = nn.Parameter(torch.tensor(weight * spread, dtype=torch.float32, device=device))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float32, device=device))
        self.scale: Tensor
        self.register_buffer("scale", torch.tensor(1 / spread, dtype=torch.float32, device=device))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, C, Y, X) of images (B, S, Y, X)."""
        _, features = ProbeEncoder(self.encoder, self._probe, len(self.bias))(images)
        weight = (self.weight * self.scale)[:, :, None, None]
        return F.conv2d(features, weight, self.bias)

    def classifier(self) -> Classifier:
        """Return what the features are read with."""
        weight = (self.weight * self.scale).detach().double().cpu().numpy()
        return Classifier(((weight, self.bias.detach().double().cpu().numpy()),))


def refine(
    encoder: ProbeEncoder,
    device: Device,
    windows: RefiningWindows,
    start: Classifier,
    spread: NDArray[np.float64],
    areas: NDArray[np.float64],
    settings: ProbeSettings,
) -> Generator[Beat, None, Refined]:
    """Train a copy of an encoder on scribbled pixels, and on what its own average is sure of.

    The loss is the cross-entropy of the scribbled pixels of a crop, each class weighing the same, and that
    of all its pixels against the averaged network's posterior of the same crop unturned and unchanged, where
    its greatest probability is above .6: the mean teacher [1]_ with the confident pseudo-labels and the
    weak and strong views of FixMatch [2]_. Both posteriors are those under half of the estimated class areas
    (in logarithms), as the segmentation itself takes them; the areas are estimated anew as it learns.

    Parameters
    ----------
    encoder : ProbeEncoder
        Of a run, whose network stays as it is.
    device : Device
    windows : RefiningWindows
        Where the scribbles are.
    start : Classifier
        One affine layer, of the features of :class:`ProbeEncoder`, with logits that are to be believed.
    spread : ndarray, shape (D,)
        Standard deviation of these features.
    areas : ndarray, shape (C,)
        Class areas as estimated so far.
    settings : ProbeSettings
        ``refine_steps`` and the seed.

    Yields
    ------
    Beat

    References
    ----------
    .. [1] Tarvainen & Valpola, "Mean teachers are better role models", NeurIPS 2017.
    .. [2] Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence",
       NeurIPS 2020.
    """
    if not isinstance(encoder.network, DenseEncoder):
        raise TypeError(f"cannot refine a {type(encoder.network).__name__}, expected a DenseEncoder")
    spread = np.maximum(spread, 1e-6)
    network = _Network(copy.deepcopy(encoder.network).requires_grad_(True), settings, start, spread)
    network.to(memory_format=torch.channels_last)
    average = ema_teacher(network, _DECAY)
    learned = [
        {"params": list(network.encoder.parameters()), "rate": settings.refine_rate},
        {"params": [network.weight, network.bias], "rate": 4 * settings.refine_rate},
    ]
    optimiser = torch.optim.AdamW(learned, weight_decay=0.05)
    rng = np.random.default_rng((settings.seed, 5))
    generator = torch.Generator(device.torch_device)
    generator.manual_seed(int(rng.integers(2**62)))
    weights = _class_weights(windows.counts, device)
    steps = settings.refine_steps
    for step in range(1, steps + 1):
        images, labels = windows.batch(_BATCH, rng)
        clean = device.to_device(torch.from_numpy(images)).contiguous(memory_format=torch.channels_last)
        taught = None
        if step > _SUPERVISED:
            taught = _posterior(average, clean, areas, device)
            yield Beat()
        symmetries = [Symmetry.all()[k] for k in rng.integers(0, 8, len(images))]
        views = photometric(_turned(clean, symmetries), 1.0, generator)
        truth = _turned(device.to_device(torch.from_numpy(labels))[:, None], symmetries)[:, 0]
        network.train()
        with device.autocast():
            logits = network(views.contiguous(memory_format=torch.channels_last)).float()
        yield Beat()
        loss = F.cross_entropy(logits, truth, weight=weights, ignore_index=-1)
        if taught is not None:
            loss = loss + _agreement(logits, _turned(taught, symmetries), areas)
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * min(1, step / 10) * (1 + np.cos(np.pi * step / steps)) / 2
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(network)
        yield Beat()
        if step % _AREAS_EVERY == 0:
            found = _areas(average, windows, device)
            areas = _AREAS_KEEP * areas + (1 - _AREAS_KEEP) * found
            yield Beat()
    final = average.module
    assert isinstance(final, _Network)  # what was averaged
    return Refined(final.encoder.eval(), final.classifier())


def _class_weights(counts: NDArray[np.int64], device: Device) -> Tensor:
    weights = 1.0 / counts
    return torch.tensor(weights / weights.mean(), dtype=torch.float32, device=device.torch_device)


def _turned(maps: Tensor, symmetries: list[Symmetry]) -> Tensor:
    return torch.cat([turned(maps[k : k + 1], symmetry) for k, symmetry in enumerate(symmetries)])


@torch.no_grad()
def _posterior(network: nn.Module, images: Tensor, areas: NDArray[np.float64], device: Device) -> Tensor:
    """Return the posterior (B, C, Y, X) under half of the class areas."""
    network.eval()
    with device.autocast():
        logits = network(images).float()
    posterior: Tensor = (logits + _half(areas, logits)).softmax(1)
    return posterior


def _half(areas: NDArray[np.float64], logits: Tensor) -> Tensor:
    return 0.5 * torch.tensor(areas, dtype=torch.float32, device=logits.device).log()[None, :, None, None]


def _agreement(logits: Tensor, taught: Tensor, areas: NDArray[np.float64]) -> Tensor:
    """Return the cross-entropy against the average's posterior, where that is sure, in nats a pixel."""
    cost = -(taught * (logits + _half(areas, logits)).log_softmax(1)).sum(1)
    sure = taught.amax(1) > _SURE
    mean: Tensor = (cost * sure)[:, _RIM:-_RIM, _RIM:-_RIM].mean()
    return mean


@torch.no_grad()
def _areas(network: nn.Module, windows: RefiningWindows, device: Device) -> NDArray[np.float64]:
    """Estimate how common the classes are where nothing is scribbled."""
    network.eval()
    images = device.to_device(torch.from_numpy(windows.unlabelled))
    with device.autocast():
        logits = network(images.contiguous(memory_format=torch.channels_last)).float()
    rows = logits[:, :, _RIM:-_RIM:4, _RIM:-_RIM:4].movedim(1, -1).flatten(0, 2)  # (B, C, Y, X) -> (N, C)
    return class_areas(rows.double().cpu().numpy(), doubt(windows.counts))
