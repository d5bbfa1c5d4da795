import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.volume import Volume
from napari_dense_ssl.volume.isotropy import isotropy


def _smooth(sigma: tuple[float, float, float]) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(24, 64, 64))
    return gaussian_filter(noise, sigma).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "expected"), [((8.0, 8.0, 8.0), True), ((10.0, 8.0, 8.0), True), ((11.0, 8.0, 8.0), False)]
)
def test_the_files_voxel_size_decides(size: tuple[float, float, float], expected: bool) -> None:
    # the images say the opposite
    sigma = (1.0, 4.0, 4.0) if expected else (2.0, 2.0, 2.0)
    found = isotropy(Volume.from_arrays([_smooth(sigma)], voxel_size=size))
    assert found.isotropic is expected
    assert f"{size[0]:g} x 8 x 8 nm" in found.reason


def test_without_a_voxel_size_the_images_decide() -> None:
    even = isotropy(Volume.from_arrays([_smooth((2.0, 2.0, 2.0))]))
    assert even.isotropic
    assert "measured on the images" in even.reason
    assert not isotropy(Volume.from_arrays([_smooth((1.0, 3.0, 3.0))])).isotropic
    sections = isotropy(Volume.from_arrays([_smooth((0.0, 2.0, 2.0))]))
    assert not sections.isotropic
    assert "nothing in common" in sections.reason
