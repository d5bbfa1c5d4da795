"""One real file of each format: pixels, voxel size, pyramid, laziness."""

import h5py
import imageio.v3 as iio
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr

from napari_dense_ssl.core.errors import DatasetChoiceError, VolumeError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import list_datasets, open_volume

SHAPE = (5, 40, 48)


def stack(dtype="uint8", shape=SHAPE):
    random = np.random.default_rng(1)
    if np.dtype(dtype).kind == "f":
        return random.normal(size=shape).astype(dtype)
    return random.integers(0, 120, size=shape).astype(dtype)


def check(volume, array):
    """Pixels agree through both ways of reading, in part and whole."""
    assert volume.shape == array.shape
    assert volume.levels[0].shape == array.shape
    assert volume.dtype.isnative
    box = Box((1, 3, 5), (4, 30, 41))
    np.testing.assert_array_equal(volume.read(box), array[box.slices])
    np.testing.assert_array_equal(np.asarray(volume.data), array)
    np.testing.assert_array_equal(np.asarray(volume.data[2, ::-2, 7]), array[2, ::-2, 7])


def write_tiff(path, array, **options):
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return path


TIFFS = {
    "contiguous": {},
    "big-endian": {"byteorder": ">"},
    "compressed pages": {"compression": "zlib"},
    "strips": {"compression": "zlib", "rowsperstrip": 8},
    "tiles": {"compression": "zlib", "tile": (16, 16)},
    "bigtiff": {"bigtiff": True},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome tiles": {"ome": True, "metadata": {"axes": "ZYX"}, "tile": (16, 16), "compression": "deflate"},
}


@pytest.mark.parametrize("options", TIFFS.values(), ids=TIFFS.keys())
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_of_every_layout(tmp_path, options, dtype):
    array = stack(dtype)
    volume = open_volume(write_tiff(tmp_path / "a.tif", array, **options))
    check(volume, array)
    assert "TIFF" in volume.format
    assert volume.chunks[0] == 1


def test_int16_tiff(tmp_path):
    array = stack("int16") - np.int16(60)
    check(open_volume(write_tiff(tmp_path / "a.tif", array, byteorder=">")), array)


OME_SIZES = [("µm", 0.001), ("nm", 1.0), ("Å", 10.0), ("mm", 1e-6)]


@pytest.mark.parametrize(("unit", "nm"), OME_SIZES)
def test_ome_tiff_voxel_size_in_any_unit(tmp_path, unit, nm):
    metadata = {"axes": "ZYX"}
    for axis, size in zip("ZYX", (50, 5, 4), strict=True):
        metadata[f"PhysicalSize{axis}"] = size * nm
        metadata[f"PhysicalSize{axis}Unit"] = unit
    volume = open_volume(write_tiff(tmp_path / "a.ome.tif", stack(), ome=True, metadata=metadata))
    assert volume.voxel_size == pytest.approx((50, 5, 4))
    assert volume.voxel_size_known
    assert volume.format == "OME-TIFF"


def test_ome_tiff_without_distance_of_slices_is_not_known(tmp_path):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.004, "PhysicalSizeY": 0.005}
    volume = open_volume(write_tiff(tmp_path / "a.ome.tif", stack(), ome=True, metadata=metadata))
    assert not volume.voxel_size_known
    assert volume.voxel_size == pytest.approx((5, 5, 4))
    assert "between slices" in volume.notes[0]


def test_imagej_voxel_size(tmp_path):
    options = {
        "imagej": True,
        "resolution": (250, 200),
        "metadata": {"axes": "ZYX", "spacing": 0.05, "unit": "um"},
    }
    volume = open_volume(write_tiff(tmp_path / "a.tif", stack(), **options))
    assert volume.voxel_size == pytest.approx((50, 5, 4))
    assert volume.voxel_size_known


