"""Figures by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_dense_ssl.playground.figures import (
    effective_rank,
    embedding_figures,
    energy_distance,
    relative_error,
    sample_figures,
    scaled_error,
    spread,
)
from napari_dense_ssl.playground.mixture import gaussians, seed_mixture


def test_effective_rank_counts_dimensions() -> None:
    square = np.array([(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)])
    assert effective_rank(square) == pytest.approx(2)
    assert effective_rank(square * (1, 0)) == pytest.approx(1)
    assert effective_rank(np.ones((5, 3))) == 1.0
    # singular values as 3 to 1: exp of the entropy of (.75, .25)
    expected = math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert effective_rank(square * (3, 1) + 100) == pytest.approx(expected)
    assert spread(square * (3, 1) + 100) == pytest.approx(math.sqrt(5))


def test_errors_of_a_score() -> None:
    exact = np.array([[3.0, 0.0], [0.0, 4.0]])
    assert relative_error(0 * exact, exact) == 1
    assert relative_error(1.1 * exact, exact) == pytest.approx(0.1)
    assert scaled_error(7 * exact, exact) == pytest.approx(0, abs=1e-12)
    assert scaled_error(-exact, exact) == 1  # the wrong way round is no better than nothing
    turned = np.array([[3.0, 3.0], [-4.0, 4.0]])  # 45 degrees off
    assert scaled_error(turned, exact) == pytest.approx(math.sqrt(0.5))


def test_energy_distance_of_two_points() -> None:
    first, second = np.array([[0.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [3.0, 2.0]])
    assert energy_distance(first, second) == pytest.approx((3 + math.sqrt(13)) - 2 - 2)


def test_samples_of_the_truth_pass_and_others_do_not() -> None:
    truth, rng = seed_mixture(), np.random.default_rng(0)
    good = sample_figures(truth.sample(4000, rng)[0], truth, rng)
    assert good["modes_found"] == 3
    assert good["weight_error"] < 0.03
    assert good["on_data"] == pytest.approx(0.99, abs=0.008)
    assert abs(good["energy_distance"]) < 0.02
    missing = gaussians([(0, 0), (5, 5)], [0.5, 0.5]).sample(4000, rng)[0]
    bad = sample_figures(missing, truth, rng)
    assert bad["modes_found"] == 2
    assert bad["weight_error"] == pytest.approx(0.25, abs=0.001)
    nowhere = sample_figures(np.full((100, 2), 50.0), truth, rng)
    assert (nowhere["modes_found"], nowhere["on_data"]) == (0, 0)
    assert nowhere["weight_error"] == pytest.approx(0.4)


def test_a_collapse_that_keeps_its_order_is_seen_when_the_embedding_is_rounded() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    points = labels[:, None] + 0.05 * rng.standard_normal((600, 2))
    collapsed = 1.0 + 1e-5 * points
    figures = embedding_figures(collapsed, labels, collapsed, labels, rng)
    assert figures["knn"] == 1
    assert figures["knn_rounded"] < 0.6
    assert embedding_figures(points, labels, points, labels, rng)["knn_rounded"] == 1
