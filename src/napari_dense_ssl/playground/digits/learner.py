"""What one run holds: networks, images, chance; its two phases and its figures, as events."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator as Chance
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dense_ssl.core.events import Beat, Event, Pictured, Step
from napari_dense_ssl.model.device import Device
from napari_dense_ssl.playground.digits.data import Digits
from napari_dense_ssl.playground.digits.figures import (
    measuring,
    normalised,
    principal_components,
)
from napari_dense_ssl.playground.digits.losses import cosine_loss, redundancy
from napari_dense_ssl.playground.digits.networks import (
    HIDDEN,
    Average,
    DigitDecoder,
    DigitEncoder,
    decayed,
    head,
    resized,
)
from napari_dense_ssl.playground.digits.pace import Pace
from napari_dense_ssl.playground.digits.perturbations import perturb
from napari_dense_ssl.playground.digits.settings import DigitsSettings
from napari_dense_ssl.playground.digits.views import DigitsResult, DigitsView, Triplets
from napari_dense_ssl.playground.figures import effective_rank

_WARM_UP = 50  # steps
_SHOWN = 800  # images in the picture of the embedding while learning
_SHOWN_AT_END = 2000
_COLUMNS = 12  # digits in the picture of reconstructions
_PIECE = 256  # images that go through a network at once, between two beats
_MOVED = 0.4  # strength of the moved copies that `views` averages over
_LOOKING = 0.1  # share of the time that looks may take


class Learner:
    """The networks, the images and the chance of one run.

    Parameters
    ----------
    digits : Digits
    settings : DigitsSettings
    device : Device
    """

    def __init__(self, digits: Digits, settings: DigitsSettings, device: Device) -> None:
        self.digits, self.settings, self.device = digits, settings, device.torch_device
        self.fit, self.test = as_images(digits.fit), as_images(digits.test)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            encoder = DigitEncoder(settings.width, settings.dimensions)
            self.predictor = head(settings.dimensions, HIDDEN, settings.dimensions).to(self.device)
            self.decoder = DigitDecoder(settings.dimensions, settings.width).to(self.device)
        self.encoder = encoder.to(self.device).to(memory_format=torch.channels_last)
        self.chance = Chance().manual_seed(settings.seed)
        self.losses: dict[str, list[tuple[int, float]]] = {
            name: [] for name in ("cosine_loss", "redundancy", "mse")
        }
        per_epoch = max(1, len(self.fit) // settings.batch)
        first = settings.epochs_for(len(self.fit)) * per_epoch if settings.minutes is None else None
        self.pace = Pace(first, settings.minutes, settings.decoder_share)
        self.steps = self.pace.total

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What is kept of a run."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def learn_encoder(self) -> Generator[Event]:
        """Phase 1."""
        settings = self.settings
        target = Average(self.encoder)
        groups = decayed(iter((self.encoder, self.predictor)), settings.weight_decay)
        optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
        batches = self._batches()
        self.encoder.train()
        looks = _Looks(settings.preview_seconds)
        while (fraction := self.pace.begin(1)) < 1:
            rate = settings.learning_rate * min(1.0, (self.pace.steps + 1) / _WARM_UP)
            rate *= 0.5 * (1 + math.cos(math.pi * fraction))
            for group in optimiser.param_groups:
                group["lr"] = rate
            strength = settings.start_strength + (1 - settings.start_strength) * min(
                1.0, fraction / settings.ramp
            )
            images = next(batches)
            seen = self._perturbed(images, strength)
            others = self._perturbed(images, strength * settings.target_strength)
            embeddings = self.encoder(seen)
            agreement = cosine_loss(self.predictor(embeddings), target(others))
            repeated = redundancy(embeddings)
            optimiser.zero_grad()
            (agreement + settings.redundancy_weight * repeated).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            kept = 1 - (1 - settings.target_decay) * 0.5 * (1 + math.cos(math.pi * fraction))
            target.follow(self.encoder, kept)
            terms = {"cosine_loss": float(agreement.detach()), "redundancy": float(repeated.detach())}
            yield self._stepped(terms, rate)
            if looks.due:
                with looks.taken():
                    yield from self._look(1)
        self.encoder.eval().requires_grad_(False)

    def learn_decoder(self) -> Generator[Event]:
        """Phase 2."""
        settings = self.settings
        optimiser = torch.optim.AdamW(self.decoder.parameters(), lr=settings.learning_rate, weight_decay=0)
        batches = self._batches()
        self.encoder.eval()
        self.decoder.train()
        looks = _Looks(settings.preview_seconds)
        while (fraction := self.pace.begin(2)) < 1:
            rate = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * fraction))
            for group in optimiser.param_groups:
                group["lr"] = rate
            images = next(batches)
            with torch.no_grad():
                embeddings = self.encoder(self._perturbed(images, 1.0))
            loss = F.mse_loss(self.decoder(embeddings), images.to(self.device))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            yield self._stepped({"mse": float(loss.detach())}, rate)
            if looks.due:
                with looks.taken():
                    yield from self._look(2)
        self.decoder.eval()

    def measure(self) -> Generator[Event, None, DigitsResult]:
        """Take the figures on the test images."""
        digits = self.digits
        fit = yield from self.embeddings(self.fit, self.settings.views)
        test = yield from self.embeddings(self.test, self.settings.views)
        knn = yield from measuring(normalised(fit), digits.fit_labels, normalised(test), digits.test_labels)
        raw = yield from measuring(
            _pixels(digits.fit), digits.fit_labels, _pixels(digits.test), digits.test_labels
        )
        chance = Chance().manual_seed(self.settings.seed)
        error, mean = 0.0, self.fit.mean(0, keepdim=True)
        for piece in torch.split(self.test, _PIECE):
            drawn = self._drawn(self._perturbed(piece, 1.0, chance))
            error += float((drawn - piece).square().sum())
            yield Beat()
        rank = effective_rank(test[: 10 * _SHOWN_AT_END])
        view = DigitsView(
            3,
            principal_components(test)[:_SHOWN_AT_END],
            digits.test_labels[:_SHOWN_AT_END],
            self._triplets(self.test, digits.test_labels, drawn=True),
            knn,
            rank,
        )
        mean_error = float((self.test - mean).square().mean())
        return DigitsResult(knn, raw, rank, error / self.test.numel(), mean_error, view, self.losses, {})

    def embeddings(self, images: Tensor, views: int = 1) -> Generator[Event, None, NDArray[np.float32]]:
        """Return (N, D), of unit length; means over `views` copies, the first the image itself."""
        training = self.encoder.training
        chance = Chance().manual_seed(self.settings.seed)
        moves = self.settings.perturbation.moves_only
        found = []
        for piece in torch.split(images, _PIECE):
            total = torch.zeros(())
            for view in range(views):
                copies = piece if view == 0 else perturb(piece, _MOVED, moves, chance)
                self.encoder.eval()
                with torch.no_grad():
                    total = total + F.normalize(self.encoder(copies.to(self.device)), dim=1).cpu()
                self.encoder.train(training)
                yield Beat()
            found.append(F.normalize(total, dim=1).numpy())
        return np.concatenate(found)

    def _batches(self) -> Iterator[Tensor]:
        """Shuffle, for ever; the last images of an epoch that fill no batch are left out of it."""
        size = min(self.settings.batch, len(self.fit))
        while True:
            order = torch.randperm(len(self.fit), generator=self.chance)
            for part in torch.split(order, size):
                if len(part) == size:
                    yield self.fit[part]

    def _perturbed(self, images: Tensor, strength: float, chance: Chance | None = None) -> Tensor:
        copies = perturb(images, strength, self.settings.perturbation, chance or self.chance)
        return copies.to(self.device)

    def _stepped(self, losses: dict[str, float], rate: float) -> Step:
        self.pace.step_done()
        for name, loss in losses.items():
            self.losses[name].append((self.pace.steps, loss))
        return Step(
            self.pace.steps,
            self.steps,
            self.pace.fraction,
            self.pace.seconds_left,
            self.pace.steps_per_second * self.settings.batch,
            losses,
            rate,
        )

    def _look(self, phase: int) -> Generator[Event]:
        """Show training images: the last ones, asked of others before them."""
        count = min(_SHOWN, len(self.fit) // 4)
        labels = self.digits.fit_labels
        embeddings = yield from self.embeddings(self.fit[-4 * count :])
        own, others = embeddings[-count:], embeddings[:-count]
        knn = yield from measuring(others, labels[-4 * count : -count], own, labels[-count:])
        triplets = self._triplets(self.fit[-count:], labels[-count:], drawn=phase > 1)
        points = principal_components(own)
        view = DigitsView(phase, points, labels[-count:], triplets, knn, effective_rank(own))
        yield Pictured(self.pace.steps, view)

    def _triplets(self, images: Tensor, labels: NDArray[np.int64], drawn: bool) -> Triplets:
        """Return one image of each digit and some more, perturbed in the same way at each look."""
        firsts = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
        rest = [index for index in range(min(len(labels), 100)) if index not in firsts]
        chosen = images[(firsts + rest)[:_COLUMNS]]
        perturbed = perturb(chosen, 1.0, self.settings.perturbation, Chance().manual_seed(self.settings.seed))
        reconstructed = self._drawn(perturbed.to(self.device))[:, 0].numpy() if drawn else None
        return Triplets(chosen[:, 0].numpy(), perturbed[:, 0].numpy(), reconstructed)

    @torch.no_grad()
    def _drawn(self, perturbed: Tensor) -> Tensor:
        training = self.decoder.training
        self.decoder.eval()
        drawn = self.decoder(self.encoder(perturbed)).cpu()
        self.decoder.train(training)
        return drawn  # type: ignore[no-any-return]


class _Looks:
    """When to look: every few seconds, and less often where looking takes long."""

    def __init__(self, seconds: float) -> None:
        self._least = seconds
        self._next = time.monotonic()  # the first at once: what is seen before anything is learned

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._next

    def taken(self) -> _Looks:
        self._begun = time.monotonic()
        return self

    def __enter__(self) -> None:
        """Looking begins."""

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self._next = now + max(self._least, (now - self._begun) / _LOOKING)


def as_images(pixels: NDArray[np.uint8]) -> Tensor:
    """Return (N, 1, 28, 28) in [0, 1] of (N, Y, X)."""
    return resized(torch.from_numpy(pixels).float().div_(255)[:, None])


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