@pytest.mark.parametrize("unit", ["pixel", "dots"])
def test_imagej_sizes_without_a_length_are_not_trusted(tmp_path, unit):
    options = {
        "imagej": True,
        "resolution": (250, 200),
        "metadata": {"axes": "ZYX", "spacing": 2, "unit": unit},
    }
    volume = open_volume(write_tiff(tmp_path / "a.tif", stack(), **options))
    assert volume.voxel_size == (1, 1, 1)
    assert not volume.voxel_size_known


@pytest.mark.parametrize(
    ("resolution", "unit"), [((2e6, 2e6), "NONE"), ((72, 72), "INCH"), ((300, 300), "INCH"), ((1, 1), "NONE")]
)
def test_resolution_tags_of_printers_are_not_trusted(tmp_path, resolution, unit):
    volume = open_volume(write_tiff(tmp_path / "a.tif", stack(), resolution=resolution, resolutionunit=unit))
    assert volume.voxel_size == (1, 1, 1)
    assert not volume.voxel_size_known


def test_resolution_tags_with_a_unit_give_the_size_within_slices(tmp_path):
    options = {"resolution": (1e7 / 4, 1e7 / 5), "resolutionunit": "CENTIMETER"}
    volume = open_volume(write_tiff(tmp_path / "a.tif", stack(), **options))
    assert volume.voxel_size[1:] == pytest.approx((5, 4), rel=1e-3)
    assert not volume.voxel_size_known


def test_tiff_pyramid(tmp_path):
    array = stack(shape=(4, 64, 64))
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        options = {"photometric": "minisblack", "tile": (16, 16)}
        tiff.write(array, subifds=1, metadata={"axes": "ZYX"}, **options)
        tiff.write(array[:, ::2, ::2], subfiletype=1, **options)
    volume = open_volume(path)
    assert [level.shape for level in volume.levels] == [(4, 64, 64), (4, 32, 32)]
    assert volume.factors == ((1, 1, 1), (1, 2, 2))
    np.testing.assert_array_equal(volume.read(Box((1, 0, 0), (2, 32, 32)), level=1), array[1:2, ::2, ::2])
    with pytest.raises(VolumeError, match="level 2"):
        volume.read(Box((0, 0, 0), (1, 1, 1)), level=2)


def test_stack_saved_as_time_or_channels_is_read_as_slices(tmp_path):
    for axes in ("TYX", "CYX"):
        path = write_tiff(tmp_path / f"{axes}.tif", stack(), imagej=True, metadata={"axes": axes})
        volume = open_volume(path)
        check(volume, stack())
        assert "read as slices" in volume.notes[0]


def test_channels_and_times_are_squeezed_or_chosen(tmp_path):
    array = stack(shape=(1, 4, 2, 24, 32))  # TZCYX
    path = write_tiff(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "TZCYX"})
    with pytest.raises(VolumeError, match=r"2 channels .*choose one of them \(channel 0 to 1\)"):
        open_volume(path)
    volume = open_volume(path, channel=1)
    assert volume.shape == (4, 24, 32)
    np.testing.assert_array_equal(np.asarray(volume.data), array[0, :, 1])
    with pytest.raises(VolumeError, match="channel 2 was asked for"):
        open_volume(path, channel=2)


@pytest.mark.parametrize(("suffix", "dtype"), [(".png", "uint8"), (".png", "uint16"), (".tif", "float32")])
def test_folder_of_slices_in_natural_order(tmp_path, suffix, dtype):
    array = stack(dtype, (12, 20, 24))
    for k, plane in enumerate(array, start=3):
        iio.imwrite(tmp_path / f"slice_{k}{suffix}", plane)
    (tmp_path / "notes.txt").write_text("not a slice")
    (tmp_path / f".hidden{suffix}").write_bytes(b"")
    volume = open_volume(tmp_path)
    assert volume.shape == array.shape
    assert volume.chunks == (1, 20, 24)
    np.testing.assert_array_equal(np.asarray(volume.data), array)
    np.testing.assert_array_equal(volume.read(Box((7, 2, 3), (11, 9, 20))), array[7:11, 2:9, 3:20])


