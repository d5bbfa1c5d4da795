"""The data and their truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.playground.mixture import TRUTHS, Mixture, gaussians, make_dataset, seed_mixture

SKEWED = gaussians(
    [(0, 0), (3, -1), (-2, 2)],
    [1, 2, 1],
    [[[1, 0.5], [0.5, 2]], [[0.3, 0], [0, 0.3]], [[2, -0.4], [-0.4, 0.5]]],
)


def test_the_density_of_one_gaussian_is_worked_out_by_hand() -> None:
    single = gaussians([(1.0, -1.0)])
    # exp(-(3^2 + 4^2) / 2) / 2 pi at (4, 3); with noise 2 the variance is 5.
    assert single.log_density(np.array([[4.0, 3.0]]))[0] == pytest.approx(-12.5 - np.log(2 * np.pi))
    noised = single.noised(2.0)
    assert noised.log_density(np.array([[4.0, 3.0]]))[0] == pytest.approx(-2.5 - np.log(2 * np.pi * 5))
    np.testing.assert_allclose(noised.score(np.array([[4.0, 3.0]])), [[-0.6, -0.8]])


def test_the_score_between_two_equal_gaussians_is_zero_in_the_middle() -> None:
    np.testing.assert_allclose(gaussians([(-2, 0), (2, 0)]).score(np.zeros((1, 2))), 0, atol=1e-12)


def test_the_density_is_that_of_scipy() -> None:
    points = np.random.default_rng(0).normal(scale=3, size=(50, 2))
    weights = np.array([0.25, 0.5, 0.25])
    expected = sum(
        w * multivariate_normal(m, c).pdf(points)
        for w, m, c in zip(weights, SKEWED.means, SKEWED.covariances, strict=True)
    )
    np.testing.assert_allclose(np.exp(SKEWED.log_density(points)), expected, rtol=1e-10)


@pytest.mark.parametrize("truth", [seed_mixture(), SKEWED, TRUTHS["moons"]()])
@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_the_score_is_the_slope_of_the_log_density(truth: Mixture, sigma: float) -> None:
    noised = truth.noised(sigma)
    points, _ = noised.sample(40, np.random.default_rng(1))
    step = 1e-5
    slopes = [
        (noised.log_density(points + step * axis) - noised.log_density(points - step * axis)) / (2 * step)
        for axis in np.eye(2)
    ]
    np.testing.assert_allclose(noised.score(points), np.stack(slopes, 1), rtol=1e-5, atol=1e-6)


def test_the_seeds_mixture_is_drawn_as_it_is_weighted() -> None:
    data = make_dataset("mixture", 20_000, seed=3)
    np.testing.assert_allclose(np.bincount(data.labels) / 20_000, (0.40, 0.35, 0.25), atol=0.015)
    np.testing.assert_allclose(data.points[data.labels == 2].mean(0), (-5, 5), atol=0.06)
    np.testing.assert_allclose(np.cov(data.points[data.labels == 0].T), np.eye(2), atol=0.06)
    assert (data.truth.class_of(data.points) == data.labels).mean() > 0.999


@pytest.mark.parametrize("name", TRUTHS)
def test_every_density_integrates_to_one_over_its_box(name: str) -> None:
    data = make_dataset(name, 4000)
    low, high = data.box
    axes = np.linspace(low - 1, high + 1, 161).T
    x, y = np.meshgrid(*axes)
    density = np.exp(data.truth.log_density(np.stack([x.ravel(), y.ravel()], 1)))
    cell = (axes[0, 1] - axes[0, 0]) * (axes[1, 1] - axes[1, 0])
    assert density.sum() * cell == pytest.approx(1, abs=2e-3)


def test_curves_have_two_classes_that_noise_hardly_mixes() -> None:
    for name in ("moons", "rings", "spiral"):
        data = make_dataset(name, 2000)
        assert set(data.labels) == {0, 1}
        assert (data.truth.class_of(data.points) == data.labels).mean() > 0.98


def test_the_same_seed_gives_the_same_points() -> None:
    first, again, other = (make_dataset("rings", 200, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)


def test_what_cannot_be_a_mixture_is_refused() -> None:
    with pytest.raises(SettingsError, match="above 0"):
        gaussians([(0, 0), (1, 1)], [1.0, 0.0])
    with pytest.raises(SettingsError, match="positive definite"):
        gaussians([(0, 0)], covariances=[[[1, 2], [2, 1]]])
    with pytest.raises(SettingsError, match="fit together"):
        gaussians([(0, 0)], [0.5, 0.5])
    with pytest.raises(SettingsError, match="expected one of mixture, moons"):
        make_dataset("moon", 100)
    with pytest.raises(SettingsError, match="3 dimensions"):
        make_dataset(gaussians([(0, 0, 0)]), 100)
