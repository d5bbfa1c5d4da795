"""The volume itself: laziness, threads, statistics."""

from concurrent.futures import ThreadPoolExecutor
from math import prod

import dask.array as da
import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_dense_ssl.core.errors import RegionError, VolumeError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Intensity, Volume, open_volume
from napari_dense_ssl.volume.pixels import ArrayPixels, PlanarPixels, grown
from napari_dense_ssl.volume.volume import lazy_array, ratio


class CountingArray:
    """Counts the voxels and calls that are asked of it."""

    dtype = np.dtype(np.uint8)

    def __init__(self, shape):
        self.shape = shape
        self.reads = []

    def __getitem__(self, index):
        self.reads.append(index)
        return np.ones([s.stop - s.start for s in index], np.uint8)


def counting(shape, chunks):
    array = CountingArray(shape)
    return array, PlanarPixels(ArrayPixels(array, chunks), "zyx", {}, array.dtype, "counted")


def test_huge_volume_is_opened_without_reading(tmp_path, monkeypatch):
    """800 GB of unwritten chunks: no chunk is read by opening, few by looking."""
    edge = 9284
    path = tmp_path / "huge.zarr"
    group = zarr.create_group(str(path))
    group.create_array("0", shape=(edge,) * 3, chunks=(64,) * 3, dtype="uint8")
    transforms = [{"type": "scale", "scale": [8, 8, 8]}]
    axes = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    asked = []
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *args, **kwargs):
        asked.append(key)
        return await get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    volume = open_volume(path)
    assert volume.nbytes == edge**3
    assert not [key for key in asked if "/c/" in key]
    # one screen of one slice: 9 × 9 chunks at most
    assert np.asarray(volume.data[4000, 1000:1512, 1000:1512]).shape == (512, 512)
    assert len([key for key in asked if "/c/" in key]) <= 81
    asked.clear()
    # a box within one chunk touches that chunk only
    volume.read(Box((64, 64, 64), (128, 128, 128)))
    assert [key for key in asked if "/c/" in key] == ["0/c/1/1/1"]
    asked.clear()
    assert volume.intensity().constant
    assert len([key for key in asked if "/c/" in key]) <= 100 * 4


def test_graph_of_a_huge_volume_stays_small():
    array, pixels = counting((9284,) * 3, (64,) * 3)
    lazy = lazy_array(pixels)
    assert lazy.npartitions > 1_000_000
    plane = lazy[100, :128, :128]
    (optimised,) = __import__("dask").optimize(plane)
    assert len(dict(optimised.__dask_graph__())) < 50
    assert np.asarray(plane).shape == (128, 128)
    # slices are fused into the reading: no whole chunks are fetched for one plane
    assert sum(prod(s.stop - s.start for s in index) for index in array.reads) == 128 * 128


def test_intensity_reads_little_and_the_same_every_time():
    array, pixels = counting((500, 4000, 4000), (1, 1000, 1000))
    volume = Volume.from_pixels([pixels], [(1, 1, 1)], voxel_size=(1, 1, 1))
    volume.intensity()
    first = list(array.reads)
    assert sum(prod(s.stop - s.start for s in index) for index in first) < 3 * 2**22
    # each sample lies within one chunk
    assert all(s.start // 1000 == (s.stop - 1) // 1000 for index in first for s in index[1:])
    array.reads.clear()
    volume.intensity()
    assert not array.reads  # kept
    Volume.from_pixels([pixels], [(1, 1, 1)], voxel_size=(1, 1, 1)).intensity()
    assert array.reads == first


def test_padding_is_left_out_of_the_statistics():
    random = np.random.default_rng(0)
    voxels = np.zeros((64, 1024, 1024), np.uint8)
    voxels[20:36] = random.integers(100, 200, (16, 1024, 1024))
    intensity = Volume.from_arrays([voxels]).intensity()
    assert abs(intensity.mean - 149.5) < 0.5
    assert abs(intensity.std - 28.9) < 0.3


def test_intensity_of_a_box_is_that_of_the_box():
    data = np.zeros((4, 30, 30), np.uint8)
    data[2:, :10, :10] = np.arange(100, dtype=np.uint8).reshape(10, 10)
    volume = Volume.from_arrays([data])
    box = Box((2, 0, 0), (4, 10, 10))
    assert volume.intensity(box).mean == pytest.approx(49.5)
    assert volume.intensity().mean == pytest.approx(data.mean())
    with pytest.raises(RegionError):
        volume.intensity(Box((0, 0, 0), (5, 1, 1)))


def test_intensity_by_hand():
    values = np.array([1, 2, 3, 4, np.nan, np.inf], np.float32)
    intensity = Intensity.from_sample(values)
    assert intensity.mean == 2.5
    assert intensity.std == pytest.approx(np.sqrt(1.25))
    assert intensity.low == pytest.approx(1.015)
    assert intensity.high == pytest.approx(3.985)
    assert intensity.finite == pytest.approx(4 / 6)
    assert not intensity.constant
    normalised = intensity.normalise(np.array([2.5, 4, np.nan, np.inf, -np.inf, 1e9], np.float32))
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised, [0, 1.5 / np.sqrt(1.25), 0, 0, 0, 6], rtol=1e-6)
    assert Intensity(**intensity.as_dict()) == intensity