def test_slices_that_differ_are_named(tmp_path):
    for k, edge in enumerate((20, 20, 16)):
        iio.imwrite(tmp_path / f"{k}.png", np.zeros((edge, 20), np.uint8))
    volume = open_volume(tmp_path)
    with pytest.raises(VolumeError, match=r"2\.png is 16 × 20 .* first of its folder"):
        volume.read(Box((2, 0, 0), (3, 20, 20)))


def test_hdf5(tmp_path):
    array = stack("uint16")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mask"] = np.zeros(4)
        data = file.create_dataset("volumes/raw", data=array, chunks=(2, 16, 16))
        data.attrs["element_size_um"] = [0.05, 0.005, 0.004]
    volume = open_volume(tmp_path / "a.h5")
    check(volume, array)
    assert volume.dataset == "volumes/raw"
    assert volume.chunks == (2, 16, 16)
    assert volume.voxel_size == pytest.approx((50, 5, 4))


def test_hdf5_asks_which_dataset(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = stack()
        file["labels/neurons"] = stack("uint64")
    names = ("labels/neurons", "raw")
    assert list_datasets(path) == names
    with pytest.raises(DatasetChoiceError, match=r"2 datasets .*labels/neurons, raw") as caught:
        open_volume(path)
    assert caught.value.datasets == names
    check(open_volume(path, dataset="labels/neurons"), stack("uint64"))
    for wrong, why in (("labels", "is a group"), ("other", "is not there")):
        with pytest.raises(VolumeError, match=why):
            open_volume(path, dataset=wrong)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "uint16"])
def test_mrc(tmp_path, dtype):
    array = stack(dtype)
    path = tmp_path / "a.rec"
    with mrcfile.new(path) as mrc:
        mrc.set_data(array)
        mrc.voxel_size = (40.0, 50.0, 500.0)  # Å, X first
        mrc.header.origin.z = 100.0
    volume = open_volume(path)
    check(volume, array)
    assert volume.voxel_size == pytest.approx((50, 5, 4))
    assert volume.translation == pytest.approx((10, 0, 0))


def test_mrc_without_a_size_is_not_known(tmp_path):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(stack("int16"))
    assert not open_volume(tmp_path / "a.mrc").voxel_size_known


@pytest.mark.parametrize("version", [2, 3])
def test_plain_zarr(tmp_path, version):
    array = stack("uint16")
    path = tmp_path / "a.zarr"
    node = zarr.create_array(str(path), data=array, chunks=(2, 16, 16), zarr_format=version)
    node.attrs.update({"resolution": [50, 5, 4], "offset": [100, 0, 0]})
    volume = open_volume(path)
    check(volume, array)
    assert volume.format == f"Zarr {version}"
    assert volume.voxel_size == (50, 5, 4)
    assert volume.translation == (100, 0, 0)


def multiscale(scales, units, translation=None, **more):
    def axis(name, unit):
        return {"name": name, "type": "space"} | ({"unit": unit} if unit else {})

    datasets = []
    for k, scale in enumerate(scales):
        transforms = [{"type": "scale", "scale": list(scale)}]
        if translation:
            transforms.append({"type": "translation", "translation": list(translation)})
        datasets.append({"path": str(k), "coordinateTransformations": transforms})
    return {"axes": [axis(n, u) for n, u in zip("zyx", units, strict=True)], "datasets": datasets, **more}


def write_ome_zarr(path, array, metadata, version):
    group = zarr.create_group(str(path), zarr_format=3 if version == "0.5" else 2)
    for k in range(len(metadata["datasets"])):
        step = 2**k
        group.create_array(str(k), data=array[:, ::step, ::step], chunks=(2, 16, 16))
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": [metadata]}
    else:
        group.attrs["multiscales"] = [{**metadata, "version": "0.4"}]
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_pyramid_units_and_translation(tmp_path, version):
    array = stack()
    metadata = multiscale(
        [(0.05, 5, 40), (0.05, 10, 80)], ("micrometer", "nanometer", "angstrom"), translation=(1, 10, 100)
    )
    volume = open_volume(write_ome_zarr(tmp_path / "a.zarr", array, metadata, version))
    check(volume, array)
    assert volume.format == f"OME-Zarr {version}"
    assert volume.voxel_size == pytest.approx((50, 5, 4))
    assert volume.voxel_size_known
    assert volume.factors[1] == pytest.approx((1, 2, 2))
    assert volume.spacing(1) == pytest.approx((50, 10, 8))
    assert volume.translation == pytest.approx((1000, 10, 10))
    np.testing.assert_array_equal(np.asarray(volume.levels[1]), array[:, ::2, ::2])


