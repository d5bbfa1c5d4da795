"""The live map: what is in view, every few seconds, and never more than its share of the time."""

from __future__ import annotations

from collections.abc import Generator

import torch

from napari_dense_ssl.core.events import Event, Noted
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.engine.budget import Budget
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pace import Pace
from napari_dense_ssl.engine.pretext import Pretext
from napari_dense_ssl.engine.previews import SMALLEST_WINDOW, WINDOWS, preview
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.volume import Intensity, Volume

SHARE = 0.05
"""Live maps take at most this share of the time."""


class LiveMaps:
    """Shows a window the classes of what it looks at; without a window, or a view, it costs nothing.

    Parameters
    ----------
    settings : TrainSettings
    networks : Networks
    pretext : Pretext
        Brings the classes up to date, quickly.
    volume : Volume
    intensity : Intensity
        What the training normalises with.
    watch : Watch or None
        Says what is in view.
    budget : Budget
        Its clock, which pauses stop.
    """

    def __init__(
        self,
        settings: TrainSettings,
        networks: Networks,
        pretext: Pretext,
        volume: Volume,
        intensity: Intensity,
        watch: Watch | None,
        budget: Budget,
    ) -> None:
        self._networks, self._pretext, self._budget = networks, pretext, budget
        self._volume, self._intensity, self._watch = volume, intensity, watch
        self._window = WINDOWS[networks.device.kind]
        self._pace = Pace(settings.preview_seconds, SHARE, budget.seconds)

    @property
    def due(self) -> bool:
        """Whether somebody looks, and it is time for the next map."""
        watched = self._watch is not None and self._watch.view() is not None
        return watched and self._pace.due(self._budget.seconds)

    def look(self) -> Generator[Event]:
        """Yield beats, then the map; where memory is short it is made in smaller tiles, or no more."""
        view = self._watch.view() if self._watch is not None else None
        begun, step = self._budget.seconds, self._budget.done
        try:
            if view is not None or self._networks.world > 1:  # all processes settle together
                yield from self._pretext.settle(step, quick=True)
            if view is None:
                return
            yield from preview(
                self._networks.averaged_encoder,
                self._networks.device,
                self._volume,
                self._intensity,
                view.box,
                step,
                self._window,
            )
        except torch.OutOfMemoryError:
            if self._networks.world > 1:  # the others would wait for this process
                raise
            self._window //= 2
        self._pace.took(begun, self._budget.seconds)
        if self._window < SMALLEST_WINDOW:
            self._watch = None
            yield Noted(
                "The device's memory has no room for the live map beside the training; it is left out.",
                lasting=True,
            )
