"""The audit's passes through the encoder: pairs of crops, turned crops, blank images."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import entropy

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.evaluate.audit_crops import CropPairs, window_edge
from napari_dense_ssl.evaluate.audit_figures import Figure, decibel, overlap, squared_difference

Beats = Generator[Beat, None, NDArray[np.float32]]

_BATCH = 4
"""Pairs whose probabilities are in memory at once; a pair's null is its neighbour in the batch."""

_GREYS = (-1.0, 0.0, 1.0)
"""Constant images, in standard deviations from the mean grey."""


class Encode(Protocol):
    """What is audited: anything that gives class probabilities for each pixel."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (B, K, Y, X), summing to 1 over K, of normalised images (B, C, Y, X).

        The C channels are neighbouring slices, and the probabilities those of the middle one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done beside the pairs.

    Attributes
    ----------
    turned : int
        Crops that are turned and flipped.
    angled : int
        Crops that are turned by any angle.
    noise : int
        White-noise images; 0 leaves out the constant ones too.
    multiple : int
        Total stride of the encoder, px: moved crops whose shift is a multiple of it along both axes say
        nothing about the stride, and are left out of EQ-T.
    margin : int
        Rim of the crops that comparisons leave out, px.
    pixels : int
        Pixels that are encoded between two beats.
    """

    turned: int
    angled: int
    noise: int
    multiple: int
    margin: int
    pixels: int


class Squares:
    """Sums of squared differences, and of those between unrelated crops (the null)."""

    def __init__(self) -> None:
        self._sum, self._pixels, self._crops = [0.0, 0.0], [0, 0], 0

    def add(self, p: NDArray[Any], q: NDArray[Any], unrelated: NDArray[Any] | None) -> None:
        """Compare maps (K, Y, X)."""
        self._crops += 1
        for k, other in enumerate((q, unrelated)):
            if other is not None:
                total, count = squared_difference(p, other)
                self._sum[k] += total
                self._pixels[k] += count

    def figure(self) -> Figure:
        """Return the figure in dB."""
        value, null = (decibel(s, n) for s, n in zip(self._sum, self._pixels, strict=True))
        return Figure(value, null, self._crops)

    @property
    def empty(self) -> bool:
        """Whether nothing was compared."""
        return self._crops == 0


@dataclass
class Seen:
    """What the passes leave: classes of all crops, and sums of their probabilities."""

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    classes: int = 0
    equivariance: dict[str, Squares] = field(
        default_factory=lambda: {name: Squares() for name in ("eq_t_db", "eq_r_db", "eq_angle_db")}
    )
    pixel_entropy: list[float] = field(default_factory=list)
    mean: list[NDArray[np.float64]] = field(default_factory=list)

    @classmethod
    def of(cls, pairs: CropPairs) -> Seen:
        """Make room for the classes of some pairs."""
        shape = (len(pairs), pairs.crop, pairs.crop)
        return cls(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))

    def note(self, probabilities: NDArray[np.float32]) -> None:
        """Keep entropy and mean of a crop's probabilities (K, Y, X); every other pixel will do."""
        kept = probabilities[:, ::2, ::2]
        self.classes = len(kept)
        self.pixel_entropy.append(float(-(kept * np.log(np.maximum(kept, 1e-12))).sum(0).mean()))
        self.mean.append(kept.mean((1, 2), dtype=np.float64))

    def flatness(self) -> Figure:
        """Return mean pixel entropy over log K, beside the entropy of the mean probabilities over log K."""
        scale = max(math.log(self.classes), 1e-9)
        whole = float(entropy(np.mean(self.mean, 0)))
        return Figure(float(np.mean(self.pixel_entropy)) / scale, whole / scale, len(self.mean))


