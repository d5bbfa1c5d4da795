"""Two views of the same tissue, and which pixels of them show the same point."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.sampling.crops import CropBatch, Places

Indices = np.ndarray[Any, np.dtype[np.int64]]


class Matches(NamedTuple):
    """Pixels that show the same points in two views; places are ``y * crop + x`` in the view itself.

    Attributes
    ----------
    first : ndarray, shape (B, P), int64
        Place in the first view; 0 where it does not see the point.
    second : ndarray, shape (B, P), int64
        Place in the second view, the same for all crops: ``second[i, p] == second[j, p]``.
    valid : ndarray, shape (B, P), bool
        Whether the first view sees the point too, off its rim.
    """

    first: Indices
    second: Indices
    valid: np.ndarray[Any, np.dtype[np.bool_]]


def second_views(
    batch: CropBatch,
    crop: int,
    shift: int,
    stride: int,
    symmetries: bool,
    rng: np.random.Generator,
    rim: int = 0,
) -> CropBatch:
    """Return the same windows with other views of them.

    Parameters
    ----------
    batch : CropBatch
        The first views.
    crop : int
        Edge of the views, px.
    shift : int
        Largest offset in a window, px; 0 leaves the views where they are.
    stride : int
        Along either axis the shift between both views is no multiple of it (where `shift` leaves a
        choice): a grid of that period would pass unseen.
    symmetries : bool
        Whether the second views are turned and flipped.
    rng : numpy Generator
    rim : int
        Pixels at the views' edges that will not be compared. Views are displaced by half of the rest at
        most, so that they overlap.
    """
    offsets = batch.places.offsets
    count = len(offsets)
    if shift:
        drawn = [_other(first, crop // 2 - rim, shift, stride, rng) for first in offsets.ravel().tolist()]
        offsets = np.array(drawn).reshape(count, 2)
    return batch.seen_at(Places(offsets, rng.integers(0, 8 if symmetries else 1, count)))


def matches(
    first: CropBatch, second: CropBatch, crop: int, count: int, rim: int, rng: np.random.Generator
) -> Matches:
    """Draw points that the second views see, and find them in the first ones.

    At least one of them is seen by its first view, given that some views overlap: of a batch that several
    processes share, of some process's crops.

    Parameters
    ----------
    first, second : CropBatch
        Views of the same windows.
    crop : int
        Edge of the views, px.
    count : int
        P: how many points a crop; all of them where there are fewer.
    rim : int
        Pixels at the views' edges that are left out.
    rng : numpy Generator
    """
    while True:
        found = _drawn(first, second, crop, count, rim, rng)
        if found.valid.any():  # none: a matter of chance, where few points are drawn
            own = first.portion
            return Matches(own.of(found.first), own.of(found.second), own.of(found.valid))


def _drawn(
    one: CropBatch, other: CropBatch, crop: int, count: int, rim: int, rng: np.random.Generator
) -> Matches:
    """Return the matches of the whole batch."""
    first, second = one.places, other.places
    inside = np.arange(rim, crop - rim)
    chosen = rng.permutation(len(inside) ** 2)[:count]
    places = inside[chosen // len(inside)] * crop + inside[chosen % len(inside)]  # (P,)
    shape = (len(first.offsets), len(places))
    found, valid = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for i in range(shape[0]):
        unturned, _ = _turned(crop, int(second.symmetries[i]))
        y, x = np.divmod(unturned[places], crop)
        dy, dx = (second.offsets[i] - first.offsets[i]).tolist()
        y, x = y + dy, x + dx
        valid[i] = (y >= rim) & (y < crop - rim) & (x >= rim) & (x < crop - rim)
        _, turned = _turned(crop, int(first.symmetries[i]))
        found[i] = np.where(valid[i], turned[np.where(valid[i], y * crop + x, 0)], 0)
    return Matches(found, np.broadcast_to(places, shape).copy(), valid)


def _other(first: int, most: int, shift: int, stride: int, rng: np.random.Generator) -> int:
    """Draw the second view's offset along an axis."""
    near = np.arange(max(0, first - most), min(shift, first + most) + 1)
    free = near[(near - first) % stride != 0]
    return int(rng.choice(free)) if len(free) else first


@lru_cache(maxsize=64)
def _turned(crop: int, symmetry: int) -> tuple[Indices, Indices]:
    """Return which unturned pixel a turned view shows at each place, and the inverse of that map."""
    grid = np.arange(crop * crop, dtype=np.int64).reshape(crop, crop)
    unturned = np.ascontiguousarray(Symmetry.all()[symmetry].apply(grid)).ravel()
    return unturned, np.argsort(unturned)
