"""Training as a generator of events: the same that the main engine yields."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_dense_ssl.core.events import Beat, Event, Finished, Pictured, Started, Step
from napari_dense_ssl.playground.figures import embed, energies, measure, sampled
from napari_dense_ssl.playground.frames import SAMPLING_FRAMES, Frame, frame_steps, grid, make_scene
from napari_dense_ssl.playground.langevin import Walkers, force
from napari_dense_ssl.playground.methods import METHODS
from napari_dense_ssl.playground.methods.dsm import DenoisingScoreMatching
from napari_dense_ssl.playground.mixture import make_dataset

if TYPE_CHECKING:
    from napari_dense_ssl.playground.methods.base import Method
    from napari_dense_ssl.playground.mixture import Dataset, Mixture
    from napari_dense_ssl.playground.settings import PlaygroundSettings

_STEPS_AN_EVENT = 5
_WALK = 8  # Langevin steps between two pictures of the training


def play(settings: PlaygroundSettings, truth: Mixture | None = None) -> Generator[Event]:
    """Train a method on points of a known distribution, draw samples, measure.

    Parameters
    ----------
    settings : PlaygroundSettings
    truth : Mixture, optional
        Of two dimensions, in place of the one that the settings name.

    Yields
    ------
    Event
        ``Started``; ``Step`` with the terms of the loss; ``Pictured`` whose picture is first a
        :class:`~napari_dense_ssl.playground.Scene`, then :class:`~napari_dense_ssl.playground.Frame` after
        frame, the last ones of the sampling; ``Finished`` with the figures as its summary.

    Raises
    ------
    SettingsError
        If the noise levels are in the wrong order, or the mixture is not of two dimensions.

    Notes ----- The same settings give the same events, bit for bit on one machine: points, network, batches
    and noise have generators of their own, and torch's global one is not touched.
    """
    dataset = make_dataset(settings.data if truth is None else truth, settings.points, settings.seed)
    method = build(dataset, settings)
    yield Started(
        "playground",
        settings.steps,
        "step",
        {
            "method": settings.method.kind,
            "data": settings.data if truth is None else "mixture",
            "points": settings.points,
            "epochs": settings.epochs,
        },
    )
    camera = Camera(dataset, settings)
    yield Pictured(0, camera.scene)
    yield Pictured(0, camera.take(method, 0))
    begun, samples = time.monotonic(), 0
    pictured = set(frame_steps(settings.steps, settings.frames))
    for step, losses, rate in training(method, dataset, settings):
        samples += settings.batch
        if step % _STEPS_AN_EVENT == 0 or step == settings.steps:
            gone = time.monotonic() - begun
            yield Step(
                step,
                settings.steps,
                step / settings.steps,
                gone / step * (settings.steps - step),
                samples / max(gone, 1e-9),
                losses,
                rate,
            )
        if step in pictured:
            camera.walkers.walk(method, _WALK)
            yield Pictured(step, camera.take(method, step))
    walkers = Walkers(dataset, sampled(method), torch.Generator().manual_seed(settings.seed))
    moves = list_of_moves(method)
    shown = set(np.unique(np.linspace(0, moves - 1, SAMPLING_FRAMES).astype(int)).tolist())
    for move, sigma in enumerate(walkers.sample(method)):
        if move in shown and settings.frames > 1:
            yield Pictured(settings.steps, camera.take(method, settings.steps, walkers, sigma))
        else:
            yield Beat()
    figures = measure(method, dataset, settings.seed, walkers.places.numpy())
    yield Finished(None, figures)


def build(dataset: Dataset, settings: PlaygroundSettings) -> Method:
    """Return an untrained method; its weights depend on the settings' seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return METHODS[settings.method.kind](dataset, settings)


def training(
    method: Method, dataset: Dataset, settings: PlaygroundSettings
) -> Generator[tuple[int, dict[str, float], float]]:
    """Train; yield step, losses and learning rate after each step.

    With ``redraw`` every epoch sees new points of the same distribution.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, 3])
    weights = list(method.parameters())
    optimiser = torch.optim.Adam(weights, lr=settings.learning_rate, betas=(0.9, 0.99), fused=True)
    points = torch.tensor(dataset.points, dtype=torch.float32)
    order = torch.randperm(len(points), generator=generator)
    batch = min(settings.batch, len(points))
    place = 0
    for step in range(1, settings.steps + 1):
        if place + batch > len(points):
            if settings.redraw:
                drawn, _ = dataset.truth.sample(len(points), rng)
                points = torch.tensor(drawn, dtype=torch.float32)
            order, place = torch.randperm(len(points), generator=generator), 0
        chosen, place = points[order[place : place + batch]], place + batch
        rate = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - 1) / settings.steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        losses = method.losses(chosen, generator)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        method.after_step()
        yield step, {name: float(value.detach()) for name, value in losses.items()}, rate


def list_of_moves(method: Method) -> int:
    """Return how often :meth:`Walkers.sample` yields for a method."""
    from napari_dense_ssl.playground import langevin

    if isinstance(method, DenoisingScoreMatching):
        return len(method.levels) * math.ceil(langevin.STEPS_A_LEVEL / langevin.INNER_STEPS) + 1
    return math.ceil(langevin.PLAIN_STEPS / langevin.INNER_STEPS)


class Camera:
    """Takes pictures of a method: landscape, score, embedding, walkers."""

    def __init__(self, dataset: Dataset, settings: PlaygroundSettings) -> None:
        self.scene = make_scene(dataset, settings)
        self.places, self.arrow_places = grid(self.scene.axis), self.scene.arrow_places
        self.settings = settings
        self.walkers = Walkers(dataset, settings.walkers, torch.Generator().manual_seed(settings.seed + 1))
        self.shown = dataset.points[: len(self.scene.points)]

    def take(
        self, method: Method, step: int, walkers: Walkers | None = None, sigma: float | None = None
    ) -> Frame:
        """Take a picture; of the sampling where other walkers are given, at its noise level."""
        if sigma is not None and isinstance(method, DenoisingScoreMatching):
            with torch.no_grad():
                landscape = method.at(torch.tensor(self.places, dtype=torch.float32), sigma)[0].numpy()
                arrows = method.at(torch.tensor(self.arrow_places, dtype=torch.float32), sigma)[1].numpy()
        else:
            landscape = energies(method, self.places)
            arrows = force(method, torch.tensor(self.arrow_places, dtype=torch.float32)).numpy()
        if isinstance(method, DenoisingScoreMatching):
            landscape = landscape - landscape.min()  # known up to a constant a level
            embedding = None
        else:
            embedding = embed(method, self.shown).astype(np.float32) if self.settings.embedding <= 3 else None
        caption = f"step {step}"
        if walkers is not None:
            caption = "sampling" if sigma is None else f"sampling at noise {sigma:.2g}"
        places = (self.walkers if walkers is None else walkers).places[: self.settings.walkers]
        edge = self.settings.resolution
        return Frame(
            step,
            caption,
            landscape.reshape(edge, edge).astype(np.float32),
            arrows.astype(np.float32),
            embedding,
            places.numpy().copy(),
        )
