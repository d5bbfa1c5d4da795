"""Figures of an embedding, on embeddings that were made up."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dense_ssl.playground.digits.figures import (
    classification_figures,
    knn_figures,
    normalised,
    principal_components,
)

RNG = np.random.default_rng(0)


def test_precision_and_recall_are_means_over_the_digits() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    told = np.array([0, 0, 1, 1, 1, 1])
    figures = classification_figures(told, truth)
    assert figures.accuracy == pytest.approx(4 / 6)
    assert figures.precision == pytest.approx((1 + 2 / 4 + 0) / 3)
    assert figures.recall == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert figures.f1 == pytest.approx((4 / 5 + 2 * 0.5 / 1.5 + 0) / 3)


def test_the_majority_of_five_neighbours_decides() -> None:
    fit = np.array([[0.0], [1.0], [2.0], [3.1], [4.1], [50.0]])
    labels = np.array([7, 7, 7, 3, 3, 3])
    near_threes = np.array([[3.6]])  # two threes are nearest, but three of five are sevens
    assert knn_figures(fit, labels, near_threes, np.array([7])).accuracy == 1
    assert knn_figures(fit, labels, near_threes, np.array([3]), neighbours=1).accuracy == 1


def test_separate_clusters_are_told_apart_and_noise_is_not() -> None:
    labels = np.repeat(np.arange(10), 60)
    centres = 10 * np.eye(10)[labels]
    clusters = centres + RNG.normal(size=(600, 10))
    assert knn_figures(clusters[::2], labels[::2], clusters[1::2], labels[1::2]).accuracy == 1
    noise = RNG.normal(size=(600, 10))
    assert knn_figures(noise[::2], labels[::2], noise[1::2], labels[1::2]).accuracy < 0.25


def test_rows_of_length_one_make_neighbours_by_angle() -> None:
    rows = normalised(np.array([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-6)
    fit, labels = np.array([[100.0, 1.0], [0.0, 1.0]]), np.array([1, 2])
    test = np.array([[1.0, 0.2]])
    assert knn_figures(fit, labels, test, np.array([2]), 1).accuracy == 1, "by distance"
    assert knn_figures(normalised(fit), labels, normalised(test), np.array([1]), 1).accuracy == 1, "by angle"


def test_principal_components_find_the_long_axis_and_keep_its_sign() -> None:
    along = RNG.normal(size=500)
    points = np.outer(along, [0.0, -3.0, 4.0]) + 0.01 * RNG.normal(size=(500, 3)) + 7
    found = principal_components(points)
    assert found.shape == (500, 2)
    np.testing.assert_allclose(found[:, 0], 5 * (along - along.mean()), atol=0.1)
    np.testing.assert_allclose(principal_components(points[::-1])[::-1], found, atol=1e-4)
