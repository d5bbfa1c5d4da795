"""The audit while training goes on, which asks whether the classes are content or place by now."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.events import Event, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.engine.budget import Budget
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pace import Pace
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.evaluate import LightAudit, TorchEncode
from napari_dense_ssl.volume import Intensity, Volume

_SHARE = 0.04
"""Audits take at most this share of the time."""


class Audits:
    """Looks at the averaged encoder every :attr:`TrainSettings.audit_seconds`, and at the end.

    It draws from random numbers of its own and changes no weight: a run with audits learns bit for bit what
    it would learn without them.

    Parameters
    ----------
    settings : TrainSettings
    networks : Networks
        Only the first rank looks.
    volume : Volume
    region : Box
        What is trained on.
    intensity : Intensity
        What the training normalises with.
    budget : Budget
        Its clock, which pauses stop.
    """

    def __init__(
        self,
        settings: TrainSettings,
        networks: Networks,
        volume: Volume,
        region: Box,
        intensity: Intensity,
        budget: Budget,
    ) -> None:
        self._networks, self._budget = networks, budget
        encoder = networks.averaged_encoder
        self._facts = (volume, region, intensity, encoder.multiple)
        self._slices, self._seed = encoder.slices, settings.seed
        self._on = settings.audit_seconds > 0 and networks.rank == 0
        self._audit: LightAudit | None = None
        self._pace = Pace(settings.audit_seconds, _SHARE, budget.seconds)
        self._seen_step = -1

    @property
    def due(self) -> bool:
        """Whether it is time for the next look."""
        return self._on and self._pace.due(self._budget.seconds)

    def look(self, step: int) -> Iterator[Event]:
        """Yield beats, then ``Audited``; nothing where this step was looked at already or audits are off."""
        if not self._on or step == self._seen_step:
            return
        begun = self._budget.seconds
        try:
            if self._audit is None:
                self._audit = LightAudit(*self._facts, slices=self._slices, seed=self._seed)
            encode = TorchEncode(self._networks.averaged_encoder, self._networks.device)
            yield from self._audit.look(encode, step)
        except RegionError as error:
            self._on = False
            yield Noted(f"No audit during training: {error}")
        except torch.OutOfMemoryError:
            self._on = False
            yield Noted(
                "The device's memory has no room for the audit beside the training; audits are left out. "
                "Audit the run when it is done.",
                lasting=True,
            )
        else:
            self._pace.took(begun, self._budget.seconds)
            self._seen_step = step
