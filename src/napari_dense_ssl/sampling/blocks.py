"""Blocks of a volume, read ahead by threads into a bounded pool.

Block n is a function of (seed, n) alone, and the pool that step t draws from is a function of t alone, so
neither threads nor resuming change what is drawn. A block is grown to whole chunks of the file where that
is cheap, so that a chunk that was decompressed is used and not read again a moment later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import XY, Plane
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Volume

_MOST_GROWTH = 8
"""A block is grown to whole chunks only where that makes it at most so many times larger."""

_RETRIES = 16
"""How often another place is tried for a block that is empty (padding, resin)."""

_FEWEST = 8
"""Blocks in a pool, however large they are: a batch should come from several places."""

_MOST_SLICES = 16
"""Slices a block has at the most."""


@dataclass(frozen=True)
class Block:
    """Voxels of a box, in the volume's own dtype and the axes of a plane.

    Attributes
    ----------
    index : int
        Number in the sequence of blocks.
    box : Box
        In the plane's axes.
    voxels : ndarray, shape ``box.shape``
    plane : Plane
        Whose slices are learned from.
    """

    index: int
    box: Box
    voxels: np.ndarray[Any, Any]
    plane: Plane = XY


class BlockSource:
    """The endless sequence of blocks of a region.

    Parameters
    ----------
    volume : Volume
        Read by several threads.
    region : Box
        Blocks lie inside it.
    settings : SamplerSettings
        Size of blocks and crops.
    context : int
        Slices needed on either side of a crop's own slice.
    seed : int
        Of the sequence.

    Raises
    ------
    RegionError
        If the region is smaller than a crop, or has too few slices for the context.
    """

    def __init__(
        self, volume: Volume, region: Box, settings: SamplerSettings, context: int, seed: int
    ) -> None:
        region.check(volume.shape)
        depth, height, width = region.shape
        if min(height, width) < settings.window:
            raise RegionError(
                f"The region {region} measures {height} x {width} px in a slice; crops of {settings.crop} px "
                f"shifted by up to {settings.view_shift} px need {settings.window} x {settings.window}. "
                "Choose a larger region, or a smaller crop and view shift in the sampler's settings."
            )
        if depth < 2 * context + 1:
            raise RegionError(
                f"The region {region} has {depth} slices; {context} context slices on either side need "
                f"{2 * context + 1}. Choose a deeper region, or context 0."
            )
        self._volume, self._region, self._settings = volume, region, settings
        self._context, self._seed = context, seed

    def box(self, index: int, attempt: int = 0) -> Box:
        """Return where block `index` lies; `attempt` counts the places given up as empty."""
        rng = np.random.default_rng((self._seed, 0, index, attempt))
        settings, region, chunks = self._settings, self._region, self._volume.chunks
        z = int(rng.integers(region.start[0] + self._context, region.stop[0] - self._context))
        start, stop = [z - self._context], [z + self._context + 1]
        for axis in (1, 2):
            edge = min(settings.block, region.shape[axis])
            low = int(rng.integers(region.start[axis], region.stop[axis] - edge + 1))
            start.append(low)
            stop.append(low + edge)
        plain = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
        grown = plain
        for axis in (2, 1, 0):
            candidate = _grow(grown, axis, chunks[axis], region)
            if candidate.size <= _MOST_GROWTH * plain.size and candidate.shape[0] <= _MOST_SLICES:
                grown = candidate
        return grown

    def read(self, index: int) -> Block:
        """Read block `index`; places without any contrast are passed over."""
        for attempt in range(_RETRIES):
            box = self.box(index, attempt)
            voxels = self._volume.read(box)
            finite = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
            if finite.size and finite.min() < finite.max():
                break
        return Block(index, box, voxels)

    def typical_growth(self) -> float:
        """Return how many times larger than asked for the blocks are, on average over the first few."""
        plain = (2 * self._context + 1) * math.prod(
            min(self._settings.block, self._region.shape[axis]) for axis in (1, 2)
        )
        return float(np.mean([self.box(index).size / plain for index in range(8)]))


def _grow(box: Box, axis: int, chunk: int, region: Box) -> Box:
    """Widen a box along an axis to whole chunks, within the region."""
    start, stop = list(box.start), list(box.stop)
    start[axis] = max(region.start[axis], start[axis] // chunk * chunk)
    stop[axis] = min(region.stop[axis], -(-stop[axis] // chunk) * chunk)
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


class BlockPool:
    """The blocks that a step draws from, and those that the next steps will need, being read.

    At step t the pool holds the blocks ``low(t) <= n < high(t)``; it fills up over the first steps, so
    that training need not wait for a whole pool, and then moves on by ``batch / reuse`` blocks a step.

    Parameters
    ----------
    source : BlockSource
        Where blocks come from.
    settings : SamplerSettings
        Pool size, reuse, memory limit.
    itemsize, slices : int
        Bytes a voxel and least slices a block, for the memory limit.
    ahead : int
        Steps to read ahead.
    """

    def __init__(
        self, source: BlockSource, settings: SamplerSettings, itemsize: int, slices: int, ahead: int = 4
    ) -> None:
        growth = source.typical_growth()
        block_bytes = growth * slices * settings.block**2 * itemsize
        affordable = int(settings.memory * 2**20 / max(block_bytes, 1))
        # Blocks that were grown count as many: codes are computed for whole blocks.
        wanted = max(_FEWEST, round(settings.pool / growth))
        self._size = max(1, min(settings.pool, wanted, affordable))
        self._rate = min(settings.batch / (settings.reuse * growth), self._size)
        self._first = min(settings.batch, self._size)
        self._source, self._ahead = source, ahead
        self._blocks: dict[int, Future[Block]] = {}
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="dense-ssl-read")

    def range(self, step: int) -> tuple[int, int]:
        """Return (low, high): the numbers of the blocks that step `step` draws from."""
        high = math.ceil(step * self._rate) + min(self._size, self._first + step)
        return max(0, high - self._size), high

    def blocks(self, step: int) -> Sequence[Block]:
        """Return the pool of a step (steps must not go back); reads ahead for the next ones."""
        low, high = self.range(step)
        for index in [n for n in self._blocks if n < low]:
            self._blocks.pop(index).cancel()
        for index in range(low, self.range(step + self._ahead)[1]):
            if index not in self._blocks:
                self._blocks[index] = self._threads.submit(self._source.read, index)
        return [self._blocks[index].result() for index in range(low, high)]

    def close(self) -> None:
        """Stop reading; blocks until the reads in flight are over."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._blocks.clear()
