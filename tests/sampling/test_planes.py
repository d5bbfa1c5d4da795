"""Blocks and crops along three planes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import PLANES, XY, XZ
from napari_dense_ssl.sampling.crops import CropSampler
from napari_dense_ssl.sampling.planes import PlaneBlocks
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Volume

SETTINGS = SamplerSettings(crop=32, view_shift=16, block=64, batch=6, pool=6, reuse=2)
REGION = Box((4, 8, 2), (84, 90, 70))


@pytest.fixture
def volume() -> Volume:
    voxels = np.random.default_rng(0).integers(0, 255, (90, 100, 80)).astype(np.uint8)
    return Volume.from_arrays([voxels])


def sampler(volume: Volume, seed: int = 3, **more) -> CropSampler:
    return CropSampler(volume, REGION, volume.intensity(), SETTINGS, context=2, seed=seed, **more)


def test_a_volume_along_a_plane_is_the_transposed_one(volume: Volume) -> None:
    whole = volume.read(Box.whole(volume.shape))
    for plane in PLANES:
        turned = volume.along(plane)
        assert turned.shape == plane.triple(volume.shape)
        assert turned.chunks == plane.triple(volume.chunks)
        box = Box((3, 5, 7), (20, 30, 40))
        assert (turned.read(box) == plane.see(whole)[box.slices]).all()
        assert (np.asarray(turned.data[box.slices]) == turned.read(box)).all()
        assert volume.along(plane) is turned
    sized = Volume.from_arrays([whole], voxel_size=(1.0, 2.0, 3.0), translation=(10.0, 20.0, 30.0))
    assert tuple(sized.along(XZ).voxel_size) == (2.0, 3.0, 1.0)
    assert sized.along(XZ).translation == (20.0, 30.0, 10.0)


def test_blocks_of_all_planes_lie_in_the_region_and_hold_its_voxels(volume: Volume) -> None:
    source = PlaneBlocks(volume, REGION, SETTINGS, context=2, seed=0, planes=PLANES)
    whole = volume.read(Box.whole(volume.shape))
    blocks = [source.read(index) for index in range(12)]
    assert {block.plane for block in blocks} == set(PLANES)
    for block in blocks:
        assert block.plane.box(REGION).intersect(block.box) == block.box
        there = block.plane.volume_box(block.box)
        assert (block.voxels == block.plane.see(whole[there.slices])).all()
        assert min(block.box.shape[1:]) >= SETTINGS.window


def test_crops_come_from_all_planes_with_the_neighbours_along_their_normal(volume: Volume) -> None:
    pixels = volume.intensity().normalise(volume.read(Box.whole(volume.shape)))
    planes = set()
    with sampler(volume, planes=PLANES) as crops:
        for step in range(6):
            batch = crops.batch(step)
            for window, box, block in zip(batch.windows, batch.boxes, batch.blocks, strict=True):
                z, y, x = box.slices
                around = slice(z.start - 2, z.stop + 2)
                np.testing.assert_array_equal(window, block.plane.see(pixels)[around, y, x])
                # Where codes of a block's slice are looked up, the crop is found too.
                plane = crops.plane(block, box.start[0])
                (_, y0, x0), height = block.box.start, window.shape[-1]
                y0, x0 = box.start[1] - y0, box.start[2] - x0
                np.testing.assert_array_equal(plane[:, y0 : y0 + height, x0 : x0 + height], window)
                planes.add(block.plane)
    assert planes == set(PLANES)


def test_the_same_seed_gives_the_same_crops(volume: Volume) -> None:
    with (
        sampler(volume, planes=PLANES) as one,
        sampler(volume, planes=PLANES) as other,
        sampler(volume, seed=4, planes=PLANES) as third,
    ):
        first = [one.batch(step) for step in range(4)]
        # as a resumed run draws them, from a later step on
        np.testing.assert_array_equal(first[3].windows, other.batch(3).windows)
        assert first[3].boxes != third.batch(3).boxes


def test_one_plane_is_the_default(volume: Volume) -> None:
    with sampler(volume) as plain, sampler(volume, planes=(XY,)) as xy:
        batch = plain.batch(0)
        np.testing.assert_array_equal(batch.windows, xy.batch(0).windows)
    assert {block.plane for block in batch.blocks} == {XY}


def test_a_region_too_thin_for_a_plane_is_refused(volume: Volume) -> None:
    with pytest.raises(RegionError, match="48 x 48"):
        PlaneBlocks(volume, Box((0, 0, 0), (40, 90, 70)), SETTINGS, 0, 0, PLANES)
