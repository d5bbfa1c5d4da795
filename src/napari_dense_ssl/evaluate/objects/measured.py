"""Objects that were found: where they are and how large."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.evaluate.csv_table import write_table


@dataclass(frozen=True, eq=False)
class Objects:
    """Objects numbered from 1, the largest first.

    Attributes
    ----------
    labels : array-like, shape (Z, Y, X), uint32
        Their numbers, 0 elsewhere: a numpy array, or the Zarr array that was written.
    voxels : ndarray, shape (N,), int64
        Sizes.
    centroids : ndarray, shape (N, 3), float64
        Mean voxel along Z, Y and X; it may lie outside of a bent object.
    low, high : ndarray, shape (N, 3), int64
        Bounding boxes in voxels, half-open.
    voxel_size : VoxelSize or None
        In nm; None where it is not known.
    translation : tuple of float
        World coordinates of the centre of voxel 0, nm.
    left_out : int
        Objects that the size filter left out.
    path : Path or None
        The OME-Zarr, where one was written.
    """

    labels: Any = field(repr=False)
    voxels: NDArray[np.int64] = field(repr=False)
    centroids: NDArray[np.float64] = field(repr=False)
    low: NDArray[np.int64] = field(repr=False)
    high: NDArray[np.int64] = field(repr=False)
    voxel_size: VoxelSize | None
    translation: tuple[float, float, float]
    left_out: int = 0
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.voxels)

    @property
    def volumes(self) -> NDArray[np.float64] | None:
        """Sizes in µm³, shape (N,); None where the voxel size is not known."""
        if self.voxel_size is None:
            return None
        size = float(np.prod(self.voxel_size)) / 1e9
        return (self.voxels * size).astype(np.float64)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Whether an object reaches an end of the volume, so that it may go on beyond; shape (N,)."""
        edge: NDArray[np.bool_] = ((self.low == 0) | (self.high == np.asarray(self.labels.shape))).any(axis=1)
        return edge

    def table(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the table, each of shape (N,); units stand in their names."""
        columns: dict[str, NDArray[Any]] = {
            "label": np.arange(1, len(self) + 1),
            "voxels": self.voxels,
        }
        if self.voxel_size is None:
            centres, unit = self.centroids, "px"
        else:
            columns["volume_um3"] = np.asarray(self.volumes)
            centres = self.centroids * np.asarray(self.voxel_size) + np.asarray(self.translation)
            unit = "nm"
        columns |= {f"centroid_{axis}_{unit}": centres[:, i] for i, axis in enumerate("zyx")}
        columns |= {f"box_{axis}_from": self.low[:, i] for i, axis in enumerate("zyx")}
        columns |= {f"box_{axis}_to": self.high[:, i] for i, axis in enumerate("zyx")}
        return {**columns, "cut_by_edge": self.cut}


def write_objects_table(objects: Objects, path: os.PathLike[str] | str) -> Path:
    """Write the table as CSV.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    place = Path(path).expanduser()
    columns = objects.table()
    rows = zip(*(_texts(values) for values in columns.values()), strict=True)
    try:
        write_table(place, columns, rows)
    except OSError as error:
        raise OutputError(
            f"The table {place} cannot be written ({error.strerror or error}); choose a folder where you may "
            "write and where there is room."
        ) from error
    return place


def _texts(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "f":
        return [f"{value:.8g}" for value in values]
    return [int(value) for value in values]
