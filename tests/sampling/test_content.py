"""Places that show nothing are found and passed over, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.sampling.blocks import BlockSource
from napari_dense_ssl.sampling.content import Content
from napari_dense_ssl.sampling.crops import CropSampler
from napari_dense_ssl.sampling.settings import SamplerSettings
from napari_dense_ssl.volume import Volume, open_volume
from napari_dense_ssl.volume.pyramid import coarser

SETTINGS = SamplerSettings(crop=64, view_shift=16, block=256, batch=4, pool=6, reuse=2)
SHAPE = (3, 1024, 1024)


@pytest.fixture(scope="module")
def tissue() -> NDArray[np.uint8]:
    z, y, x = SHAPE
    return np.asarray(open_volume(f"sample:em?shape={z}x{y}x{x}&seed=5").data)


def noise(kind: str) -> NDArray[np.uint8]:
    """Return what bare resin looks like: white noise as strong as the tissue, or less of a smoother noise."""
    rng = np.random.default_rng(1)
    if kind == "padding":
        return np.full(SHAPE, 7, np.uint8)
    values = rng.normal(0, 1, SHAPE)
    if kind == "blurred":
        values = 0.4 * gaussian_filter(values, (0, 1, 1)) / 0.28
    values *= 30
    if kind == "sloped":
        values = 0.3 * values + np.linspace(-60, 60, SHAPE[1])[:, None]
    return np.clip(150 + values, 0, 255).astype(np.uint8)


def volume_of(voxels: NDArray[Any], levels: int = 1) -> Volume:
    arrays = [voxels]
    while len(arrays) < levels:
        arrays.append(coarser(arrays[-1], (1, 2, 2), "mean"))
    return Volume.from_arrays(arrays)


def half_empty(tissue: NDArray[np.uint8], kind: str, edge: int = 448) -> NDArray[np.uint8]:
    """Return tissue in the upper left corner, of that edge, and emptiness around it."""
    voxels = noise(kind)
    voxels[:, :edge, :edge] = tissue[:, :edge, :edge]
    return voxels


def overlap(box: Box, edge: int) -> int:
    """Return how many pixels of a slice of a box lie in the corner of that edge."""
    return max(0, edge - box.start[1]) * max(0, edge - box.start[2])


@pytest.mark.parametrize("kind", ["padding", "white", "blurred", "sloped"])
@pytest.mark.parametrize("levels", [1, 4])
def test_blocks_lie_where_there_is_tissue(tissue: NDArray[np.uint8], kind: str, levels: int) -> None:
    volume = volume_of(half_empty(tissue, kind), levels)
    source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, seed=2)
    boxes = [source.read(index).box for index in range(60)]
    assert sum(overlap(source.box(index), 448) == 0 for index in range(60)) > 10
    # A place is given up where next to nothing of it shows tissue: a corner of a sixth of its edge may.
    assert sum(overlap(box, 448) < 32**2 for box in boxes) <= 1
    assert len(set(boxes)) > 50


@pytest.mark.parametrize("kind", ["padding", "white"])
@pytest.mark.parametrize("levels", [1, 4])
def test_a_little_tissue_in_much_emptiness_is_found(
    tissue: NDArray[np.uint8], kind: str, levels: int
) -> None:
    volume = volume_of(half_empty(tissue, kind, edge=192), levels)
    source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, seed=2)
    assert sum(overlap(source.read(index).box, 192) >= 20**2 for index in range(40)) >= 38


def test_where_all_is_tissue_blocks_lie_where_they_would_have_lain(tissue: NDArray[np.uint8]) -> None:
    for levels in (1, 4):
        volume = volume_of(tissue, levels)
        source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, seed=3)
        assert all(source.read(index).box == source.box(index) for index in range(100))


@pytest.mark.parametrize(
    "name", ["vnc/raw.tif", "hrdv2/raw.tif", "fib25/raw.tif", "gala/train-image.h5", "hiv/tomogram.tif"]
)
def test_no_place_of_real_tissue_is_taken_for_empty(name: str, real_data: Callable[[str], Path]) -> None:
    single = open_volume(real_data(name))
    small = SamplerSettings(crop=64, view_shift=16, block=96)
    for volume in (single, volume_of(np.asarray(single.data), levels=3)):
        for settings in (small, SETTINGS):
            source = BlockSource(volume, Box.whole(volume.shape), settings, 0, seed=0)
            assert all(source.read(index).box == source.box(index) for index in range(200))


def test_nothing_is_judged_in_a_volume_of_noise() -> None:
    volume = volume_of(noise("white"))
    content = Content(volume, Box.whole(volume.shape))
    assert content.usual is None
    assert content.places == ()
    source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, seed=0)
    assert source.read(0).box == source.box(0)


def test_an_artefact_in_a_faint_image_does_not_make_the_rest_empty(tissue: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(0)
    faint = tissue.astype(np.float32) + rng.normal(0, 260, SHAPE)
    faint[:, :60, :60] += 3000
    volume = volume_of(faint.astype(np.float32))
    source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, seed=0)
    assert all(source.read(index).box == source.box(index) for index in range(40))


def test_an_empty_place_costs_no_reading_of_the_finest_level(tissue: NDArray[np.uint8]) -> None:
    class Counted:
        def __init__(self, array: NDArray[np.uint8]) -> None:
            self.array, self.reads = array, 0
            self.shape, self.dtype, self.chunks = array.shape, array.dtype, (1, 64, 64)

        def __getitem__(self, index: Any) -> NDArray[np.uint8]:
            self.reads += 1
            return self.array[index]

    arrays = [half_empty(tissue, "white")]
    for _ in range(3):
        arrays.append(coarser(arrays[-1], (1, 2, 2), "mean"))
    counted = [Counted(array) for array in arrays]
    volume = Volume.from_arrays(counted)
    source = BlockSource(volume, Box.whole(volume.shape), SETTINGS, 0, seed=2)
    for index in range(30):
        source.read(index)
    assert counted[0].reads == 30
    assert counted[3].reads > 30  # the coarsest level in which a window has 32 pixels along its edge
    assert counted[1].reads == counted[2].reads == 0


@pytest.mark.parametrize("levels", [1, 4])
def test_the_same_crops_whatever_the_number_of_threads(tissue: NDArray[np.uint8], levels: int) -> None:
    drawn = []
    for readers in (1, 2, 8):
        volume = volume_of(half_empty(tissue, "white"), levels)
        intensity, region = volume.intensity(), Box.whole(volume.shape)
        with CropSampler(volume, region, intensity, SETTINGS, seed=4, readers=readers) as sampler:
            drawn.append([sampler.batch(step) for step in range(8)])
    for batches in drawn[1:]:
        for a, b in zip(drawn[0], batches, strict=True):
            assert a.boxes == b.boxes
            np.testing.assert_array_equal(a.windows, b.windows)
            np.testing.assert_array_equal(a.offsets, b.offsets)


def test_values_that_are_not_finite_are_no_content() -> None:
    voxels = np.random.default_rng(0).normal(size=(2, 300, 300)).astype(np.float32)
    voxels[:, :, 150:] = np.nan
    volume = volume_of(voxels)
    content = Content(volume, Box.whole(volume.shape))
    box = Box((0, 0, 200), (1, 64, 264))
    assert not content.shown(box, volume.read(box))
