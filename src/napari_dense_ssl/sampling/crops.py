"""Batches of crops: drawn from the pool of blocks, normalised, ready a step ahead of their use."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import XY, Plane
from napari_dense_ssl.sampling.blocks import Block, BlockPool, Blocks, BlockSource
from napari_dense_ssl.sampling.planes import PlaneBlocks
from napari_dense_ssl.sampling.portion import Portion
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Intensity, Volume
from napari_dense_ssl.volume.opening import is_url

READERS = {"local": 2, "remote": 8}
"""Threads that read a volume: more where each reading waits for a server's answer."""


@dataclass(frozen=True)
class Places:
    """Where the views of a whole batch lie in their windows, other processes' crops among them.

    Attributes
    ----------
    offsets : ndarray, shape (B, 2), int
        Upper left corner of the view in its window, px.
    symmetries : ndarray, shape (B,), int
        Index into :meth:`napari_dense_ssl.core.geometry.Symmetry.all`.
    """

    offsets: np.ndarray[Any, np.dtype[np.int64]]
    symmetries: np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class CropBatch:
    """Clean windows, and where in each of them the student's view lies.

    Attributes
    ----------
    windows : ndarray, shape (B, N, R, R), float32
        Normalised; N is 1, or 5 with two context slices on either side (the middle one is number 2);
        R is the crop plus the largest view shift.
    offsets : ndarray, shape (B, 2), int
        Upper left corner of the view in its window, px.
    symmetries : ndarray, shape (B,), int
        Index into :meth:`napari_dense_ssl.core.geometry.Symmetry.all`.
    boxes : tuple of Box
        Where the windows' middle slices lie in the volume, in the axes of their block's plane.
    blocks : tuple of Block
        The blocks that the windows were cut from.
    oldest : int
        Blocks of lower numbers will not be drawn from any more.
    shared : (Portion, Places) or None
        Where several processes share the batch: which of its crops these are, and all views of it.
    slices : tuple of (Block, int)
        Block and middle slice, as in `boxes`, of each crop of the whole batch.
    """

    windows: np.ndarray[Any, np.dtype[np.float32]]
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    symmetries: np.ndarray[Any, np.dtype[np.int64]]
    boxes: tuple[Box, ...]
    blocks: tuple[Block, ...] = ()
    oldest: int = 0
    shared: tuple[Portion, Places] | None = None
    slices: tuple[tuple[Block, int], ...] = ()

    @property
    def portion(self) -> Portion:
        """Which crops of the whole batch these are."""
        return Portion.all(len(self.offsets)) if self.shared is None else self.shared[0]

    @property
    def places(self) -> Places:
        """The views of the whole batch."""
        return Places(self.offsets, self.symmetries) if self.shared is None else self.shared[1]

    def seen_at(self, places: Places) -> CropBatch:
        """Return the same windows with other views, which are given for the whole batch."""
        portion = self.portion
        return replace(
            self,
            offsets=portion.of(places.offsets),
            symmetries=portion.of(places.symmetries),
            shared=None if self.shared is None else (portion, places),
        )

    def part(self, part: slice) -> CropBatch:
        """Return some of the crops; of a shared batch, all processes take the same part of theirs."""
        shared, all_of = self.shared, part
        if shared is not None:
            portion, places = shared
            all_of = slice(portion.step * part.start, portion.step * part.stop)
            places = Places(places.offsets[all_of], places.symmetries[all_of])
            shared = portion.part(part.start, part.stop), places
        return CropBatch(
            self.windows[part],
            self.offsets[part],
            self.symmetries[part],
            self.boxes[part],
            self.blocks[part],
            self.oldest,
            shared,
            self.slices[all_of],
        )

    @property
    def middle(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The windows' own slices, shape (B, 1, R, R)."""
        half = self.windows.shape[1] // 2
        return self.windows[:, half : half + 1]


class CropSampler:
    """Gives the batch of any step; to be asked for steps in order, and closed.

    Parameters
    ----------
    volume : Volume
        Where crops come from.
    region : Box
        Which part of it.
    intensity : Intensity
        What windows are normalised with.
    settings : SamplerSettings
        Sizes.
    context : int
        Slices on either side, 0 or 2.
    seed : int
        The same seed gives the same batches.
    rank, world : int
        This process among those that share a batch.
    planes : sequence of Plane
        Whose slices the crops are cut from; blocks come from one after the other.
    readers : int, optional
        Threads that read; by default as many as :data:`READERS` says. They do not change what is drawn.

    Raises
    ------
    RegionError
        If the region is smaller than a crop, or has too few slices for the context.
    """

    def __init__(
        self,
        volume: Volume,
        region: Box,
        intensity: Intensity,
        settings: SamplerSettings,
        *,
        context: int = 0,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        planes: Sequence[Plane] = (XY,),
        readers: int | None = None,
    ) -> None:
        source: Blocks = (
            BlockSource(volume, region, settings, context, seed)
            if tuple(planes) == (XY,)
            else PlaneBlocks(volume, region, settings, context, seed, planes)
        )
        readers = readers or READERS["remote" if is_url(volume.source) else "local"]
        self._pool = BlockPool(source, settings, volume.dtype.itemsize, readers=readers)
        self._settings, self._intensity, self._context, self._seed = settings, intensity, context, seed
        self._portion = Portion(rank, world, settings.batch)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dense-ssl-crops")
        self._next: tuple[int, Future[CropBatch]] | None = None

    def batch(self, step: int) -> CropBatch:
        """Return the batch of a step; the next step's is made meanwhile in a thread of its own."""
        if self._next is not None and self._next[0] == step:
            result = self._next[1].result()
        else:
            result = self._thread.submit(self._draw, step).result()
        self._next = (step + 1, self._thread.submit(self._draw, step + 1))
        return result

    def close(self) -> None:
        """Stop the threads; blocks until the reads in flight are over."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def plane(self, block: Block, z: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return a block's slice with its neighbours, normalised: shape (N, Y, X).

        Parameters
        ----------
        block : Block
        z : int
            The slice, in voxels along the normal of the block's plane.
        """
        low = z - block.box.start[0] - self._context
        return self._intensity.normalise(block.voxels[low : low + 2 * self._context + 1])

    def _draw(self, step: int) -> CropBatch:
        settings = self._settings
        blocks = self._pool.blocks(step)
        rng = np.random.default_rng((self._seed, 1, step))
        # Every rank draws the whole batch's places and keeps its share of them.
        order = np.concatenate(
            [rng.permutation(len(blocks)) for _ in range(-(-settings.batch // len(blocks)))]
        )
        places = rng.random((settings.batch, 3))
        offsets = rng.integers(0, settings.view_shift + 1, (settings.batch, 2))
        symmetries = rng.integers(0, 8 if settings.symmetries else 1, settings.batch)
        portion = self._portion
        mine = portion.of(np.arange(settings.batch)).tolist()
        windows, boxes = zip(*(self._cut(blocks[order[i]], places[i]) for i in mine), strict=True)
        return CropBatch(
            np.stack(windows),
            offsets[mine],
            symmetries[mine],
            boxes,
            tuple(blocks[order[i]] for i in mine),
            self._pool.range(step)[0],
            None if portion.step == 1 else (portion, Places(offsets, symmetries)),
            tuple(
                (blocks[n], self._slice(blocks[n], place[0]))
                for n, place in zip(order[: settings.batch], places, strict=True)
            ),
        )

    def _slice(self, block: Block, place: float) -> int:
        """Return the slice at a relative place, in [0, 1), of those of a block that have neighbours."""
        free = block.voxels.shape[0] - 2 * self._context
        return block.box.start[0] + self._context + int(place * free)

    def _cut(
        self, block: Block, place: np.ndarray[Any, Any]
    ) -> tuple[np.ndarray[Any, np.dtype[np.float32]], Box]:
        """Cut a window at a relative place (each in [0, 1)) out of a block."""
        context, edge = self._context, self._settings.window
        a, b, c = block.box.start
        middle = self._slice(block, place[0])
        room = tuple(size - edge + 1 for size in block.voxels.shape[1:])
        y, x = (int(share * free) for share, free in zip(place[1:], room, strict=True))
        low = middle - a - context
        voxels = block.voxels[low : low + 2 * context + 1, y : y + edge, x : x + edge]
        box = Box((middle, b + y, c + x), (middle + 1, b + y + edge, c + x + edge))
        return self._intensity.normalise(voxels), box
