import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_dense_ssl.volume.pyramid import (
    coarser,
    coarser_extent,
    fill_level,
    pyramid_steps,
    regions,
    written_extent,
)


def test_mean_by_hand():
    block = np.array([[[0, 2, 4], [4, 6, 8], [10, 10, 10]]], np.uint8)
    # odd edges are repeated: the last column is the mean of (4, 4, 8, 8), the last row of (10, ...)
    np.testing.assert_array_equal(coarser(block, (1, 2, 2), "mean"), [[[3, 6], [10, 10]]])


def test_mean_keeps_half_precision_and_rounds_integers():
    assert coarser(np.full((2, 2, 2), 0.25, np.float16), (2, 2, 2), "mean").dtype == np.float16
    block = np.array([[[1, 2], [2, 2]]], np.int16)
    assert coarser(block, (1, 2, 2), "mean").item() == 2


def test_mode_by_hand():
    block = np.array([[[7, 1, 3, 4], [1, 5, 3, 4], [2, 2, 9, 8], [2, 0, 8, 9]]], np.uint8)
    # three of four, and of equals the first
    np.testing.assert_array_equal(coarser(block, (1, 2, 2), "mode"), [[[1, 3], [2, 9]]])


@given(
    st.integers(1, 7),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([(1, 2, 2), (2, 2, 2), (1, 1, 2)]),
)
def test_mode_of_a_constant_is_the_constant(z, y, x, step):
    block = np.full((z, y, x), 3, np.uint8)
    result = coarser(block, step, "mode")
    assert result.shape == tuple(-(-n // k) for n, k in zip(block.shape, step, strict=True))
    assert (result == 3).all()


@pytest.mark.parametrize(
    ("shape", "spacing", "steps"),
    [
        ((20, 512, 512), (50, 5, 5), []),
        ((100, 2048, 2048), (50, 5, 5), [(1, 2, 2), (1, 2, 2)]),
        ((100, 8192, 8192), (20, 5, 5), [(1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2)]),
        ((1024, 1024, 1024), (8, 8, 8), [(2, 2, 2)]),
        ((1, 2048, 100), (50, 5, 5), [(1, 2, 2), (1, 2, 2)]),
        ((600, 700, 700), (1, 5, 5), [(2, 1, 1), (2, 1, 1), (2, 2, 2)]),
    ],
)
def test_steps_bring_voxels_towards_cubes(shape, spacing, steps):
    assert pyramid_steps(shape, spacing) == steps


@given(st.tuples(*[st.integers(1, 3000)] * 3), st.tuples(*[st.floats(0.5, 100)] * 3))
def test_steps_end_when_the_plane_is_small(shape, spacing):
    lengths = list(shape)
    for step in pyramid_steps(shape, spacing):
        lengths = [-(-n // k) for n, k in zip(lengths, step, strict=True)]
        assert max(step) == 2
    assert max(lengths[1:]) <= 512


class Chunked(np.ndarray):
    chunks = (2, 4, 4)


@given(st.integers(1, 5), st.integers(1, 13), st.integers(1, 13), st.sampled_from(["mean", "mode"]))
def test_filling_by_chunks_equals_all_at_once(z, y, x, mode):
    fine = np.random.default_rng(0).integers(0, 5, (z, y, x)).astype(np.uint8)
    step = (2, 2, 2)
    expected = coarser(fine, step, mode)
    coarse = np.zeros(expected.shape, np.uint8).view(Chunked)
    chunks = list(fill_level(fine, coarse, step, mode))
    assert len(chunks) == len(list(regions(coarse.shape, coarse.chunks)))
    np.testing.assert_array_equal(coarse, expected)


@pytest.mark.parametrize("version", [2, 3])
def test_a_level_is_filled_only_where_the_finer_one_was_written(tmp_path, version):
    shape, step = (4, 4096, 8192), (1, 2, 2)
    separator = {"name": "v2", "separator": "/"} if version == 2 else None
    made = {"chunks": (1, 64, 64), "dtype": "u1", "zarr_format": version, "chunk_key_encoding": separator}
    fine = zarr.create_array(str(tmp_path / "fine"), shape=shape, **made)
    coarse = zarr.create_array(str(tmp_path / "coarse"), shape=(4, 2048, 4096), **made)
    assert list(fill_level(fine, coarse, step, "mean")) == []
    values = np.random.default_rng(0).integers(1, 255, (2, 300, 70), dtype=np.uint8)
    fine[1:3, 1000:1300, 5000:5070] = values
    # chunks 15 to 20 along Y and 78 to 79 along X are written, and lie beneath 7 to 10 and 39
    assert written_extent(fine) == (slice(1, 3), slice(15, 21), slice(78, 80))
    assert len(list(fill_level(fine, coarse, step, "mean"))) == 2 * 4 * 1
    np.testing.assert_array_equal(coarse[...], coarser(fine[...], step, "mean"))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.data())
def test_no_coarse_chunk_over_a_written_one_is_left_out(length, fine, coarse, step, data):
    written = data.draw(st.integers(0, (length - 1) // fine))
    shorter = -(-length // step)
    (found,) = coarser_extent(
        (slice(written, written + 1),), (fine,), (min(coarse, shorter),), (step,), (shorter,)
    )
    voxels = range(written * fine, min(length, (written + 1) * fine))
    assert {v // step // min(coarse, shorter) for v in voxels} <= set(range(found.start, found.stop))


def test_regions_cover_each_voxel_once():
    count = np.zeros((5, 7, 9), int)
    for region in regions(count.shape, (2, 3, 4)):
        count[region] += 1
    assert (count == 1).all()
