"""A volume on another grid: a coarser level of its own, or resampled to another voxel size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from napari_dense_ssl.core.geometry import Box, VoxelSize
from napari_dense_ssl.volume.pixels import ArrayPixels, PlanarPixels
from napari_dense_ssl.volume.resample import ResampledPixels
from napari_dense_ssl.volume.volume import Volume


@dataclass(frozen=True, slots=True)
class Regrid:
    """Which grid of a volume is used.

    Attributes
    ----------
    level : int
        Of the volume's pyramid; 0 is the finest.
    voxel_size : VoxelSize or None
        What that level is resampled to, nm; None leaves it as it is.
    """

    level: int = 0
    voxel_size: VoxelSize | None = None

    def apply(self, volume: Volume) -> Volume:
        """Return the volume whose finest level is that grid; nothing is read.

        It keeps where it was opened from: whoever opens it again applies the grid again.
        """
        found = _at_level(volume, self.level) if self.level else volume
        return found if self.voxel_size is None else _resampled(found, self.voxel_size)

    def region(self, box: Box, before: Volume, after: Volume) -> Box:
        """Return the voxels of the grid that hold a box of the finest level.

        Parameters
        ----------
        box : Box
            In voxels of the finest level of `before`.
        before, after : Volume
            What was given to and returned by :meth:`apply`.
        """
        start, stop = [], []
        for axis, length in enumerate(after.shape):
            ratio = after.voxel_size[axis] / before.voxel_size[axis]
            # a hair less and more: 30 / 3 may be 10.000000001
            low = min(length - 1, math.floor(box.start[axis] / ratio + 1e-6))
            start.append(low)
            stop.append(max(low + 1, min(length, math.ceil(box.stop[axis] / ratio - 1e-6))))
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _at_level(volume: Volume, level: int) -> Volume:
    """Return a volume without its levels that are finer than one of them."""
    base = volume.factors[level]
    return replace(
        volume,
        levels=volume.levels[level:],
        factors=tuple(_ratios(factors, base) for factors in volume.factors[level:]),
        voxel_size=volume.spacing(level),
        translation=_moved(volume, base),
        pixels=volume.pixels[level:],
    )


def _resampled(volume: Volume, size: VoxelSize) -> Volume:
    """Return the finest level of a volume with voxels of another size, which are made as they are read."""
    ratio = _ratios(size, volume.voxel_size)
    fine = volume.pixels[0] if volume.pixels else _pixels(volume)
    pixels = PlanarPixels(ResampledPixels(fine, ratio), "zyx", {}, np.dtype(np.float32), volume.source)
    facts = {
        name: getattr(volume, name)
        for name in ("voxel_size_known", "format", "source", "dataset", "notes", "labels", "opened")
    }
    return Volume.from_pixels(
        [pixels], [(1.0, 1.0, 1.0)], voxel_size=size, translation=_moved(volume, ratio), **facts
    )


def _pixels(volume: Volume) -> PlanarPixels:
    array = ArrayPixels(volume.data, volume.chunks)
    return PlanarPixels(array, "zyx", {}, volume.dtype, volume.source)


def _ratios(above: tuple[float, ...], below: tuple[float, ...]) -> tuple[float, float, float]:
    z, y, x = (a / b for a, b in zip(above, below, strict=True))
    return (z, y, x)


def _moved(volume: Volume, ratio: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the centre of voxel 0 where voxels are so many times longer and the outer edge stays, nm."""
    z, y, x = (
        t + s * (r - 1) / 2 for t, s, r in zip(volume.translation, volume.voxel_size, ratio, strict=True)
    )
    return (z, y, x)