def encoded(encode: Encode, images: list[NDArray[np.float32]], pixels: int) -> Beats:
    """Encode images of one shape (C, Y, X), some at a time; yields beats, returns (B, K, Y, X)."""
    step = max(1, pixels // math.prod(images[0].shape[1:]))
    parts = []
    for start in range(0, len(images), step):
        batch = np.stack(images[start : start + step])
        parts.append(encode(np.ascontiguousarray(batch, np.float32)))
        yield Beat()
    return np.concatenate(parts)


def pass_pairs(
    encode: Encode, pairs: CropPairs, plan: Plan, seen: Seen, rng: np.random.Generator
) -> Generator[Beat | int]:
    """Encode all pairs, some of them turned; yields beats, and after each batch how many crops it was."""
    symmetries = Symmetry.all()[1:]
    for start in range(0, len(pairs), _BATCH):
        index = range(start, min(start + _BATCH, len(pairs)))
        crops = [pairs.cut(i, pairs.first[i]) for i in index]
        others = [pairs.cut(i, pairs.second[i]) for i in index]
        turned = [
            symmetries[i % 7].apply(crop) for i, crop in zip(index, crops, strict=True) if i < plan.turned
        ]
        maps = yield from encoded(encode, crops + others + turned, plan.pixels)
        here, there, back = np.split(maps, (len(crops), 2 * len(crops)))
        seen.first[start : index.stop] = here.argmax(1)
        seen.second[start : index.stop] = there.argmax(1)
        yield Beat()
        for p, q in zip(here, there, strict=True):
            seen.note(p)
            seen.note(q)
        yield Beat()
        _compare_moved(here, there, pairs.shifts[start : index.stop], plan, seen.equivariance["eq_t_db"])
        undone = [symmetries[(start + i) % 7].inverse.apply(p) for i, p in enumerate(back)]
        _compare(here, undone, plan.margin, seen.equivariance["eq_r_db"])
        yield len(crops) + len(others) + len(turned)
    for start in range(0, plan.angled, _BATCH):
        index = range(start, min(start + _BATCH, plan.angled))
        yield from _pass_angles(encode, pairs, index, plan, seen.equivariance["eq_angle_db"], rng)
        yield 2 * len(index)


def _compare_moved(
    here: NDArray[Any], there: NDArray[Any], shifts: NDArray[Any], plan: Plan, squares: Squares
) -> None:
    for i, shift in enumerate(shifts):
        if plan.multiple > 1 and not (shift % plan.multiple).any():
            continue
        in_first, in_second = overlap(here.shape[2:], shift, plan.margin)
        unrelated = there[i - 1][:, in_second[0], in_second[1]] if len(here) > 1 else None
        squares.add(here[i][:, in_first[0], in_first[1]], there[i][:, in_second[0], in_second[1]], unrelated)


def _compare(here: NDArray[Any], undone: list[NDArray[Any]], margin: int, squares: Squares) -> None:
    inner = (slice(None), slice(margin, here.shape[2] - margin), slice(margin, here.shape[3] - margin))
    for i, p in enumerate(undone):
        squares.add(here[i][inner], p[inner], undone[i - 1][inner] if len(undone) > 1 else None)


def _pass_angles(
    encode: Encode, pairs: CropPairs, index: range, plan: Plan, squares: Squares, rng: np.random.Generator
) -> Generator[Beat]:
    """Compare crops with themselves turned by any angle, inside a disc; interpolation costs some dB too."""
    size = pairs.crop
    low = (window_edge(size) - size) // 2
    inner = (slice(None), slice(low, low + size), slice(low, low + size))
    angles = rng.uniform(0, 360, len(index))
    straight, turned = [], []
    for i, angle in zip(index, angles, strict=True):
        straight.append(pairs.windows[i][inner])
        whole = ndimage.rotate(pairs.windows[i], angle, axes=(2, 1), reshape=False, order=3, mode="reflect")
        turned.append(whole[inner])
        yield Beat()
    maps = yield from encoded(encode, straight + turned, plan.pixels)
    here, there = np.split(maps, 2)
    away = np.arange(size) - (size - 1) / 2
    disc = np.hypot(away[:, None], away) < size / 2 - plan.margin
    back = []
    for p, angle in zip(there, angles, strict=True):
        back.append(ndimage.rotate(p, -angle, axes=(2, 1), reshape=False, order=1, mode="nearest")[:, disc])
        yield Beat()
    for i, q in enumerate(back):
        squares.add(
            here[i][:, disc][..., None], q[..., None], back[i - 1][..., None] if len(back) > 1 else None
        )


def blank_classes(
    encode: Encode, size: int, plan: Plan, rng: np.random.Generator, slices: int = 1
) -> Generator[Beat, None, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return the classes of constant images and of white noise, each (N, size, size), of as many slices."""
    constant = [np.full((slices, size, size), grey, np.float32) for grey in _GREYS]
    flat = yield from encoded(encode, constant, plan.pixels)
    noise = []
    for start in range(0, plan.noise, _BATCH):
        count = min(_BATCH, plan.noise - start)
        drawn = list(rng.standard_normal((count, slices, size, size), np.float32))
        maps = yield from encoded(encode, drawn, plan.pixels)
        noise.append(maps.argmax(1).astype(np.uint8))
    return flat.argmax(1).astype(np.uint8), np.concatenate(noise)
