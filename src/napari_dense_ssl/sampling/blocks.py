"""Blocks of a volume, read ahead by threads into a bounded pool.

Block n is a function of (seed, n) alone, and the pool that step t draws from is a function of t alone, so
neither threads nor resuming change what is drawn. A block is grown to whole chunks of the file where that
is cheap, so that a chunk that was decompressed is used and not read again a moment later. Places that show
nothing (:mod:`~napari_dense_ssl.sampling.content`) are given up for others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import XY, Plane
from napari_dense_ssl.sampling.content import Content
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Volume

_MOST_GROWTH = 8
"""A block is grown to whole chunks only where that makes it at most so many times larger."""

_RETRIES = 16
"""How many places are tried for a block where they are empty (padding, resin)."""

_FEWEST = 8
"""Blocks in a pool, however large they are: a batch should come from several places."""

_MOST_SLICES = 16
"""Slices a block has at the most."""

_FIRST = 48
"""Blocks that are taken as a sample of how large they get."""


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


class Blocks(Protocol):
    """An endless sequence of blocks, each a function of its number."""

    def read(self, index: int) -> Block:
        """Read block `index`."""
        ...

    def typical_growth(self) -> float:
        """Return how many times larger than asked for the blocks are, on average over the first few."""
        ...

    def largest(self) -> int:
        """Return how many voxels the largest of the first few dozen blocks has."""
        ...


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
        self._content = Content(volume, region)

    def box(self, index: int, attempt: int = 0) -> Box:
        """Return where block `index` lies; `attempt` counts the places given up as empty."""
        rng = np.random.default_rng((self._seed, 0, index, attempt))
        settings, region = self._settings, self._region
        z = int(rng.integers(region.start[0] + self._context, region.stop[0] - self._context))
        start = [z]
        for axis in (1, 2):
            edge = min(settings.block, region.shape[axis])
            start.append(int(rng.integers(region.start[axis], region.stop[axis] - edge + 1)))
        return self._around((start[0], start[1], start[2]))

    def read(self, index: int) -> Block:
        """Read block `index`; places that show nothing are passed over."""
        for attempt in range(_RETRIES):
            box = self.box(index, attempt)
            if not self._content.promises(box):
                continue
            voxels = self._volume.read(box)
            if self._content.shown(box, voxels):
                return Block(index, box, voxels)
        box = self._sure_box(index)
        return Block(index, box, self._volume.read(box))

    def _sure_box(self, index: int) -> Box:
        """Return a box at one of the few places that are known to show something; any, if there is none."""
        places = self._content.places
        if not places:
            return self.box(index, _RETRIES - 1)
        rng = np.random.default_rng((self._seed, 0, index, _RETRIES))
        region, place = self._region, places[int(rng.integers(len(places)))]
        z = min(max(place.start[0], region.start[0] + self._context), region.stop[0] - self._context - 1)
        start = [z]
        for axis in (1, 2):
            edge = min(self._settings.block, region.shape[axis])
            low = int(rng.integers(place.start[axis] - edge // 2, place.stop[axis] - edge // 2 + 1))
            start.append(min(max(low, region.start[axis]), region.stop[axis] - edge))
        return self._around((start[0], start[1], start[2]))

    def _around(self, corner: tuple[int, int, int]) -> Box:
        """Return the block at a slice and an upper left corner, with its context, grown to chunks."""
        settings, region, chunks = self._settings, self._region, self._volume.chunks
        start, stop = [corner[0] - self._context], [corner[0] + self._context + 1]
        for axis in (1, 2):
            start.append(corner[axis])
            stop.append(corner[axis] + min(settings.block, region.shape[axis]))
        plain = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
        grown = plain
        for axis in (2, 1, 0):
            candidate = _grow(grown, axis, chunks[axis], region)
            if candidate.size <= _MOST_GROWTH * plain.size and candidate.shape[0] <= _MOST_SLICES:
                grown = candidate
        return grown

    def typical_growth(self) -> float:
        """Return how many times larger than asked for the blocks are, on average over the first few."""
        plain = (2 * self._context + 1) * math.prod(
            min(self._settings.block, self._region.shape[axis]) for axis in (1, 2)
        )
        return float(np.mean([self.box(index).size / plain for index in range(8)]))

    def largest(self) -> int:
        """Return how many voxels the largest of the first few dozen blocks has."""
        return max(self.box(index).size for index in range(_FIRST))


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
    source : Blocks
        Where blocks come from.
    settings : SamplerSettings
        Pool size, reuse, memory limit: all blocks that are held at a time, those read ahead among them.
    itemsize : int
        Bytes a voxel, for the memory limit.
    ahead : int
        Steps to read ahead, at least.
    readers : int
        Threads that read. They read ahead two blocks each, so that none waits for a step.
    """

    def __init__(
        self, source: Blocks, settings: SamplerSettings, itemsize: int, ahead: int = 4, readers: int = 2
    ) -> None:
        growth = source.typical_growth()
        # One block at least is read while the others are used.
        affordable = max(1, int(settings.memory * 2**20 / (source.largest() * itemsize)) - 1)
        # Blocks that were grown count as many: codes are computed for whole blocks.
        wanted = max(_FEWEST, round(settings.pool / growth))
        self._size = max(1, min(settings.pool, wanted, affordable))
        self._rate = min(settings.batch / (settings.reuse * growth), self._size)
        self._first = min(settings.batch, self._size)
        self._source, self._ahead = source, ahead
        self._least_ahead, self._most = 2 * readers, affordable + 1
        self._blocks: dict[int, Future[Block]] = {}
        self._threads = ThreadPoolExecutor(max_workers=readers, thread_name_prefix="dense-ssl-read")

    def range(self, step: int) -> tuple[int, int]:
        """Return (low, high): the numbers of the blocks that step `step` draws from."""
        high = math.ceil(step * self._rate) + min(self._size, self._first + step)
        return max(0, high - self._size), high

    @property
    def held(self) -> int:
        """How many blocks are held or being read."""
        return len(self._blocks)

    def blocks(self, step: int) -> Sequence[Block]:
        """Return the pool of a step (steps must not go back); reads ahead for the next ones."""
        low, high = self.range(step)
        for index in [n for n in self._blocks if n < low]:
            self._blocks.pop(index).cancel()
        wanted = max(self.range(step + self._ahead)[1], high + self._least_ahead)
        for index in range(low, min(wanted, low + self._most)):
            if index not in self._blocks:
                self._blocks[index] = self._threads.submit(self._source.read, index)
        return [self._blocks[index].result() for index in range(low, high)]

    def close(self) -> None:
        """Stop reading; blocks until the reads in flight are over."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._blocks.clear()
