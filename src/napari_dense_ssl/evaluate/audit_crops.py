"""Which crops the audit looks at: pairs that hold the same tissue at different places."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Intensity, Volume

CROP = 128
"""Default edge of the crops, px; smaller where slices are small."""

_LEAST_SHIFT = 8
"""The two places of a pair differ by at least an eighth of the crop, so by a cell, along Y or X."""


@dataclass(frozen=True)
class CropPairs:
    """Windows of a volume, and two crops in each, in random order.

    Attributes
    ----------
    windows : ndarray, shape (N, C, W, W), float32
        Normalised grey values of C neighbouring slices, the window's own in the middle.
    origins : ndarray, shape (N, 3), int64
        First voxel of each window's own slice, Z, Y, X of the finest level.
    first, second : ndarray, shape (N, 2), int64
        Origins of the two crops in the window, Y, X.
    crop : int
        Edge of the crops, px.
    """

    windows: NDArray[np.float32]
    origins: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    crop: int

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def shifts(self) -> NDArray[np.int64]:
        """Origin of the second crop less that of the first, px."""
        return self.second - self.first

    def middle(self, index: int, origin: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the window's own slice of such a crop, shape (crop, crop)."""
        stack = self.cut(index, origin)
        own: NDArray[np.float32] = stack[len(stack) // 2]
        return own

    def cut(self, index: int, origin: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a crop of window `index`, shape (C, crop, crop)."""
        y, x = (int(o) for o in origin)
        return self.windows[index, :, y : y + self.crop, x : x + self.crop]


def window_edge(crop: int) -> int:
    """Return the edge of the windows that pairs of crops are cut from, px."""
    return crop + crop // 2


def choose_crop(region: Box, multiple: int, wanted: int | None = None) -> int:
    """Choose the edge of the crops, px: `wanted`, or the largest that fits, up to :data:`CROP`.

    Parameters
    ----------
    region : Box
    multiple : int
        Total stride of the network, which crops are multiples of, px.
    wanted : int, optional

    Raises
    ------
    RegionError
        If the region is too small, or the wanted crop does not fit or is no multiple of the stride.
    """
    edge = min(region.shape[1:])
    least = -(-max(32, 4 * multiple) // multiple) * multiple
    most = edge * 2 // 3 // multiple * multiple
    if most < least:
        raise RegionError(
            f"The region {region} is too small for the audit: pairs of crops of {least} px need slices of "
            f"{window_edge(least)} x {window_edge(least)} px; choose a larger region."
        )
    if wanted is None:
        return max(least, min(most, CROP // multiple * multiple))
    if not least <= wanted <= most or wanted % multiple:
        raise RegionError(
            f"Crops of {wanted} px cannot be audited in the region {region}; choose a multiple of {multiple} "
            f"from {least} to {most}."
        )
    return wanted


@dataclass(frozen=True, slots=True)
class AuditedPart:
    """What of a volume is audited: slices of a box.

    Attributes
    ----------
    box : Box
        Its Z range holds all slices.
    slices : tuple of int
        Those that are used.
    held_out : bool
        Whether the encoder was trained on none of them.
    """

    box: Box
    slices: tuple[int, ...]
    held_out: bool


def audited_part(region: Box, trained: Box | None) -> AuditedPart:
    """Choose the slices of a region that were not trained on, or all where there are none.

    Parameters
    ----------
    region : Box
        What the user wants audited.
    trained : Box or None
        What the encoder was trained on; None where it was another volume, or no training is known of.
    """
    slices = range(region.start[0], region.stop[0])
    if trained is None or trained.intersect(region).size == 0:
        return AuditedPart(region, tuple(slices), held_out=True)
    free = tuple(z for z in slices if not trained.start[0] <= z < trained.stop[0])
    return AuditedPart(region, free or tuple(slices), held_out=bool(free))


def draw_pairs(
    volume: Volume,
    part: AuditedPart,
    intensity: Intensity,
    *,
    count: int,
    crop: int,
    rng: np.random.Generator,
    slices: int = 1,
) -> Generator[Beat, None, CropPairs]:
    """Draw pairs of crops at random places; yields a beat for each window read, returns the pairs.

    Slices are used equally often. Shifts within a pair are any whole numbers of pixels up to half a crop,
    and at least an eighth of it along one axis.

    Parameters
    ----------
    volume, part, intensity
        Where the crops come from, and what they are normalised with.
    count, crop : int
        Number of pairs; edge of the crops, px.
    rng : Generator
        Draws places, the same ones for any number of slices.
    slices : int
        C, the odd number of neighbouring slices that a crop consists of; mirrored beyond the volume's ends.
        Only its own slice is one of the audited: neighbours may have been trained on.
    """
    edge = window_edge(crop)
    (_, y0, x0), (_, height, width) = part.box.start, part.box.shape
    planes = rng.permutation(np.resize(rng.permutation(np.array(part.slices)), count))
    corners = np.stack(
        [rng.integers(y0, y0 + height - edge + 1, count), rng.integers(x0, x0 + width - edge + 1, count)], 1
    )
    origins = np.concatenate([planes[:, None], corners], 1).astype(np.int64)
    windows = np.empty((count, slices, edge, edge), np.float32)
    # In the order of the file: neighbours share chunks, which readers keep.
    for index in np.lexsort(origins.T[::-1]):
        z, y, x = (int(o) for o in origins[index])
        box = Box((z, y, x), (z + 1, y + edge, x + edge))
        windows[index] = intensity.normalise(volume.read_around(box, slices // 2))
        yield Beat()
    first, second = _places(count, edge - crop, max(1, crop // _LEAST_SHIFT), rng)
    return CropPairs(windows, origins, first, second, crop)


def _places(
    count: int, room: int, least: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw two places for each window, redrawing those that are too near each other."""
    first = rng.integers(0, room + 1, (count, 2))
    second = rng.integers(0, room + 1, (count, 2))
    while (near := np.abs(second - first).max(1) < least).any():
        second[near] = rng.integers(0, room + 1, (int(near.sum()), 2))
    return first, second