def test_ome_zarr_outer_transformations_apply_after_the_inner(tmp_path):
    outer = [{"type": "scale", "scale": [10, 10, 10]}, {"type": "translation", "translation": [7, 0, 0]}]
    metadata = multiscale([(5, 1, 1)], ["nanometer"] * 3, (2, 1, 0), coordinateTransformations=outer)
    volume = open_volume(write_ome_zarr(tmp_path / "a.zarr", stack(), metadata, "0.4"))
    assert volume.voxel_size == (50, 10, 10)
    assert volume.translation == (27, 10, 0)


def test_ome_zarr_without_units_keeps_proportions_but_is_not_known(tmp_path):
    metadata = multiscale([(8, 2, 2)], [None] * 3)
    volume = open_volume(write_ome_zarr(tmp_path / "a.zarr", stack(), metadata, "0.5"))
    assert volume.voxel_size == (8, 2, 2)
    assert not volume.voxel_size_known


def test_ome_zarr_with_channels(tmp_path):
    array = stack(shape=(2, 3, 20, 24))
    metadata = multiscale([(50, 5, 5)], ["nanometer"] * 3)
    metadata["axes"].insert(0, {"name": "c", "type": "channel"})
    metadata["datasets"][0]["coordinateTransformations"][0]["scale"].insert(0, 1)
    path = tmp_path / "a.zarr"
    group = zarr.create_group(str(path))
    group.create_array("0", data=array)
    group.attrs["ome"] = {"version": "0.5", "multiscales": [metadata]}
    np.testing.assert_array_equal(np.asarray(open_volume(path, channel=1).data), array[1])


def test_zarr_group_asks_which_and_finds_labels(tmp_path):
    path = tmp_path / "a.zarr"
    root = zarr.create_group(str(path))
    write_ome_zarr(path / "em", stack(), multiscale([(50, 5, 5)], ["nanometer"] * 3), "0.5")
    root.create_array("masks/one", data=stack())
    assert list_datasets(path) == ("em", "masks/one")
    with pytest.raises(DatasetChoiceError, match="em, masks/one"):
        open_volume(path)
    assert open_volume(path, dataset="em").voxel_size == (50, 5, 5)
    assert open_volume(path, dataset="masks").dataset == "masks/one"
    assert open_volume(path / "em").voxel_size == (50, 5, 5)
    with pytest.raises(VolumeError, match="no 'other'"):
        open_volume(path, dataset="other")


def test_given_voxel_size_wins(tmp_path):
    volume = open_volume(write_tiff(tmp_path / "a.tif", stack()), voxel_size=(30, 4, 4))
    assert volume.voxel_size == (30, 4, 4)
    assert volume.voxel_size_known


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64"])
def test_segmentation_ids_stay_exact(tmp_path, dtype):
    array = stack(dtype) + np.array(2**30 + 1, dtype)
    zarr.create_array(str(tmp_path / "a.zarr"), data=array)
    volume = open_volume(tmp_path / "a.zarr")
    assert volume.dtype == dtype
    check(volume, array)


def test_float64_is_read_as_float32_and_said_so(tmp_path):
    array = stack("float64")
    zarr.create_array(str(tmp_path / "a.zarr"), data=array)
    volume = open_volume(tmp_path / "a.zarr")
    assert volume.dtype == np.float32
    assert "read as float32" in volume.notes[0]
    check(volume, array.astype(np.float32))
