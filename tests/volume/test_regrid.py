"""Volumes on another grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.core.geometry import Box, VoxelSize
from napari_dense_ssl.volume import Volume
from napari_dense_ssl.volume.regrid import Regrid

SIZE = (40.0, 4.0, 4.0)


@pytest.fixture
def volume() -> Volume:
    fine = gaussian_filter(np.random.default_rng(0).normal(size=(3, 120, 96)), (0, 6, 6)).astype(np.float32)
    coarse = fine.reshape(3, 60, 2, 48, 2).mean((2, 4))
    return Volume.from_arrays([fine, coarse], voxel_size=SIZE, translation=(5.0, 6.0, 7.0))


def test_a_level_becomes_the_finest_one(volume: Volume) -> None:
    level = Regrid(1).apply(volume)
    assert level.shape == (3, 60, 48)
    assert tuple(level.voxel_size) == (40.0, 8.0, 8.0)
    assert level.factors == ((1.0, 1.0, 1.0),)
    # its first voxel's centre lies between those of the two that it joins
    assert level.translation == (5.0, 8.0, 9.0)
    box = Box((1, 2, 3), (2, 30, 40))
    assert (level.read(box) == volume.read(box, 1)).all()
    assert Regrid().apply(volume) is volume


@pytest.mark.parametrize("size", [6.0, 4.4, 2.5])
def test_what_is_resampled_shows_the_same_at_the_same_place(volume: Volume, size: float) -> None:
    def wave(of: Volume) -> np.ndarray:
        (_, y, x), (_, sy, sx), (_, ny, nx) = of.translation, of.voxel_size, of.shape
        rows, columns = y + sy * np.arange(ny), x + sx * np.arange(nx)
        return np.sin(rows / 40)[:, None] + np.cos(columns / 30)

    truth = Volume.from_arrays(
        [np.stack([wave(volume)] * 2).astype(np.float32)], voxel_size=SIZE, translation=(5.0, 6.0, 7.0)
    )
    made = Regrid(0, VoxelSize(40.0, size, size)).apply(truth)
    assert made.shape[1:] == tuple(round(n * 4 / size) for n in truth.shape[1:])
    inside = (slice(2, -2), slice(2, -2))
    assert np.abs(made.read(Box.whole(made.shape))[0] - wave(made))[inside].max() < 0.02


@pytest.mark.parametrize("depth", [60.0, 40.0])
def test_a_piece_is_the_same_alone_and_with_others(volume: Volume, depth: float) -> None:
    made = Regrid(0, VoxelSize(depth, 5.5, 10.0)).apply(volume)
    whole = made.read(Box.whole(made.shape))
    for box in (Box((0, 0, 0), (1, 9, 7)), Box((1, 40, 20), (2, 87, 38)), Box((0, 86, 0), (2, 87, 38))):
        np.testing.assert_array_equal(made.read(box), whole[box.slices])


def test_nothing_too_fine_is_folded_into_longer_voxels() -> None:
    stripes = np.tile(np.array([0.0, 100.0], np.float32), (1, 64, 64))
    volume = Volume.from_arrays([stripes], voxel_size=SIZE)
    made = Regrid(0, VoxelSize(40.0, 12.8, 12.8)).apply(volume)
    assert made.read(Box.whole(made.shape))[..., 2:-2].std() < 3


def test_reading_a_piece_reads_little_more_than_it(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Regrid(0, VoxelSize(40.0, 8.0, 8.0)).apply(volume)
    read, sizes = type(volume.pixels[0]).read, []

    def counting(self, index):
        found = read(self, index)
        sizes.append(found.shape)
        return found

    monkeypatch.setattr(type(volume.pixels[0]), "read", counting)
    made.read(Box((1, 20, 20), (2, 30, 30)))
    assert max(n for shape in sizes for n in shape) <= 2 * 10 + 2 * 4


def test_a_region_is_found_again_on_the_grid(volume: Volume) -> None:
    grid = Regrid(1)
    level = grid.apply(volume)
    assert grid.region(Box((0, 10, 11), (2, 20, 21)), volume, level) == Box((0, 5, 5), (2, 10, 11))
    assert grid.region(Box.whole(volume.shape), volume, level) == Box.whole(level.shape)
    assert Regrid().region(Box((0, 1, 2), (1, 5, 6)), volume, volume) == Box((0, 1, 2), (1, 5, 6))
