"""A first look at cells: the space between membranes, cut at its narrowest places.

Watershed of the distance to the nearest membrane, from the local maxima of the smoothed distance (as in Beier
et al., "Multicut brings automated neurite segmentation closer to human performance", Nature Methods 2017, who
take it for superpixels). Where membranes are missing cells run together, where a cell is narrow it is cut:
look at the result, and merge by hand. Neighbours are joined again where the passage between them is nearly as
wide as they are: maxima along a tube are no cells of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import cc3d
import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from napari_dense_ssl.core.beating import beating
from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.events import Event
from napari_dense_ssl.core.geometry import Box, VoxelSize
from napari_dense_ssl.evaluate.clock import Clock
from napari_dense_ssl.evaluate.objects.assembly import Pieces
from napari_dense_ssl.evaluate.objects.settings import ObjectSettings

BYTES_A_VOXEL = 64
"""What distances, their maxima and the watershed take at their most."""

MOST_BYTES = 4 << 30
"""Of memory for a slab, at most; never more than half of what is free."""


def cell_slabs(region: Box, settings: ObjectSettings) -> list[Box]:
    """Cut a region into slabs that fit into memory together with their overlap.

    Raises
    ------
    RegionError
        If not even a thin slab fits.
    """
    depth, height, width = region.shape
    room = min(MOST_BYTES, psutil.virtual_memory().available // 2)
    fits = int(room // (BYTES_A_VOXEL * height * width))
    if fits >= depth:
        return [region]
    thick = fits - 2 * settings.cell_overlap
    if thick < 1:
        edge = int((room / BYTES_A_VOXEL / (2 * settings.cell_overlap + 1)) ** 0.5)
        least = 2 * settings.cell_overlap + 1
        raise RegionError(
            f"Cells of slices of {height} x {width} px do not fit into memory: a slab of {least} slices "
            f"needs {least * height * width * BYTES_A_VOXEL / 1e9:.1f} GB, {room / 1e9:.1f} GB may be used. "
            f"Choose a region of at most {edge} x {edge} px (--roi), or make cells of a coarser level."
        )
    (z0, y0, x0), (z1, y1, x1) = region.start, region.stop
    return [Box((z, y0, x0), (min(z + thick, z1), y1, x1)) for z in range(z0, z1, thick)]


def cells(
    read: Callable[[Box], NDArray[Any]],
    membranes: tuple[int, ...],
    target: Any,
    slabs: list[Box],
    settings: ObjectSettings,
    voxel_size: VoxelSize | None,
    clock: Clock,
) -> Generator[Event, None, Pieces]:
    """Write the numbers of cells slab by slab, and find out which of them are one.

    Cells of neighbouring slabs are one where each is the other's best match in the slices that both know and
    they share more than half of the smaller one there.

    Parameters
    ----------
    read, target, settings, clock
        See :func:`~napari_dense_ssl.evaluate.objects.components.components`.
    membranes : tuple of int
        Labels that cells end at; 0, which is not predicted, belongs to no cell.
    slabs : list of Box
        From :func:`cell_slabs`.
    voxel_size : VoxelSize or None
        Cubes where None.
    """
    pieces = Pieces()
    first, last = slabs[0].start[0], slabs[-1].stop[0]
    before: tuple[NDArray[np.uint32], int] | None = None  # its end with the overlap, first number less one
    for slab in slabs:
        z0, z1 = slab.start[0], slab.stop[0]
        a, b = max(first, z0 - settings.cell_overlap), min(last, z1 + settings.cell_overlap)
        window = Box((a, *slab.start[1:]), (b, *slab.stop[1:]))
        labels = yield from beating(partial(_read_cells, read, window, membranes, settings, voxel_size))
        offset, core = pieces.count, labels[z0 - a : z1 - a]
        most = int(labels.max(initial=0))
        pieces.add(core, (z0 - first, 0, 0), most)
        if before is not None:
            tail, others = before
            shared = labels[: len(tail)]
            pieces.join(_best_matches(tail, shared) + np.array([others, offset]))
        target[z0 - first : z1 - first] = np.where(core > 0, core + np.uint32(offset), np.uint32(0))
        start = max(a, z1 - settings.cell_overlap)
        before = (labels[start - a :].copy(), offset)
        yield clock.step(1)
    return pieces


def _read_cells(
    read: Callable[[Box], NDArray[Any]],
    window: Box,
    membranes: tuple[int, ...],
    settings: ObjectSettings,
    voxel_size: VoxelSize | None,
) -> NDArray[np.uint32]:
    return cut_cells(read(window), membranes, settings, voxel_size)


def cut_cells(
    block: NDArray[Any], membranes: tuple[int, ...], settings: ObjectSettings, voxel_size: VoxelSize | None
) -> NDArray[np.uint32]:
    """Cut the space between membranes into cells.

    Parameters
    ----------
    block : ndarray, shape (Z, Y, X), integer
        Class map.
    membranes : tuple of int
        Labels of membranes.
    settings : ObjectSettings
        Least radius and neck of a cell.
    voxel_size : VoxelSize or None
        Cubes where None.

    Returns
    -------
    ndarray, shape (Z, Y, X), uint32
        Numbers from 1; 0 on membranes and what is not predicted.
    """
    radius = settings.cell_radius
    space = (block != 0) & ~np.isin(block, membranes)
    size = np.ones(3) if voxel_size is None else np.asarray(voxel_size) / min(voxel_size.y, voxel_size.x)
    distance = distance_transform_edt(space, sampling=size).astype(np.float32)
    smooth = gaussian_filter(distance, radius / 2 / size, truncate=2.0)
    peaks = local_maxima(smooth, connectivity=3, allow_borders=True) & (distance >= radius)
    markers = cc3d.connected_components(peaks, connectivity=26, out_dtype=np.uint32)
    cut = watershed(-smooth, markers.astype(np.int32), mask=space).astype(np.uint32)
    return _without_wide_passages(cut, smooth, settings.cell_neck)


def _without_wide_passages(
    labels: NDArray[np.uint32], width: NDArray[np.float32], share: float
) -> NDArray[np.uint32]:
    """Join neighbours whose passage is as wide as a share of the narrower one's widest place."""
    count = int(labels.max(initial=0))
    if count < 2:
        return labels
    widest = np.zeros(count + 1, np.float32)
    np.maximum.at(widest, labels.ravel(), width.ravel())
    pairs: list[NDArray[np.int64]] = []
    for axis in range(3):
        first, second = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        meet = (first != second) & (first > 0) & (second > 0)
        a, b = first[meet].astype(np.int64), second[meet].astype(np.int64)
        along = np.moveaxis(width, axis, 0)
        passage = np.minimum(along[:-1][meet], along[1:][meet])
        wide = passage >= share * np.minimum(widest[a], widest[b])
        pairs.append(np.unique(np.stack([a[wide], b[wide]], axis=1), axis=0))
    joined = np.concatenate(pairs)
    graph = coo_array((np.ones(len(joined), bool), (joined[:, 0], joined[:, 1])), (count + 1, count + 1))
    _, owner = connected_components(graph, directed=False)
    # background, label 0, is alone and comes first
    return owner.astype(np.uint32)[labels]


def _best_matches(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return pairs of numbers, shape (P, 2), that are each other's best and share half of the smaller one."""
    both = (first > 0) & (second > 0)
    pairs, shared = np.unique(
        np.stack([first[both], second[both]], axis=1).astype(np.int64), axis=0, return_counts=True
    )
    if not len(pairs):
        return pairs.reshape(0, 2)
    sizes = [np.bincount(labels.ravel()) for labels in (first, second)]
    best = [np.zeros(len(size), np.int64) for size in sizes]
    for side in (0, 1):
        np.maximum.at(best[side], pairs[:, side], shared)
    smaller = np.minimum(sizes[0][pairs[:, 0]], sizes[1][pairs[:, 1]])
    kept = (shared == best[0][pairs[:, 0]]) & (shared == best[1][pairs[:, 1]]) & (2 * shared > smaller)
    best_pairs: NDArray[np.int64] = pairs[kept]
    return best_pairs
