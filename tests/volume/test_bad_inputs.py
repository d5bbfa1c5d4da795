"""Every bad input is answered with one sentence that says what came and what to do."""

import os
import warnings

import h5py
import imageio.v3 as iio
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import list_datasets, open_volume

Z, Y, X = 4, 24, 32


def tiff(path, array, **options):
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return path


def truncated(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def no_such_path(folder):
    return folder / "missing.tif"


def no_such_folder(folder):
    return folder / "nowhere" / "missing.tif"


def folder_without_images(folder):
    (folder / "notes.txt").write_text("hello")
    return folder


def text_called_tif(folder):
    (folder / "a.tif").write_text("this is text")
    return folder / "a.tif"


def empty_file_called_tif(folder):
    (folder / "a.tif").write_bytes(b"")
    return folder / "a.tif"


def truncated_tiff(folder):
    return truncated(tiff(folder / "a.tif", np.ones((Z, Y, X), np.uint8)), 0.6)


def truncated_compressed_tiff(folder):
    noise = np.random.default_rng(0).integers(0, 255, (Z, Y, X), np.uint8)
    return truncated(tiff(folder / "a.tif", noise, compression="zlib"), 0.7)


def truncated_header_tiff(folder):
    return truncated(tiff(folder / "a.tif", np.ones((Z, Y, X), np.uint8)), 0.003)


def truncated_hdf5(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["raw"] = np.zeros((Z, 200, 200))
    return truncated(folder / "a.h5", 0.5)


def text_called_hdf5(folder):
    (folder / "a.h5").write_text("this is text")
    return folder / "a.h5"


def hdf5_without_volumes(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["table"] = np.zeros(9)
    return folder / "a.h5"


def truncated_mrc(folder):
    with mrcfile.new(folder / "a.mrc") as mrc:
        mrc.set_data(np.zeros((Z, Y, X), np.int16))
    return truncated(folder / "a.mrc", 0.5)


def text_called_mrc(folder):
    (folder / "a.mrc").write_text("this is text " * 200)
    return folder / "a.mrc"


def short_mrc(folder):
    (folder / "a.rec").write_bytes(b"MAP")
    return folder / "a.rec"


def unknown_format(folder):
    (folder / "a.docx").write_bytes(b"PK")
    return folder / "a.docx"


def four_dimensional(folder):
    zarr.create_array(str(folder / "a.zarr"), data=np.zeros((2, Z, Y, X), np.uint8))
    return folder / "a.zarr"


def six_dimensional(folder):
    zarr.create_array(str(folder / "a.zarr"), data=np.zeros((2, 1, 1, Z, Y, X), np.uint8))
    return folder / "a.zarr"


def mixed_slices(folder):
    iio.imwrite(folder / "1.png", np.zeros((Y, X), np.uint8))
    tiff(folder / "2.tif", np.zeros((Y, X), np.uint8))
    return folder


def broken_png(folder):
    (folder / "1.png").write_bytes(b"\x89PNG rubbish")
    return folder


def complex_values(folder):
    zarr.create_array(str(folder / "a.zarr"), data=np.zeros((Z, Y, X), np.complex64))
    return folder / "a.zarr"


def boolean_values(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["mask"] = np.zeros((Z, Y, X), bool)
    return folder / "a.h5"


def empty_array(folder):
    zarr.create_array(str(folder / "a.zarr"), shape=(0, Y, X), dtype="uint8", chunks=(1, 8, 8))
    return folder / "a.zarr"


def empty_group(folder):
    zarr.create_group(str(folder / "a.zarr"))
    return folder / "a.zarr"


def broken_zarr_metadata(folder):
    (folder / "zarr.json").write_text("{ not json")
    return folder


def incomplete_ome_zarr(folder):
    group = zarr.create_group(str(folder / "a.zarr"))
    axes = [{"name": n, "type": "space"} for n in "zyx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    return folder / "a.zarr"


def ome_zarr_with_bad_scale(folder):
    path = incomplete_ome_zarr(folder)
    group = zarr.open_group(str(path), mode="r+")
    group.create_array("0", data=np.zeros((Z, Y, X), np.uint8))
    ome = dict(group.attrs["ome"])
    transform = {"type": "scale", "scale": [1, 0, 1]}
    ome["multiscales"][0]["datasets"] = [{"path": "0", "coordinateTransformations": [transform]}]
    group.attrs["ome"] = ome
    return path


def remote(folder):
    return "ftp://example.org/a.zarr"


def unknown_sample(folder):
    return "sample:lm"


def sample_with_bad_options(folder):
    return "sample:em?shape=24x512"


CASES = [
    (no_such_path, "There is no file or folder", "check the spelling"),
    (no_such_folder, "There is no file or folder", "does not exist either"),
    (folder_without_images, "holds no images", "choose the folder"),
    (text_called_tif, "called a TIFF but is none", "true ending"),
    (empty_file_called_tif, "called a TIFF but is none", "true ending"),
    (truncated_tiff, "truncated", "copy it again"),
    (truncated_compressed_tiff, "truncated", "copy it again"),
    (truncated_header_tiff, "truncated", "copy it again"),
    (truncated_hdf5, "truncated or damaged", "copy it again"),
    (text_called_hdf5, "no HDF5 file", "choose another"),
    (hdf5_without_volumes, "no dataset with axes Z, Y, X", "choose another file"),
    (truncated_mrc, "truncated or damaged", "copy it again"),
    (text_called_mrc, "MRC", "copy it again"),
    (short_mrc, "MRC", "copy it again"),
    (unknown_format, "a format that is not known", "expected OME-Zarr"),
    (four_dimensional, "2 channels (2 × 4 × 24 × 32)", "channel 0 to 1"),
    (six_dimensional, "2 planes of an unknown axis", "by itself"),
    (mixed_slices, "1 PNG and 1 TIFF", "move the others"),
    (broken_png, "is no PNG or is damaged", "copy it again"),
    (complex_values, "complex values", "magnitude"),
    (boolean_values, "boolean values", "convert it to uint8"),
    (empty_array, "is empty", "choose another"),
    (empty_group, "holds no images", "choose a group or array"),
    (broken_zarr_metadata, "metadata of", "copied whole"),
    (incomplete_ome_zarr, "level '0' that is not there", "copy it again"),
    (ome_zarr_with_bad_scale, "transformation that cannot be used", "expected a scale"),
    (remote, "is no location that can be read", "begins with http://"),
    (unknown_sample, "no sample", "sample:em"),
    (sample_with_bad_options, "cannot be read", "shape=24x512x512"),
]


@pytest.mark.parametrize(("make", "what", "advice"), CASES, ids=[case[0].__name__ for case in CASES])
def test_bad_input_is_answered_with_one_sentence(tmp_path, make, what, advice):
    with pytest.raises(VolumeError) as caught:
        open_volume(make(tmp_path))
    message = str(caught.value)
    assert what in message
    assert advice in message
    assert "\n" not in message
    assert message.endswith(".")


@pytest.mark.parametrize("size", [(0, 5, 5), (50, float("nan"), 5)])
def test_impossible_voxel_size_is_refused(size):
    with pytest.raises(VolumeError, match="three positive numbers"):
        open_volume("sample:em", voxel_size=size)


def test_forbidden_path(tmp_path, monkeypatch):
    path = tiff(tmp_path / "a.tif", np.zeros((Z, Y, X), np.uint8))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read anything
    with pytest.raises(VolumeError, match=r"You may not read .*a\.tif"):
        open_volume(path)
    with pytest.raises(VolumeError, match="You may not read"):
        list_datasets(path)


def test_damage_met_while_reading_is_a_volume_error(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(str(path), data=np.ones((2, 64, 64), np.uint8), chunks=(1, 64, 64))
    volume = open_volume(path)
    chunk = next(p for p in sorted((path / "c").rglob("0")) if p.is_file())
    chunk.write_bytes(b"rubbish")
    with pytest.raises(VolumeError, match=r"0:1,0:64,0:64 of .* cannot be read"):
        volume.read(Box((0, 0, 0), (1, 64, 64)))
    assert volume.read(Box((1, 0, 0), (2, 64, 64))).all()
    assert array.shape == (2, 64, 64)


def test_page_lost_in_the_middle_of_a_tiff(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
    path = tiff(tmp_path / "a.tif", noise, compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[1].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    volume = open_volume(path)
    with pytest.raises(VolumeError, match=r"1:2,0:64,0:64 of .* cannot be read"):
        volume.read(Box((1, 0, 0), (2, 64, 64)))
    np.testing.assert_array_equal(volume.read(Box((2, 0, 0), (3, 64, 64)))[0], noise[2])


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
def test_constant_and_empty_values_survive(tmp_path, value):
    zarr.create_array(str(tmp_path / "a.zarr"), data=np.full((Z, Y, X), value, np.float32))
    volume = open_volume(tmp_path / "a.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        intensity = volume.intensity()
        normalised = intensity.normalise(volume.read(Box.whole(volume.shape)))
    assert intensity.constant
    assert intensity.limits[0] < intensity.limits[1]
    assert intensity.finite == (0.0 if np.isnan(value) else 1.0)
    assert not normalised.any()
