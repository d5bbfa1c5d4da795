"""Predictions averaged over the three orthogonal planes of an isotropic volume.

A network that sees slices has no reason to treat Z, Y and X alike, and its maps flicker from slice to
slice. In an isotropic volume every voxel lies in three slices that look alike: their predictions are
averaged. Probabilities of all classes are kept for a block until all planes have added theirs. A block's
surroundings are read once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dense_ssl.core.events import Beat, Noted
from napari_dense_ssl.core.geometry import Box, Triple
from napari_dense_ssl.core.planes import PLANES, Plane
from napari_dense_ssl.predict.flight import Averages, PlanePart
from napari_dense_ssl.predict.planes import is_ortho
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.windows import Window, windows
from napari_dense_ssl.volume import Intensity, Volume
from napari_dense_ssl.volume.volume import read_around

_SLAB = 8
"""Slices of a block whose classes are found at once."""


def block_parts(
    predictor: Predictor, volume: Volume, boxes: Iterable[Box], what: Sequence[str], intensity: Intensity
) -> Generator[PlanePart | Beat | Noted]:
    """Compute boxes in the planes that are decided on; events as :meth:`Predictor.parts`.

    Boxes of which three planes are averaged come slice by slice at their end.
    """
    if not is_ortho(predictor):
        yield from predictor.parts(volume, boxes, what, intensity)
        return
    rest = iter(boxes)
    with ThreadPoolExecutor(1, thread_name_prefix="read-block") as reader:
        ahead: Future[Surroundings] | None = None

        def begin() -> Future[Surroundings] | None:
            box = next(rest, None)
            return None if box is None else reader.submit(Surroundings.read, predictor, volume, box, what)

        ahead = begin()
        while ahead is not None:
            surroundings = ahead.result()
            ahead = begin()
            yield from _averaged(predictor, surroundings, what, intensity)


@dataclass(frozen=True)
class Surroundings:
    """A block in memory with all that its windows in three planes look at.

    Attributes
    ----------
    block : Box
        What is predicted.
    box : Box
        What is in memory.
    voxels : ndarray, shape ``box.shape``
    whole : tuple of int
        Shape of the volume.
    """

    block: Box
    box: Box
    voxels: NDArray[Any]
    whole: Triple

    @classmethod
    def read(cls, predictor: Predictor, volume: Volume, block: Box, what: Sequence[str]) -> Surroundings:
        """Read what the windows of a block need, and no more."""
        low, high = list(block.start), list(block.stop)
        reach, sides = predictor.reach(what), predictor.encoder.slices // 2
        for plane in PLANES:
            tiles = [window.tile for window in plane_windows(predictor, volume.shape, block, plane, what)]
            around = (sides, reach, reach)
            seen = plane.box(block)
            starts = (seen.start[0], *(min(tile.outer[i][0] for tile in tiles) for i in (0, 1)))
            stops = (seen.stop[0], *(max(tile.outer[i][1] for tile in tiles) for i in (0, 1)))
            for axis, start, stop, more in zip(plane.axes, starts, stops, around, strict=True):
                low[axis] = min(low[axis], max(0, start - more))
                high[axis] = max(high[axis], min(volume.shape[axis], stop + more))
        box = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        return cls(block, box, volume.read(box), volume.shape)

    def along(self, plane: Plane) -> PlaneStack:
        """Return the slices along a plane."""
        return PlaneStack(plane.triple(self.whole), plane.box(self.box).start, plane.see(self.voxels))


@dataclass(frozen=True)
class PlaneStack:
    """The slices of a volume along a plane, of which only some part is in memory.

    Attributes
    ----------
    shape : tuple of int
        Of the whole volume: normal, rows, columns.
    start : tuple of int
        Where the part begins.
    voxels : ndarray
        The part.
    """

    shape: Triple
    start: Triple
    voxels: NDArray[Any]

    def read_around(self, box: Box, reach: int) -> NDArray[Any]:
        """Return a part of one slice with its neighbours; see :meth:`Volume.read_around`."""
        return read_around(self._read, self.shape[0], box, reach)

    def _read(self, box: Box) -> NDArray[Any]:
        ranges = zip(box.start, box.stop, self.start, strict=True)
        return self.voxels[tuple(slice(a - first, b - first) for a, b, first in ranges)]


def plane_windows(
    predictor: Predictor, shape: Triple, block: Box, plane: Plane, what: Sequence[str]
) -> Iterator[Window]:
    """Yield the windows that cover a block in a plane."""
    return windows((plane.box(block),), plane.triple(shape)[1:], predictor.layout(what))


def _averaged(
    predictor: Predictor, surroundings: Surroundings, what: Sequence[str], intensity: Intensity
) -> Generator[PlanePart | Beat | Noted]:
    """Average the three planes of a block."""
    block, device = surroundings.block, predictor.device.torch_device
    # Classes last: what a window adds, and the greatest of a voxel, are neighbours in memory.
    total = torch.zeros((*block.shape, predictor.encoder.classes), device=device)
    error = torch.zeros(block.shape, device=device) if "error" in what else None
    for plane in PLANES:
        found = tuple(plane_windows(predictor, surroundings.whole, block, plane, what))
        edge = max(max(window.tile.outer_shape) for window in found)
        into = total.permute(3, *plane.axes), None if error is None else error.permute(plane.axes)
        start = plane.box(block).start
        averages = predictor.averages(surroundings.along(plane), found, what, intensity, edge)
        with closing(averages):
            for item in averages:
                if isinstance(item, Averages):
                    _add(item, start, *into)
                    del item
                else:
                    yield item
    maps = []
    for z in range(0, block.shape[0], _SLAB):
        maps.append(_greatest(total[z : z + _SLAB]))
        yield Beat()
    classes = torch.cat([m[0] for m in maps]).cpu().numpy()
    confidence = torch.cat([m[1] for m in maps]).cpu().numpy()
    errors = None if error is None else (error / len(PLANES)).cpu().numpy()
    for z in range(block.shape[0]):
        yield PlanePart(
            block.plane(block.start[0] + z), classes[z], confidence[z], None if errors is None else errors[z]
        )


@torch.inference_mode()
def _add(found: Averages, start: Triple, total: Tensor, error: Tensor | None) -> None:
    """Add windows' probabilities to those of a block (K, normal, rows, columns), which begins at `start`."""
    for window, average in zip(found.group, found.averages, strict=True):
        box = window.box
        z, y, x = (slice(a - s, b - s) for a, b, s in zip(box.start, box.stop, start, strict=True))
        total[:, z.start, y, x] += average.mean()
        if error is not None:
            error[z.start, y, x] += average.error()


@torch.inference_mode()
def _greatest(total: Tensor) -> tuple[Tensor, Tensor]:
    """Return classes (argmax + 1, uint8) and confidence of summed probabilities (..., K)."""
    confidence, best = total.max(-1)
    return (best + 1).to(torch.uint8), confidence / len(PLANES)
