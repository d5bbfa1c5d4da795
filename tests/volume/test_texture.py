import numpy as np
import pytest
from scipy import ndimage

from napari_dense_ssl.volume import Volume


def blobs(sigma: tuple[float, float, float], shape: tuple[int, int, int] = (24, 160, 160)) -> np.ndarray:
    """A random field that is as smooth along each axis as `sigma` says."""
    field = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), sigma)
    return (128 + 40 * field / field.std()).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("step", [1.0, 2.0, 4.0])
def test_the_distance_between_slices_is_measured_on_the_images(step: float) -> None:
    # A field of correlation length 6 px in the plane, sampled every `step` px along Z.
    volume = Volume.from_arrays([blobs((6 / step, 6, 6))])
    assert volume.slice_step() == pytest.approx(step, rel=0.25)


def test_slices_that_have_nothing_in_common_are_infinitely_far_apart() -> None:
    assert Volume.from_arrays([blobs((0, 1, 1))]).slice_step() == float("inf")


@pytest.mark.parametrize(
    "array",
    [
        np.full((4, 64, 64), 7, np.uint8),
        blobs((0, 3, 3), (1, 64, 64)),
        np.full((4, 64, 64), np.nan, np.float32),
    ],
    ids=["constant", "one slice", "nothing finite"],
)
def test_where_nothing_can_be_measured_slices_stand_alone(array: np.ndarray) -> None:
    assert Volume.from_arrays([array]).slice_step() == float("inf")


def test_missing_pixels_do_not_hide_the_rest() -> None:
    array = blobs((3, 3, 3)).astype(np.float32)
    array[:, :20] = np.nan
    assert Volume.from_arrays([array]).slice_step() == pytest.approx(1.0, abs=0.3)


def test_slices_around_are_mirrored_beyond_the_ends() -> None:
    from napari_dense_ssl.core.geometry import Box

    array = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((4, 8, 8), np.uint8)
    volume = Volume.from_arrays([array])

    def around(z: int, reach: int) -> list[int]:
        return volume.read_around(Box((z, 0, 0), (z + 1, 8, 8)), reach)[:, 0, 0].tolist()

    assert around(1, 1) == [0, 1, 2]
    assert around(0, 2) == [2, 1, 0, 1, 2]
    assert around(3, 3) == [0, 1, 2, 3, 2, 1, 0]
    assert around(2, 0) == [2]
    assert Volume.from_arrays([array[:1]]).read_around(Box((0, 0, 0), (1, 8, 8)), 2).shape == (5, 8, 8)
