"""What training asks of an objective, and what most objectives answer alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_dense_ssl.core.events import Event
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.sampling.crops import CropBatch, CropSampler

SamplerFactory = Callable[[int], CropSampler]
"""Makes a sampler of the training's region from a seed."""

Settings = TypeVar("Settings")


class Pretext(Protocol):
    """An objective in training: made from (settings, networks, sampler factory).

    Attributes
    ----------
    divisible : bool
        Whether a batch may go through in parts where memory is short. Not where statistics of the whole
        batch are compared: over a part they would be other statistics.
    """

    divisible: bool

    def prepare(self, fraction: float) -> Iterator[Event]:
        """Do what is due before the next step, at a share of the budget used."""

    def progress(self, fraction: float) -> float:
        """Return the share, 0 to 1, of the present span over which the learning rate rises and falls."""

    def ready(self, batch: CropBatch, sampler: CropSampler) -> Iterator[Event]:
        """Compute what the losses of a batch need and later batches use too."""

    def losses(self, batch: CropBatch, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to be minimised and its terms by name, for a part of a batch.

        Whatever is drawn is a function of the seed, the step and the part, drawn for the crops of all
        processes (:class:`~napari_dense_ssl.sampling.portion.Portion`); the loss is that of all their crops
        (:mod:`napari_dense_ssl.objective.sharing`).
        """

    def settle(self, step: int, *, quick: bool = False) -> Iterator[Event]:
        """Bring the encoder's classes up to date, before it is saved, or (quickly) shown."""

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return (values, weights) that a checkpoint keeps besides the networks."""

    def restore(self, values: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned."""


class OneSpan:
    """An objective that stays the same from the first step to the last, and has no state of its own.

    Parameters
    ----------
    settings : TrainSettings
    networks : Networks
    sampler : callable
        Makes a sampler of the same region from a seed.
    """

    divisible = False

    def __init__(self, settings: TrainSettings, networks: Networks, sampler: SamplerFactory) -> None:
        self._settings, self._networks, self._sampler = settings, networks, sampler

    def prepare(self, fraction: float) -> Iterator[Event]:
        """Do nothing."""
        return iter(())

    def progress(self, fraction: float) -> float:
        """Return the share of the training that is over."""
        return fraction

    def ready(self, batch: CropBatch, sampler: CropSampler) -> Iterator[Event]:
        """Do nothing."""
        return iter(())

    def settle(self, step: int, *, quick: bool = False) -> Iterator[Event]:
        """Do nothing: the head is what is trained."""
        return iter(())

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return nothing: all there is are the networks."""
        return {}, {}

    def restore(self, values: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """Do nothing."""

    def _draws(self, step: int, part: slice) -> tuple[np.random.Generator, torch.Generator]:
        """Return the sources of all that a part of a step draws."""
        return draws(self._settings, self._networks, step, part)


def draws(
    settings: TrainSettings, networks: Networks, step: int, part: slice
) -> tuple[np.random.Generator, torch.Generator]:
    """Return the sources of all that a part of a step draws, on the CPU and on the device.

    All processes have the same, and draw for all crops of the part.
    """
    rng = np.random.default_rng((settings.seed, 2, step, networks.world * part.start, 0))
    generator = torch.Generator(networks.device.torch_device)
    generator.manual_seed(int(rng.integers(2**62)))
    return rng, generator


def objective_of(settings: TrainSettings, kind: type[Settings]) -> Settings:
    """Return the objective's settings, which are of that class; raises TypeError where they are not."""
    if not isinstance(settings.objective, kind):
        raise TypeError(f"the objective is {settings.objective.kind!r}, expected {kind.__name__}")
    return settings.objective
