"""Losses by hand, energies and their slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.playground.langevin import force
from napari_dense_ssl.playground.methods.contrastive import info_nce
from napari_dense_ssl.playground.methods.dsm import score_loss
from napari_dense_ssl.playground.methods.jepa_pairwise import pairwise_distance
from napari_dense_ssl.playground.methods.vicreg import shared_covariance, variance_shortfall
from napari_dense_ssl.playground.mixture import make_dataset
from napari_dense_ssl.playground.run import build
from napari_dense_ssl.playground.settings import MODELS, playground_settings

DATA = make_dataset("mixture", 400)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_info_nce_of_constants_is_log_batch_and_of_perfect_pairs_is_known() -> None:
    same = torch.ones(8, 2) / math.sqrt(2)
    assert float(info_nce(same, same, 0.2)) == pytest.approx(math.log(8))
    eye = torch.eye(4)
    # exp(1 / tau) against three times exp(0)
    assert float(info_nce(eye, eye, 0.5)) == pytest.approx(math.log(1 + 3 * math.exp(-2)))


def test_pairwise_distance_is_the_double_sum_and_is_least_for_a_collapse() -> None:
    first, second = normal(5, 3), normal(7, 3, seed=1)
    expected = torch.cdist(first, second).square().mean()
    assert float(pairwise_distance(first, second)) == pytest.approx(float(expected), rel=1e-5)
    unit = torch.nn.functional.normalize(normal(50, 2), dim=1)
    mean = unit.mean(0)
    assert float(pairwise_distance(unit, unit)) == pytest.approx(2 - 2 * float(mean @ mean), rel=1e-5)
    same = unit[:1].expand(50, 2)
    assert float(pairwise_distance(same, same)) == pytest.approx(0, abs=1e-6)


def test_terms_of_vicreg_by_hand() -> None:
    points = torch.tensor([[1.0, 0.5], [-1.0, -0.5]])
    # variances 2 and .5 (over N - 1): the first is enough, the second lacks 1 - .7071
    assert float(variance_shortfall(points)) == pytest.approx((1 - math.sqrt(0.5001)) / 2, rel=1e-4)
    assert float(shared_covariance(points)) == pytest.approx(
        2 * 1.0**2 / 2
    )  # covariance 1, twice, over D = 2
    assert float(variance_shortfall(torch.zeros(4, 2))) == pytest.approx(0.99)  # the root of 1e-4


def test_score_loss_by_hand() -> None:
    score, noise = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 2.0]])
    assert float(score_loss(score, noise, torch.tensor([2.0]))) == pytest.approx(0.5 * 2 * (1.5**2 + 1))


def test_the_exact_score_of_noised_data_has_the_least_denoising_loss() -> None:
    rng = np.random.default_rng(0)
    points, _ = DATA.truth.sample(20_000, rng)
    noise, sigma = rng.standard_normal(points.shape), 1.0
    exact = DATA.truth.noised(sigma).score(points + sigma * noise)
    losses = [
        float(score_loss(torch.tensor(factor * exact), torch.tensor(noise), torch.full((20_000,), sigma)))
        for factor in (0.8, 1.0, 1.2)
    ]
    assert losses[1] == min(losses)


def test_the_score_of_the_energy_network_is_minus_the_slope_of_its_energy() -> None:
    method = build(DATA, playground_settings("dsm", width=16))
    torch.manual_seed(0)
    for weights in method.parameters():  # untrained, half of it is zero
        torch.nn.init.normal_(weights, std=0.5)
    points = 4 * normal(30, 2)
    sigma = torch.linspace(0.5, 5, 30)
    places = points.clone().requires_grad_(True)
    energy, score = method.network(places, sigma)  # type: ignore[attr-defined]
    (slope,) = torch.autograd.grad(energy.sum(), places)
    torch.testing.assert_close(score, -slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_losses_and_forces_agree_with_finite_differences(name: str) -> None:
    settings = playground_settings(name, width=8)
    method = build(DATA, settings).double()  # type: ignore[attr-defined]
    points = torch.tensor(DATA.points[:20])

    # the force
    step = 1e-5
    found = force(method, points)
    slopes = [
        (method.energy(points + step * axis) - method.energy(points - step * axis)) / (2 * step)
        for axis in torch.eye(2, dtype=torch.float64)
    ]
    torch.testing.assert_close(found, -torch.stack(slopes, 1).detach(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_of_the_loss_is_its_slope_along_a_random_direction(name: str) -> None:
    settings = playground_settings(name, width=8, **({"decay": 0.5} if name == "jepa-ema" else {}))
    method = build(DATA, settings).double()  # type: ignore[attr-defined]
    points = torch.tensor(DATA.points[:32])

    def loss() -> torch.Tensor:
        terms = method.losses(points, torch.Generator().manual_seed(5))
        return torch.stack(list(terms.values())).sum()

    weights = [w for w in method.parameters() if w.requires_grad]
    directions = [normal(*w.shape, seed=i).double() for i, w in enumerate(weights)]
    gradients = torch.autograd.grad(loss(), weights, allow_unused=True)
    expected = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True) if g is not None)
    step = 1e-6

    def moved(sign: float) -> float:
        with torch.no_grad():
            for w, d in zip(weights, directions, strict=True):
                w += sign * step * d
        value = float(loss().detach())
        with torch.no_grad():
            for w, d in zip(weights, directions, strict=True):
                w -= sign * step * d
        return value

    assert (moved(1) - moved(-1)) / (2 * step) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_an_average_follows_and_has_no_gradient() -> None:
    method = build(DATA, playground_settings("jepa-ema", decay=0.75))
    average = method.average  # type: ignore[attr-defined]
    before = [w.clone() for w in average.parameters()]
    with torch.no_grad():
        for weights in method.encoder.parameters():  # type: ignore[attr-defined]
            weights += 1.0
    method.after_step()
    for old, new in zip(before, average.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)
        assert not new.requires_grad


def test_masked_prediction_does_not_see_what_is_hidden() -> None:
    method = build(DATA, playground_settings("jepa-masked"))
    points = torch.tensor([[1.0, 2.0], [1.0, -3.0]])
    hidden = torch.tensor([1, 1])
    predicted = method.predict(points, hidden)  # type: ignore[attr-defined]
    torch.testing.assert_close(predicted[0], predicted[1])
    assert not torch.equal(*method.predict(points, 1 - hidden))  # type: ignore[attr-defined]


def test_noise_levels_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(SettingsError, match="exchange them"):
        build(DATA, playground_settings("dsm", noise_low=3.0, noise_high=1.0))


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="expected one of contrastive, dsm"):
        playground_settings("byol")
    with pytest.raises(SettingsError, match="unknown to dsm; expected one of batch"):
        playground_settings("dsm", temperature=1)
