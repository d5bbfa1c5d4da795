"""What a training looks like at a moment, and all of them together as an animation (no torch here)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_dense_ssl.playground.mixture import Dataset
    from napari_dense_ssl.playground.settings import PlaygroundSettings

Array = np.ndarray[Any, Any]

SAMPLING_FRAMES = 15
"""Pictures of the sampling, after those of the training."""

_SHOWN_POINTS = 600
_ARROWS = 17  # along an edge


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of a method at a step; everything in data units, x before y.

    Attributes
    ----------
    step : int
        Optimiser steps done.
    caption : str
        What is going on, such as ``"sampling, noise 0.3"``.
    landscape : ndarray, shape (Y, X), float32
        The energy on :attr:`Film.axis` along both axes.
    arrows : ndarray, shape (A, 2), float32
        ``-dE/dx`` at :attr:`Film.arrow_places`.
    embedding : ndarray, shape (E, D), float32, or None
        Of the first E points of the data; None where there is none to look at.
    walkers : ndarray, shape (W, 2), float32
        Where the Langevin walkers are.
    """

    step: int
    caption: str
    landscape: Array
    arrows: Array
    embedding: Array | None
    walkers: Array


@dataclass(frozen=True, slots=True)
class Scene:
    """What stays the same through all frames.

    Attributes
    ----------
    method, data : str
    axis : ndarray, shape (2, G)
        Coordinates of the landscape's columns (x) and rows (y).
    arrow_places : ndarray, shape (A, 2)
    points : ndarray, shape (P, 2), float32
        The data, those of the embedding first.
    labels : ndarray of int, shape (P,)
    truth : ndarray, shape (Y, X), float32
        -log p of the data's distribution on the axes, in nats: what an energy should be.
    """

    method: str
    data: str
    axis: Array
    arrow_places: Array
    points: Array
    labels: Array
    truth: Array


@dataclass(slots=True)
class Film:
    """All frames of a run."""

    scene: Scene
    frames: list[Frame] = field(default_factory=list)
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def limits(self) -> tuple[float, float]:
        """Energies that the colours span: of the last landscape, without its steepest corners."""
        return colour_limits(self.frames[-1].landscape)


def make_scene(dataset: Dataset, settings: PlaygroundSettings) -> Scene:
    """Return what can be shown of a run before it has begun."""
    low, high = dataset.box
    axis = np.linspace(low, high, settings.resolution).T
    edge = settings.resolution
    return Scene(
        settings.method.kind,
        settings.data,
        axis,
        grid(np.linspace(low, high, _ARROWS + 2).T[:, 1:-1]),
        dataset.points[:_SHOWN_POINTS].astype(np.float32),
        dataset.labels[:_SHOWN_POINTS],
        -dataset.truth.log_density(grid(axis)).reshape(edge, edge).astype(np.float32),
    )


def grid(axis: Array) -> Array:
    """Return the places of a grid, rows along y, shape (G * G, 2), of its axes (2, G)."""
    y, x = np.meshgrid(axis[1], axis[0], indexing="ij")
    return np.stack([x.ravel(), y.ravel()], 1)


def colour_limits(landscape: Array) -> tuple[float, float]:
    """Return the least energy and the 90 % quantile: wells are seen, however high the corners are."""
    low, high = float(landscape.min()), float(np.quantile(landscape, 0.9))
    return (low, high) if high > low else (low, low + 1e-6)


def frame_steps(steps: int, frames: int) -> Sequence[int]:
    """Return at which steps pictures are made: first and last, and closer at the start."""
    share = np.linspace(0, 1, max(frames, 2)) ** 1.5
    return np.unique(np.round(share * steps).astype(int)).tolist()  # type: ignore[no-any-return]
