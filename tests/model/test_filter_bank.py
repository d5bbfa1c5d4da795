import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

from napari_dense_ssl.model.filter_bank import (
    filter_bank,
    filter_bank_3d,
    gaussian,
    symmetric_eigenvalues,
)


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
    # Grey values of up to 189 in float32: the kernel that a processor gets decides on the last bits.
    torch.testing.assert_close(slope, torch.full_like(slope, 2.0 * 3.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(first, torch.zeros_like(first), atol=1e-4, rtol=0)
    torch.testing.assert_close(second, torch.zeros_like(second), atol=1e-4, rtol=0)


def test_features_turn_with_the_image(image: np.ndarray) -> None:
    images = torch.from_numpy(image)[None, None]
    turned = filter_bank(torch.rot90(images, 1, (-2, -1)))
    torch.testing.assert_close(turned, torch.rot90(filter_bank(images), 1, (-2, -1)))


def test_eigenvalues_in_closed_form_are_those_of_an_iterative_solver() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(200, 3, 3, dtype=torch.float64, generator=generator)
    matrices = matrices + matrices.transpose(1, 2)
    matrices[:20] = torch.diag_embed(
        torch.randint(-2, 3, (20, 3), generator=generator).double()
    )  # repeated ones
    a, b, c = matrices.diagonal(dim1=1, dim2=2).unbind(1)
    found = symmetric_eigenvalues(a, b, c, matrices[:, 0, 1], matrices[:, 0, 2], matrices[:, 1, 2])
    expected = torch.linalg.eigvalsh(matrices).flip(1)
    torch.testing.assert_close(torch.stack(found, 1), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("step", [1.0, 1.5])
def test_a_quadratic_has_its_own_hessian_in_three_dimensions(step: float) -> None:
    """For x² + 2 y² - 1.5 z² (in px), sigma² times the Hessian is diag(4, 2, -3) sigma² everywhere."""
    z = (torch.arange(9.0) - 4)[:, None, None] * step
    y, x = torch.arange(-24.0, 25.0)[:, None], torch.arange(-24.0, 25.0)
    stack = (x**2 + 2 * y**2 - 1.5 * z**2)[None].double()
    found = filter_bank_3d(stack, step, (1.0,))[0, :, 24, 24]
    torch.testing.assert_close(found[2:], torch.tensor([4.0, 2.0, -3.0]).double(), atol=1e-4, rtol=0)
    assert float(found[1]) == pytest.approx(0.0, abs=1e-6)


def test_a_ramp_along_z_has_its_slope_whatever_the_distance_of_slices() -> None:
    z = (torch.arange(7.0) - 3)[:, None, None] * 2.0  # slices 2 px apart
    stack = (3.0 * z).expand(7, 16, 16)[None]
    found = filter_bank_3d(stack, 2.0, (2.0,))[0, :, 8, 8]
    assert float(found[1]) == pytest.approx(2.0 * 3.0, rel=1e-5)  # sigma |grad|
    torch.testing.assert_close(found[2:], torch.zeros(3), atol=1e-4, rtol=0)


def test_three_dimensional_features_turn_with_the_stack() -> None:
    stack = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 5, 24, 32)))
    turned = filter_bank_3d(torch.rot90(stack, 1, (-2, -1)), 1.0)
    torch.testing.assert_close(turned, torch.rot90(filter_bank_3d(stack, 1.0), 1, (-2, -1)))
    torch.testing.assert_close(filter_bank_3d(stack.flip(1), 1.0), filter_bank_3d(stack, 1.0))
