"""The losses of embeddings, and the classes that they are turned into."""

import math

import numpy as np
import pytest
import torch

from napari_dense_ssl.objective.codebook import fit_codebook
from napari_dense_ssl.objective.dsm import denoising_loss, noise_levels
from napari_dense_ssl.objective.jepa import feature_prediction, normalised_target, spread
from napari_dense_ssl.objective.lejepa import view_disagreement
from napari_dense_ssl.objective.soft_classes import soft_classes, temperature


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_jepa_by_hand() -> None:
    target = normalised_target(torch.tensor([[1.0, 3.0], [4.0, 0.0]], requires_grad=True))
    torch.testing.assert_close(target, torch.tensor([[-1.0, 1.0], [1.0, -1.0]]), atol=1e-4, rtol=0)
    assert not target.requires_grad
    # smooth L1: d^2 / 2 up to 1, |d| - 1/2 beyond
    loss = feature_prediction(torch.tensor([[-0.5, 1.0], [1.0, 2.0]]), target)
    assert float(loss) == pytest.approx((0.125 + 0 + 0 + 2.5) / 4, abs=1e-3)


def test_collapsed_targets_have_no_spread() -> None:
    one_point = normalised_target(torch.randn(1, 16, generator=generator()).expand(50, 16))
    assert float(spread(one_point)) == pytest.approx(0, abs=1e-5)
    assert float(spread(normalised_target(torch.randn(500, 16, generator=generator())))) > 0.9


def test_views_disagree_as_lightly_says() -> None:
    """lightly 1.6.0 (MIT): lejepa_invariance_loss of these two views as global ones."""
    views = torch.tensor([[[1.0, 2.0], [0.0, -1.0]], [[2.0, 0.0], [1.0, 1.0]]])
    assert float(view_disagreement(views)) == pytest.approx(0.625)


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_the_best_score_of_white_images_is_tweedies(sigma: float) -> None:
    variance = 0.5
    clean = math.sqrt(variance) * torch.randn(400_000, generator=generator(1))
    noise = torch.randn(400_000, generator=generator(2))
    noised = clean + sigma * noise

    def loss(share: float) -> float:
        return float(denoising_loss(-sigma * share * noised / (variance + sigma**2), noise))

    best = variance / (2 * (variance + sigma**2))
    assert loss(1.0) == pytest.approx(best, rel=0.01)
    assert loss(0.9) > loss(1.0) < loss(1.1)
    assert loss(0.0) == pytest.approx(0.5, rel=0.01)


def test_noise_levels_are_even_in_their_logarithm() -> None:
    levels = noise_levels(20_000, 0.1, 1.0, generator())
    assert 0.1 <= float(levels.min()) < float(levels.max()) <= 1.0
    assert float(levels.log().mean()) == pytest.approx(math.log(math.sqrt(0.1)), abs=0.02)


def test_the_likeliest_class_is_the_nearest_centre_as_surely_as_asked() -> None:
    samples = np.random.default_rng(0).normal(size=(4000, 5)).astype(np.float32) * [1, 5, 0.2, 1, 1]
    samples = samples.astype(np.float32)
    codebook = fit_codebook(samples, 12, seed=0)
    pixels = torch.from_numpy(samples)
    for confidence in (0.4, 0.7, 0.95):
        weight, bias = soft_classes(codebook, pixels, confidence)
        probabilities = (pixels @ weight.T + bias).softmax(1)
        expected = codebook.assign(pixels.T[None, :, :, None])[0, :, 0]
        assert torch.equal(probabilities.argmax(1), expected)
        assert float(probabilities.max(1).values.mean()) == pytest.approx(confidence, abs=1e-3)


def test_classes_that_are_all_alike_have_no_temperature() -> None:
    assert temperature(torch.full((7, 3), 5.0), 0.7) == 1.0


def test_centres_that_are_begun_with_keep_their_numbers() -> None:
    rng = np.random.default_rng(1)
    corners = np.array([[0, 0], [0, 9], [9, 0], [9, 9]], np.float32)
    samples = (corners[rng.integers(0, 4, 2000)] + rng.normal(size=(2000, 2))).astype(np.float32)
    first = fit_codebook(samples, 4, seed=0)
    second = fit_codebook(samples[::3] + 0.2, 4, seed=5, start=first)
    moved = (second.centres * second.std + second.mean) - (first.centres * first.std + first.mean)
    assert float(moved.abs().max()) < 1
