"""The synthetic volume: the same voxels however they are asked for, and worth learning from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import open_volume
from napari_dense_ssl.volume.noise import hashed, normal, smooth, uniform
from napari_dense_ssl.volume.synthetic import BLOCK, CLASSES, SyntheticBlock

SHAPE = (3, 300, 320)


@pytest.fixture(scope="module", params=["em", "em-labels"])
def whole(request):
    volume = open_volume(f"sample:{request.param}?shape=3x300x320&seed=3")
    return volume, volume.read(Box.whole(volume.shape))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_box_agrees_with_the_whole(whole, data):
    volume, expected = whole
    start = tuple(data.draw(st.integers(0, n - 1)) for n in SHAPE)
    stop = tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, SHAPE, strict=True))
    box = Box(start, stop)
    np.testing.assert_array_equal(volume.read(box), expected[box.slices])


def test_blocks_are_the_same_every_time_and_other_for_other_seeds():
    grey, classes = SyntheticBlock(5, 2, 0, 1).render()
    again, classes_again = SyntheticBlock(5, 2, 0, 1).render()
    np.testing.assert_array_equal(grey, again)
    np.testing.assert_array_equal(classes, classes_again)
    assert (SyntheticBlock(6, 2, 0, 1).render()[0] != grey).mean() > 0.9


def test_blocks_join_without_a_seam():
    """Across the border of two blocks, classes change no more often than elsewhere."""
    left, right = (SyntheticBlock(1, 0, 0, column).render()[1] for column in (0, 1))
    both = np.concatenate([left, right], axis=1)
    changes = (both[:, 1:] != both[:, :-1]).mean(axis=0)
    assert changes[BLOCK - 1] <= changes.max() * 0.9
    assert changes[BLOCK - 1] < 4 * changes.mean()


def test_cells_move_smoothly_through_sections():
    """Neighbouring sections share most of their classes, distant ones no more than chance."""
    labels = open_volume("sample:em-labels?shape=41x256x256&seed=1")
    planes = [labels.read(Box((z, 0, 0), (z + 1, 256, 256)))[0] for z in (0, 1, 40)]
    cytoplasm = 5
    near, far = ((planes[0] == other)[planes[0] != cytoplasm].mean() for other in planes[1:])
    assert near > 0.5
    assert far < near - 0.2


def test_every_class_is_there_and_grey_values_overlap():
    shape = "4x512x512"
    box = Box.whole((4, 512, 512))
    grey = open_volume(f"sample:em?shape={shape}").read(box).astype(float)
    truth = open_volume(f"sample:em-labels?shape={shape}").read(box)
    assert set(np.unique(truth)) == set(CLASSES)
    assert 0.4 < (truth == 5).mean() < 0.8  # cytoplasm is the most common, as in tissue
    assert 0.05 < (truth == 1).mean() < 0.25
    # a threshold cannot tell glia, mitochondria and vesicles apart: their histograms share most of their mass
    histograms = [np.histogram(grey[truth == k], 64, (0, 256))[0] / (truth == k).sum() for k in (2, 3, 4)]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.minimum(histograms[a], histograms[b]).sum() > 0.55


def test_sample_is_anisotropic_and_has_its_shape():
    volume = open_volume("sample:em")
    assert volume.shape == (24, 512, 512)
    assert volume.voxel_size == (50, 5, 5)
    assert volume.voxel_size_known
    assert volume.dtype == np.uint8
    assert open_volume("sample:em?shape=100000x100000x100000").nbytes == 10**15


def test_noise_is_a_function_of_place_with_unit_variance():
    y, x = np.arange(0, 4000, 7.3), np.arange(-2000, 2000, 6.1)
    field = smooth(1, 3.4, y, x, (5, 9, 9))
    assert abs(field.mean()) < 0.05
    assert field.std() == pytest.approx(1, abs=0.25)  # varies with the place between lattice points
    np.testing.assert_allclose(smooth(1, 3.4, y[50:60], x[20:40], (5, 9, 9)), field[50:60, 20:40], atol=1e-5)
    draws = normal(2, np.arange(100_000))
    assert abs(draws.mean()) < 0.02
    assert draws.std() == pytest.approx(1, abs=0.02)
    even = uniform(3, np.arange(100_000))
    assert even.min() >= 0
    assert even.max() < 1
    assert even.mean() == pytest.approx(0.5, abs=0.01)
    assert len(np.unique(hashed(4, np.arange(1000)[:, None], np.arange(-500, 500)))) == 10**6
