"""2-D images as volumes of one slice, and colours as their luminance, in every format."""

from __future__ import annotations

from pathlib import Path

import h5py
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr
from skimage.color import rgb2gray

from napari_dense_ssl.core.errors import ScoreError, ScribbleError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.label_sources import label_source
from napari_dense_ssl.predict.scribbles import read_scribbles
from napari_dense_ssl.predict.sparse_labels import SparseLabels
from napari_dense_ssl.volume import Volume, open_volume

Z, Y, X = 3, 24, 32
RNG = np.random.default_rng(0)
FLAT = RNG.integers(0, 255, (Y, X), np.uint8)
COLOURS = RNG.integers(0, 255, (Y, X, 3), np.uint8)


def tiff(folder: Path, data: np.ndarray, **options) -> Path:
    tifffile.imwrite(folder / "a.tif", data, **options)
    return folder / "a.tif"


def png(folder: Path, data: np.ndarray) -> Path:
    iio.imwrite(folder / "a.png", data)
    return folder / "a.png"


def folder_of_pngs(folder: Path, data: np.ndarray) -> Path:
    png(folder, data)
    return folder


def zarr_array(folder: Path, data: np.ndarray) -> Path:
    zarr.create_array(str(folder / "a.zarr"), data=data, chunks=(16, 16, 3)[: data.ndim])
    return folder / "a.zarr"


def hdf5(folder: Path, data: np.ndarray) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file["image"] = data
    return folder / "a.h5"


@pytest.mark.parametrize("make", [tiff, png, folder_of_pngs, zarr_array, hdf5])
def test_an_image_is_one_slice(tmp_path, make):
    volume = open_volume(make(tmp_path, FLAT))
    assert volume.shape == (1, Y, X)
    assert not volume.colour
    np.testing.assert_array_equal(volume.data.compute(), FLAT[None])
    np.testing.assert_array_equal(volume.read(Box((0, 3, 4), (1, 9, 20))), FLAT[None, 3:9, 4:20])
    np.testing.assert_array_equal(volume.levels[0][0, ::-2, 5], FLAT[::-2, 5])
    if make is not folder_of_pngs:
        assert any("volume of one slice" in note for note in volume.notes)


@pytest.mark.parametrize("make", [tiff, png, folder_of_pngs, zarr_array, hdf5])
def test_of_colours_the_luminance_is_read(tmp_path, make):
    volume = open_volume(make(tmp_path, COLOURS))
    assert volume.shape == (1, Y, X)
    assert volume.dtype == np.uint8
    assert volume.colour
    np.testing.assert_array_equal(volume.data.compute()[0], np.rint(255 * rgb2gray(COLOURS)))
    assert any("luminance" in note for note in volume.notes)


def test_grey_that_was_saved_as_colours_comes_back(tmp_path):
    stack = RNG.integers(0, 255, (Z, Y, X), np.uint8)
    path = tiff(tmp_path, stack[..., None].repeat(3, axis=-1), photometric="rgb")
    np.testing.assert_array_equal(open_volume(path).data.compute(), stack)
    alpha = np.concatenate([stack[0][..., None].repeat(3, -1), np.full((Y, X, 1), 9, np.uint8)], -1)
    np.testing.assert_array_equal(open_volume(png(tmp_path, alpha)).data.compute(), stack[:1])


def test_colours_of_other_types_and_orders(tmp_path):
    planes = RNG.random((3, Y, X)).astype(np.float32)
    path = tiff(tmp_path, planes, photometric="rgb", planarconfig="separate")
    volume = open_volume(path)
    assert volume.dtype == np.float32
    np.testing.assert_allclose(volume.data.compute()[0], rgb2gray(planes, channel_axis=0), rtol=1e-6)


def test_arrays_of_two_axes(tmp_path):
    volume = Volume.from_arrays([FLAT, FLAT[::2, ::2]])
    assert volume.shape == (1, Y, X)
    assert volume.factors[1] == (1, 2, 2)
    np.testing.assert_array_equal(volume.data.compute(), FLAT[None])


def test_labels_of_two_axes_and_no_colours(tmp_path):
    labels = np.zeros((Y, X), np.uint8)
    labels[2, 3:9], labels[8, 3:9] = 1, 2
    whole = Box((0, 0, 0), (1, Y, X))
    from_array = read_scribbles(labels, (1, Y, X), whole)
    from_file = read_scribbles(tiff(tmp_path, labels), (1, Y, X), whole)
    for found in (from_array, from_file):
        np.testing.assert_array_equal(found.places[:, 0], 0)
        np.testing.assert_array_equal(labels[tuple(found.places[:, 1:].T)], found.ids[found.classes])
        assert len(found.places) == 12
    np.testing.assert_array_equal(np.asarray(SparseLabels.of(labels)), labels[None])
    np.testing.assert_array_equal(
        label_source(tiff(tmp_path, labels), "x", "x").planes(slice(0, 1))[0], labels
    )
    colours = tiff(tmp_path, COLOURS, photometric="rgb")
    with pytest.raises(ScribbleError, match="are a colour image"):
        read_scribbles(colours, (1, Y, X), whole)
    with pytest.raises(ScoreError, match="is a colour image"):
        label_source(colours, "x", "x")
