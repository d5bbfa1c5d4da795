"""How much of each label there is in each slice: voxels, and volumes where the voxel size is known."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box, VoxelSize

if TYPE_CHECKING:
    from napari_dense_ssl.volume import Volume

_BLOCK = 2048  # px, edge of what is read between two beats


class LabelCounts:
    """Voxels of each label by slice.

    Attributes
    ----------
    slices : dict of int to ndarray, shape (256,), int64
        Counts of each label by slice (Z, voxels).
    """

    def __init__(self) -> None:
        self.slices: dict[int, NDArray[np.int64]] = {}

    def count(self, labels: Volume, region: Box) -> Iterator[Beat]:
        """Count a region of a volume of labels, block by block, with a beat after each.

        Raises
        ------
        VolumeError, RegionError
            If it cannot be read there.
        """
        (z0, y0, x0), (z1, y1, x1) = region.start, region.stop
        for z in range(z0, z1):
            total = np.zeros(256, np.int64)
            for y in range(y0, y1, _BLOCK):
                for x in range(x0, x1, _BLOCK):
                    box = Box((z, y, x), (z + 1, min(y1, y + _BLOCK), min(x1, x + _BLOCK)))
                    values = labels.read(box).astype(np.uint8, copy=False)
                    total += np.bincount(values.ravel(), minlength=256)
                    yield Beat()
            self.slices[z] = total

    @property
    def total(self) -> NDArray[np.int64]:
        """Voxels of each label in all slices, shape (256,)."""
        return np.sum(list(self.slices.values()), axis=0) if self.slices else np.zeros(256, np.int64)

    def write(
        self, path: str | os.PathLike[str], voxel_size: VoxelSize | None, name: Callable[[int], str] = str
    ) -> Path:
        """Write a CSV: a row for each slice and label, and one for each label of all slices.

        Columns are ``slice`` (Z in voxels, or ``all``), ``label``, ``name``, ``voxels``, ``share`` (of what
        is segmented, 0 to 1) and ``volume_um3``, which is empty where the voxel size is not known.

        Parameters
        ----------
        path : path
        voxel_size : VoxelSize or None
            nm.
        name : callable
            Returns the name of a label.
        """
        place = Path(path)
        present = [int(k) for k in np.flatnonzero(self.total) if k]
        rows: list[tuple[str, NDArray[np.int64]]] = [(str(z), n) for z, n in sorted(self.slices.items())]
        with place.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["slice", "label", "name", "voxels", "share", "volume_um3"])
            for which, counts in [*rows, ("all", self.total)]:
                whole = int(counts[1:].sum())
                for k in present:
                    voxels = int(counts[k])
                    share = voxels / whole if whole else 0.0
                    size = "" if voxel_size is None else f"{volume_um3(voxels, voxel_size):.6g}"
                    table.writerow([which, k, name(k), voxels, f"{share:.6g}", size])
        return place


def volume_um3(voxels: int, voxel_size: VoxelSize) -> float:
    """Return a volume in cubic micrometres, of voxels whose edges are in nm.

    Examples
    --------
    >>> volume_um3(1000, VoxelSize(100.0, 10.0, 10.0))
    0.01
    """
    return voxels * float(np.prod(voxel_size)) / 1e9
