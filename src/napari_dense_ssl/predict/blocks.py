"""Which blocks of a region are computed, each between two entries of the manifest; all are whole chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from napari_dense_ssl.core.events import Started
from napari_dense_ssl.core.geometry import Box, Triple
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.volume import Output

_BLOCK = 1024
"""Edge of a block of one slice, px."""


@dataclass(frozen=True)
class Plan:
    """What of a region is still to be computed, block by block.

    Attributes
    ----------
    output : Output
    region : Box
    total : int
        Number of all blocks.
    rest : mapping of str to Box
        Blocks that are not in the output's manifest, by their key there.
    """

    output: Output
    region: Box
    total: int
    rest: Mapping[str, Box]

    @classmethod
    def of(cls, output: Output, region: Box, blocks: Iterable[tuple[str, Box]]) -> Plan:
        """Leave out those of a region's blocks that are finished."""
        every, finished = dict(blocks), output.finished()
        return cls(output, region, len(every), {k: box for k, box in every.items() if k not in finished})

    def started(self, job: str, predictor: Predictor, details: Mapping[str, str | int]) -> Started:
        """Return the event that the job begins with."""
        facts: dict[str, str | int | float] = {
            "device": predictor.device.description,
            "halo": predictor.halo,
            "region": str(self.region),
            **details,
            "done_before": self.total - len(self.rest),
        }
        return Started(job, self.total, "block", facts)


def block_edge(chunk: int) -> int:
    """Return the edge of the blocks that a plane is computed in, px: whole chunks."""
    return chunk * max(1, _BLOCK // chunk)


def flat_blocks(region: Box, chunk: int, *, with_embedding: bool = False) -> Iterator[tuple[str, Box]]:
    """Yield the blocks of whole chunks that cover a region, each with its key in the manifest."""
    # An embedding has some hundred bytes a pixel: one chunk at a time.
    edge = chunk if with_embedding else block_edge(chunk)
    (z0, y0, x0), (z1, y1, x1) = region.start, region.stop
    for z in range(z0, z1):
        for y in range(y0 // edge, -(-y1 // edge)):
            for x in range(x0 // edge, -(-x1 // edge)):
                cell = Box((z, y * edge, x * edge), (z + 1, (y + 1) * edge, (x + 1) * edge))
                yield f"{z}/{y}/{x}", cell.intersect(region)


def cube_blocks(region: Box, chunk: int, edges: Triple) -> Iterator[tuple[str, Box]]:
    """Yield the blocks of many slices that cover a region, each with its key in the manifest.

    Parameters
    ----------
    region : Box
    chunk : int
        Edge of the output's chunks, px: blocks begin at multiples of it.
    edges : tuple of int
        Of the blocks along Z, Y and X, multiples of the chunk.
    """
    starts = [
        range(low // chunk * chunk, high, edge)
        for low, high, edge in zip(region.start, region.stop, edges, strict=True)
    ]
    for z, y, x in product(*starts):
        cell = Box((z, y, x), (z + edges[0], y + edges[1], x + edges[2]))
        yield f"{z}-{y}-{x}", cell.intersect(region)


def cube_edges(region: Box, chunk: int, voxels: int, halo: int) -> Triple:
    """Choose the blocks of whole chunks for which three planes are computed with the least halo in all.

    Parameters
    ----------
    region : Box
    chunk : int
        Edge of the output's chunks, px.
    voxels : int
        Most voxels of a block; a block has one chunk at least.
    halo : int
        What is computed beyond a block on either side within each plane, px.

    Returns
    -------
    tuple of int
        Edges along Z, Y and X, multiples of the chunk.
    """
    chunks = [-(-b // chunk) - a // chunk for a, b in zip(region.start, region.stop, strict=True)]
    most = max(1, voxels // chunk**3)
    best, least = (1, 1, 1), float("inf")
    for z in range(1, min(most, chunks[0]) + 1):
        for y in range(1, min(most // z, chunks[1]) + 1):
            for x in range(1, min(most // (z * y), chunks[2]) + 1):
                lengths = [
                    length + 2 * halo * -(-count // each)
                    for length, count, each in zip(region.shape, chunks, (z, y, x), strict=True)
                ]
                cost = sum(region.shape[axis] * lengths[axis - 1] * lengths[axis - 2] for axis in range(3))
                if cost < least:
                    best, least = (z, y, x), cost
    return (best[0] * chunk, best[1] * chunk, best[2] * chunk)
