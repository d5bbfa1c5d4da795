import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

from napari_dense_ssl.objective.filter_bank import filter_bank, gaussian


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(64, 48))


@pytest.mark.parametrize("sigma", [1.0, 2.5, 8.0])
def test_the_blur_is_scipys(image: np.ndarray, sigma: float) -> None:
    ours = gaussian(torch.from_numpy(image)[None, None], sigma)[0, 0].numpy()
    np.testing.assert_allclose(
        ours, ndimage.gaussian_filter(image, sigma, truncate=3, mode="mirror"), atol=1e-9
    )


def test_eigenvalues_are_those_of_scikit_image(image: np.ndarray) -> None:
    smooth = ndimage.gaussian_filter(image, 2.0, truncate=3, mode="mirror")
    matrix = hessian_matrix(smooth, sigma=1e-6, mode="mirror", order="rc", use_gaussian_derivatives=False)
    larger, smaller = hessian_matrix_eigvals(matrix)
    _, _, first, second = filter_bank(torch.from_numpy(image)[None, None], (2.0,))[0].numpy()
    np.testing.assert_allclose(first, 4 * larger, atol=1e-8)
    np.testing.assert_allclose(second, 4 * smaller, atol=1e-8)


def test_a_ramp_has_its_slope_and_no_curvature() -> None:
    ramp = torch.arange(64.0).expand(64, 64)[None, None] * 3.0
    _, slope, first, second = filter_bank(ramp, (2.0,))[0, :, 20:-20, 20:-20]
    torch.testing.assert_close(slope, torch.full_like(slope, 2.0 * 3.0))
    torch.testing.assert_close(first, torch.zeros_like(first), atol=1e-4, rtol=0)
    torch.testing.assert_close(second, torch.zeros_like(second), atol=1e-4, rtol=0)


def test_features_turn_with_the_image(image: np.ndarray) -> None:
    images = torch.from_numpy(image)[None, None]
    turned = filter_bank(torch.rot90(images, 1, (-2, -1)))
    torch.testing.assert_close(turned, torch.rot90(filter_bank(images), 1, (-2, -1)))