def test_normalise_leaves_its_input_alone():
    array = np.arange(10, dtype=np.float32)
    Intensity.from_sample(array).normalise(array)
    np.testing.assert_array_equal(array, np.arange(10))


@pytest.mark.parametrize("kind", ["zarr", "tiff pages", "tiff tiles", "hdf5", "sample"])
def test_many_threads_read_the_same_voxels(tmp_path, kind):
    array = np.random.default_rng(0).integers(0, 2**16, (8, 96, 96)).astype(np.uint16)
    path = tmp_path / "a"
    if kind == "zarr":
        zarr.create_array(str(path), data=array, chunks=(1, 32, 32))
    elif kind == "hdf5":
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", data=array, chunks=(1, 32, 32), compression="gzip")
    elif kind.startswith("tiff"):
        tile = (32, 32) if kind == "tiff tiles" else None
        tifffile.imwrite(path, array, photometric="minisblack", compression="zlib", tile=tile)
    volume = open_volume("sample:em?shape=8x96x96" if kind == "sample" else path)
    whole = volume.read(Box.whole(volume.shape)) if kind == "sample" else array
    random = np.random.default_rng(1)
    boxes = []
    for _ in range(60):
        start = random.integers(0, (7, 60, 60))
        boxes.append(Box(tuple(map(int, start)), tuple(int(n) for n in start + np.array([1, 30, 30]))))
    with ThreadPoolExecutor(8) as pool:
        for box, values in zip(boxes, pool.map(volume.read, boxes), strict=True):
            np.testing.assert_array_equal(values, whole[box.slices])


def test_volume_of_arrays_in_memory():
    fine = np.arange(4 * 20 * 20, dtype=np.uint16).reshape(4, 20, 20)
    lazy = da.from_array(fine, chunks=(1, 10, 10))
    volume = Volume.from_arrays([lazy, fine[:, ::2, ::2]], voxel_size=(50, 5, 5), translation=(1, 2, 3))
    assert volume.voxel_size == (50, 5, 5)
    assert volume.voxel_size_known
    assert volume.spacing(1) == (50, 10, 10)
    assert volume.chunks == (1, 10, 10)
    box = Box((1, 3, 3), (3, 12, 9))
    np.testing.assert_array_equal(volume.read(box), fine[box.slices])
    np.testing.assert_array_equal(np.asarray(volume.levels[1]), fine[:, ::2, ::2])
    assert not Volume.from_arrays([fine]).voxel_size_known
    for wrong in ([], [fine[0, 0]], [fine > 3]):
        with pytest.raises(VolumeError):
            Volume.from_arrays(wrong)


@pytest.mark.parametrize(
    "box", [Box((0, 0, 0), (5, 1, 1)), Box((1, 1, 1), (1, 2, 2)), Box((-1, 0, 0), (1, 1, 1))]
)
def test_boxes_outside_are_refused(box):
    volume = Volume.from_arrays([np.zeros((4, 20, 20), np.uint8)])
    with pytest.raises(RegionError):
        volume.read(box)


indices = st.one_of(
    st.integers(-6, 5),
    st.slices(6),
    st.builds(lambda a, s: slice(a, None, s), st.integers(-6, 5), st.sampled_from([-2, 3])),
)


@given(st.tuples(indices, indices, indices), st.permutations("zyx"))
def test_planar_pixels_index_like_numpy(index, order):
    stored = np.arange(6**4).reshape(6, 6, 6, 6)
    axes = "c" + "".join(order)
    pixels = PlanarPixels(ArrayPixels(stored), axes, {"c": 2}, stored.dtype, "x")
    expected = stored[2].transpose([order.index(axis) for axis in "zyx"])
    np.testing.assert_array_equal(pixels[index], expected[index])


@given(
    st.tuples(*[st.integers(1, 70)] * 3), st.tuples(*[st.integers(1, 3000)] * 3), st.sampled_from([1, 2, 4])
)
def test_display_chunks_are_multiples_of_storage_chunks(chunks, shape, itemsize):
    result = grown(chunks, shape, itemsize)
    whole = [-(-n // c) * c for n, c in zip(shape, chunks, strict=True)]
    assert all(r % c == 0 for r, c in zip(result, chunks, strict=True))
    assert prod(result) * itemsize >= 1 << 19 or all(r >= n for r, n in zip(result, shape, strict=True))
    assert all(r <= max(w, c) for r, w, c in zip(result, whole, chunks, strict=True))


def test_ratio_of_odd_shapes():
    assert ratio((5, 101, 101), (5, 51, 50)) == (1, 2, 2)
    assert ratio((30, 90, 90), (10, 40, 45)) == (3, 2.25, 2)
