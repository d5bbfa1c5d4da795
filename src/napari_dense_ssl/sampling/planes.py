"""Blocks of an isotropic volume seen along all three planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import Plane
from napari_dense_ssl.sampling.blocks import Block, BlockSource
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Volume


class PlaneBlocks:
    """The endless sequence of blocks of a region, seen along one plane after the other.

    Boxes are in the axes of their block's plane, so that whoever cuts and numbers crops need not know which
    plane it is.

    Parameters
    ----------
    volume : Volume
        Read by several threads.
    region : Box
        Blocks lie inside it.
    settings : SamplerSettings
        Size of blocks and crops.
    context : int
        Slices needed on either side of a crop's own slice, along the plane's normal.
    seed : int
        Of the sequence.
    planes : sequence of Plane
        Block n belongs to plane n modulo their number.

    Raises
    ------
    RegionError
        If the region is smaller than a crop in one of the planes, or has too few slices for the context.
    """

    def __init__(
        self,
        volume: Volume,
        region: Box,
        settings: SamplerSettings,
        context: int,
        seed: int,
        planes: Sequence[Plane],
    ) -> None:
        self._planes = tuple(planes)
        self._sources = tuple(
            BlockSource(volume.along(plane), plane.box(region), settings, context, seed) for plane in planes
        )

    def box(self, index: int, attempt: int = 0) -> Box:
        """Return where block `index` lies, in the axes of its plane."""
        return self._sources[index % len(self._planes)].box(index, attempt)

    def read(self, index: int) -> Block:
        """Read block `index`; empty places are passed over."""
        which = index % len(self._planes)
        block = self._sources[which].read(index)
        return replace(block, voxels=np.ascontiguousarray(block.voxels), plane=self._planes[which])

    def typical_growth(self) -> float:
        """Return how many times larger than asked for the blocks are, on average."""
        return float(np.mean([source.typical_growth() for source in self._sources]))

    def largest(self) -> int:
        """Return how many voxels the largest of the first few dozen blocks has."""
        return max(source.largest() for source in self._sources)
