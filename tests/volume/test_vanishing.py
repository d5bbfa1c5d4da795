"""Volumes that go away, or are cut short, while they are read: their own values or an error, never others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import imageio.v3 as iio
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Volume, create_output, open_volume
from napari_dense_ssl.volume.pixels import FilePixels

VALUES = np.random.default_rng(0).integers(1, 200, (6, 200, 160)).astype(np.uint8)


def _zarr(version: int) -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        array = zarr.create_array(
            str(at / "v.zarr"), shape=VALUES.shape, chunks=(1, 64, 64), dtype="uint8", zarr_format=version
        )
        array[:] = VALUES
        return at / "v.zarr"

    return make


def _ome_zarr(at: Path) -> Path:
    source = Volume.from_arrays([VALUES], voxel_size=(50.0, 4.6, 4.6))
    output = create_output(at / "v.zarr", source, image_dtype="uint8", labels=(), provenance={})
    output.write("image", Box.whole(VALUES.shape), VALUES)
    output.complete()
    return at / "v.zarr"


def _tiff(**options: object) -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        tifffile.imwrite(at / "v.tif", VALUES, photometric="minisblack", **options)
        return at / "v.tif"

    return make


def _slices(at: Path) -> Path:
    (at / "v").mkdir()
    for z, plane in enumerate(VALUES):
        iio.imwrite(at / "v" / f"{z}.png", plane)
    return at / "v"


def _hdf5(at: Path) -> Path:
    with h5py.File(at / "v.h5", "w") as file:
        file.create_dataset("raw", data=VALUES, chunks=(1, 64, 64), compression="gzip")
    return at / "v.h5"


def _mrc(at: Path) -> Path:
    with mrcfile.new(at / "v.mrc") as file:
        file.set_data(VALUES.astype(np.uint16))
    return at / "v.mrc"


FORMATS: dict[str, Callable[[Path], Path]] = {
    "Zarr 2": _zarr(2),
    "Zarr 3": _zarr(3),
    "OME-Zarr": _ome_zarr,
    "plain TIFF": _tiff(),
    "compressed TIFF": _tiff(compression="deflate"),
    "tiled TIFF": _tiff(tile=(64, 64)),
    "slices": _slices,
    "HDF5": _hdf5,
    "MRC": _mrc,
}
LAST = Box((5, 0, 0), (6, 200, 160))


def _read_or_error(volume: Volume, name: str) -> bool:
    """Read the last slice; True where there was an error that names the volume."""
    try:
        values = volume.read(LAST)
    except VolumeError as error:
        if name not in str(error):
            raise
        return True
    np.testing.assert_array_equal(values[0], VALUES[5])
    return False


@pytest.mark.parametrize("kind", FORMATS)
def test_a_volume_that_is_deleted_gives_no_other_values(kind: str, tmp_path: Path) -> None:
    path = FORMATS[kind](tmp_path)
    volume = open_volume(path)
    assert (volume.read(Box((0, 0, 0), (1, 200, 160)))[0] == VALUES[0]).all()
    folder = path.is_dir()
    shutil.rmtree(path) if folder else path.unlink()
    # A file that is open is kept by the system until it is closed; what lies in a folder is not.
    assert _read_or_error(volume, path.name) == folder


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind.endswith(("TIFF", "HDF5", "MRC"))])
def test_a_file_that_is_cut_short_while_it_is_open_is_an_error(kind: str, tmp_path: Path) -> None:
    path = FORMATS[kind](tmp_path)
    volume = open_volume(path)
    volume.read(Box((0, 0, 0), (1, 64, 64)))
    os.truncate(path, path.stat().st_size // 2)
    assert _read_or_error(volume, path.name), "a map of the file would have ended the process here"


@pytest.mark.parametrize("width", [40, 70_000])
def test_bytes_of_a_file_are_read_where_they_lie(width: int, tmp_path: Path) -> None:
    values = np.arange(3 * 5 * width, dtype=">u2").reshape(3, 5, width)
    (tmp_path / "raw").write_bytes(b"header!" + values.tobytes())
    pixels = FilePixels(tmp_path / "raw", values.dtype, 7, values.shape)
    for index in (
        np.s_[0:3, 0:5, 0:width],
        np.s_[1:3, 2:4, width - 7 : width],
        np.s_[2:3, 4:5, 3:5],
        np.s_[1:1, 0:5, 0:width],
    ):
        np.testing.assert_array_equal(pixels.read(index), values[index])
