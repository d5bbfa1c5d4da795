import itertools

import dask.array as da
import numpy as np
import pytest

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.sampling.blocks import BlockPool, BlockSource
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Volume

SETTINGS = SamplerSettings(crop=32, view_shift=16, block=64, batch=4, pool=6, reuse=2)


def make_volume(shape: tuple[int, int, int] = (8, 200, 160)) -> Volume:
    return Volume.from_arrays([np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)])


def test_blocks_lie_in_the_region_and_hold_its_voxels() -> None:
    volume, region = make_volume(), Box((1, 20, 30), (7, 190, 150))
    source = BlockSource(volume, region, SETTINGS, context=0, seed=0)
    for index in range(20):
        block = source.read(index)
        assert block.box.intersect(region) == block.box
        assert min(block.box.shape[1:]) >= 64
        np.testing.assert_array_equal(block.voxels, volume.read(block.box))


def test_a_block_depends_on_its_seed_and_number_only() -> None:
    volume = make_volume()
    boxes = [
        [BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, seed).box(i) for i in range(9)]
        for seed in (1, 1, 2)
    ]
    assert boxes[0] == boxes[1]
    assert boxes[0] != boxes[2]


def test_empty_places_are_passed_over() -> None:
    voxels = np.zeros((1, 400, 400), dtype=np.uint8)
    voxels[:, 300:, 300:] = np.random.default_rng(0).integers(1, 255, (1, 100, 100))
    volume = Volume.from_arrays([voxels])
    source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, 0)
    full = sum(bool(source.read(i).voxels.any()) for i in range(20))
    plain = sum(bool(volume.read(source.box(i)).any()) for i in range(20))
    assert full > plain


def test_the_pool_is_bounded_by_its_memory_and_moves_on() -> None:
    volume = make_volume()
    source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, 0)
    pool = BlockPool(source, SETTINGS, 1)
    try:
        spans = [pool.range(step) for step in range(40)]
        assert all(high - low <= SETTINGS.pool for low, high in spans)
        assert all(a[1] <= b[1] for a, b in itertools.pairwise(spans))
        assert spans[-1][0] > 0
        for step in range(10):
            low, high = spans[step]
            assert len(pool.blocks(step)) == high - low
        tight = BlockPool(source, SETTINGS, itemsize=2**22)
        assert tight.range(50)[1] - tight.range(50)[0] == 1
        tight.close()
    finally:
        pool.close()


@pytest.mark.parametrize("readers", [1, 8])
def test_blocks_that_are_held_or_read_ahead_stay_within_the_memory(readers: int) -> None:
    voxels = np.random.default_rng(0).integers(0, 255, (3, 1500, 1500)).astype(np.uint8)
    volume = Volume.from_arrays([voxels])
    settings = SamplerSettings(crop=256, view_shift=16, block=512, batch=8, pool=80, reuse=1, memory=16)
    source = BlockSource(volume, Box.whole(volume.shape), settings, 0, 0)
    pool = BlockPool(source, settings, 1, readers=readers)
    most = 0
    for step in range(12):
        assert pool.blocks(step)
        most = max(most, pool.held * settings.block**2)
    pool.close()
    assert 2**20 < most <= settings.memory * 2**20


def test_blocks_of_a_chunked_volume_are_whole_chunks() -> None:
    volume = make_volume((16, 640, 640))
    array = da.from_array(np.asarray(volume.data), chunks=(8, 64, 64))
    chunked = Volume.from_arrays([array])
    source = BlockSource(chunked, Box.whole(chunked.shape), SETTINGS, 0, 0)
    for index in range(20):
        box = source.box(index)
        assert all(n % 64 == 0 for n in (*box.start[1:], *box.stop[1:]))


@pytest.mark.parametrize(
    ("region", "context", "says"),
    [
        (Box((0, 0, 0), (8, 40, 160)), 0, "48 x 48"),
        (Box((0, 0, 0), (4, 200, 160)), 2, "need 5"),
        (Box((0, 0, 0), (9, 200, 160)), 0, "outside"),
    ],
)
def test_a_region_that_is_too_small_is_refused(region: Box, context: int, says: str) -> None:
    with pytest.raises(RegionError, match=says):
        BlockSource(make_volume(), region, SETTINGS, context, 0)
