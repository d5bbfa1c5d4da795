import numpy as np
import pytest

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.sampling.crops import CropBatch, CropSampler
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Volume

SETTINGS = SamplerSettings(crop=32, view_shift=16, block=64, batch=6, pool=6, reuse=2)


@pytest.fixture(scope="module")
def volume() -> Volume:
    voxels = np.random.default_rng(0).integers(0, 255, (9, 150, 160)).astype(np.uint8)
    return Volume.from_arrays([voxels])


def draw(volume: Volume, steps: list[int], **options: int) -> list[CropBatch]:
    region = Box.whole(volume.shape)
    with CropSampler(volume, region, volume.intensity(), SETTINGS, **options) as sampler:
        return [sampler.batch(step) for step in steps]


def test_windows_hold_the_normalised_voxels_of_their_boxes(volume: Volume) -> None:
    (batch,) = draw(volume, [0])
    assert batch.windows.shape == (6, 1, 48, 48)
    for window, box in zip(batch.middle, batch.boxes, strict=True):
        np.testing.assert_allclose(window, volume.intensity().normalise(volume.read(box)))


def test_context_slices_surround_the_middle(volume: Volume) -> None:
    (batch,) = draw(volume, [0], context=2)
    assert batch.windows.shape == (6, 5, 48, 48)
    for window, box in zip(batch.windows, batch.boxes, strict=True):
        (z, y, x), (_, y1, x1) = box.start, box.stop
        stack = volume.read(Box((z - 2, y, x), (z + 3, y1, x1)))
        np.testing.assert_allclose(window, volume.intensity().normalise(stack))


def test_a_resumed_sampler_draws_what_an_uninterrupted_one_would(volume: Volume) -> None:
    whole = draw(volume, [0, 1, 2, 3, 4, 5])
    resumed = draw(volume, [4, 5])
    for a, b in zip(whole[4:], resumed, strict=True):
        np.testing.assert_array_equal(a.windows, b.windows)
        np.testing.assert_array_equal(a.offsets, b.offsets)
        np.testing.assert_array_equal(a.symmetries, b.symmetries)


def test_ranks_share_the_batch_of_one_process(volume: Volume) -> None:
    (whole,) = draw(volume, [3])
    parts = [draw(volume, [3], rank=rank, world=2)[0] for rank in (0, 1)]
    for rank, part in enumerate(parts):
        np.testing.assert_array_equal(part.windows, whole.windows[rank::2])


def test_crops_come_from_many_slices_and_shifts_are_not_tied_to_the_stride(volume: Volume) -> None:
    batches = draw(volume, list(range(20)))
    assert len({box.start[0] for batch in batches for box in batch.boxes}) >= 7
    shifts = np.concatenate([batch.offsets for batch in batches])
    assert set(np.unique(shifts % 8)) == set(range(8))
    assert set(np.concatenate([b.symmetries for b in batches])) == set(range(8))


def test_closing_leaves_no_thread(volume: Volume) -> None:
    import threading

    draw(volume, [0, 1])
    assert not [t for t in threading.enumerate() if t.name.startswith("dense-ssl")]
