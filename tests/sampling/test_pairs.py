import numpy as np
import pytest
import torch

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.sampling.crops import CropBatch
from napari_dense_ssl.sampling.pairs import matches, second_views
from napari_dense_ssl.sampling.views import cut_views

CROP, SHIFT = 32, 16


def views(count: int, seed: int = 0, shift: int = SHIFT) -> CropBatch:
    """Windows whose pixels are numbered, so that what a view shows says where it lies."""
    rng = np.random.default_rng(seed)
    edge = CROP + shift
    numbers = np.arange(edge * edge, dtype=np.float32).reshape(1, 1, edge, edge)
    box = Box((0, 0, 0), (1, edge, edge))
    return CropBatch(
        np.repeat(numbers, count, 0),
        rng.integers(0, shift + 1, (count, 2)),
        rng.integers(0, 8, count),
        (box,) * count,
    )


def test_matched_pixels_show_the_same_point() -> None:
    rng = np.random.default_rng(1)
    first = views(40)
    second = second_views(first, CROP, SHIFT, 8, True, rng)
    found = matches(first, second, CROP, 200, 4, rng)
    windows = torch.from_numpy(first.windows)
    a, b = (cut_views(windows, batch, CROP).flatten(1).numpy() for batch in (first, second))
    left, right = np.take_along_axis(a, found.first, 1), np.take_along_axis(b, found.second, 1)
    assert found.valid.mean() > 0.4
    np.testing.assert_array_equal(left[found.valid], right[found.valid])
    # What is called unseen lies outside of the first view, or on its rim.
    y, x = np.divmod(right, CROP + SHIFT)
    low = first.offsets[:, None, :] + 4
    high = first.offsets[:, None, :] + CROP - 4
    inside = (y >= low[..., 0]) & (y < high[..., 0]) & (x >= low[..., 1]) & (x < high[..., 1])
    np.testing.assert_array_equal(found.valid, inside)


def test_the_shift_is_no_multiple_of_the_stride_and_the_views_overlap() -> None:
    rng = np.random.default_rng(2)
    first = views(500, shift=64)
    second = second_views(first, CROP, 64, 8, True, rng)
    difference = second.offsets - first.offsets
    assert (difference % 8 != 0).all()
    assert np.abs(difference).max() <= CROP // 2
    assert second.offsets.min() >= 0
    assert second.offsets.max() <= 64
    assert set(second.symmetries.tolist()) == set(range(8))
    assert set((difference % 8).ravel().tolist()) == set(range(1, 8))


def test_without_room_the_second_view_lies_where_the_first_does() -> None:
    first = views(5, shift=0)
    second = second_views(first, CROP, 0, 8, False, np.random.default_rng(3))
    np.testing.assert_array_equal(first.offsets, second.offsets)
    assert not second.symmetries.any()
    assert matches(first, second, CROP, 50, 2, np.random.default_rng(4)).valid.all()


def _disagreement(code: np.ndarray, first: CropBatch, second: CropBatch, rng: np.random.Generator) -> float:
    """Mean disagreement of an encoder that looks at the place only: the same map for every view."""
    found = matches(first, second, CROP, CROP * CROP, 0, rng)
    differ = code.ravel()[found.first] != code.ravel()[found.second]
    return float(differ[found.valid].mean())


@pytest.fixture
def orbit_grid() -> np.ndarray:
    """A grid that is constant on the orbits of the eight symmetries, otherwise random."""
    y, x = np.indices((CROP, CROP))
    y, x = np.minimum(y, CROP - 1 - y), np.minimum(x, CROP - 1 - x)
    orbit = np.maximum(y, x) * CROP + np.minimum(y, x)
    _, number = np.unique(orbit, return_inverse=True)
    assert number.max() + 1 == (CROP**2 + 2 * CROP) // 8  # ssl-facts' count: 4,656 for an edge of 192
    return np.random.default_rng(5).integers(0, 6, number.max() + 1)[number.reshape(CROP, CROP)]


def test_a_grid_on_the_orbits_passes_the_symmetries_and_fails_a_shift(orbit_grid: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    still = views(64, shift=0)
    turned = second_views(still, CROP, 0, 8, True, rng)
    assert _disagreement(orbit_grid, still, turned, rng) == 0
    first = views(64)
    shifted = second_views(first, CROP, SHIFT, 8, True, rng)
    assert _disagreement(orbit_grid, first, shifted, rng) > 0.7  # chance: 5 / 6


def test_a_periodic_grid_passes_shifts_by_the_stride_and_fails_all_others() -> None:
    rng = np.random.default_rng(7)
    code = np.tile(rng.permutation(64).reshape(8, 8), (CROP // 8, CROP // 8))
    first = views(64)
    first.symmetries[:] = 0
    plain = second_views(first, CROP, SHIFT, 8, False, rng)
    assert _disagreement(code, first, plain, rng) == 1
    by_stride = first.offsets + 8 * rng.integers(-1, 1, first.offsets.shape)
    second = CropBatch(first.windows, by_stride, first.symmetries, first.boxes)
    assert _disagreement(code, first, second, rng) == 0
