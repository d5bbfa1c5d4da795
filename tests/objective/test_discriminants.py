"""Clusters refined in the space of their own discriminants."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.metrics import adjusted_mutual_info_score

from napari_dense_ssl.objective.codebook import Codebook, fit_codebook
from napari_dense_ssl.objective.discriminants import discriminant_codebook


def codes_of(book: Codebook, samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return book.assign(torch.from_numpy(samples).T[None, :, :, None])[0, :, 0].numpy()


def stretched(seed: int, parts: int = 4) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Classes that part along one direction, spread as far along another that says nothing; turned."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, parts, 8000)
    values = np.stack([truth + 0.12 * rng.normal(size=8000), rng.normal(size=8000)], axis=1)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    return (values @ turn).astype(np.float32), truth


def test_directions_that_tell_clusters_apart_count_more_than_wide_ones() -> None:
    """Eight clusters of four stripes: cut across by plain k-means, none is after some rounds.

    AMI of two clusters a class, each half of it: I = log 4, H = log 4 and log 8, 2 log 4 / log 32 = .8.
    """
    samples, truth = stretched(0)
    plain = fit_codebook(samples, 8, seed=0)
    refined = discriminant_codebook(samples, plain, [slice(0, 2)], rounds=3, seed=0)
    assert adjusted_mutual_info_score(truth, codes_of(plain, samples)) < 0.75
    assert adjusted_mutual_info_score(truth, codes_of(refined, samples)) > 0.79


def test_each_pixel_gets_the_nearest_centre_of_the_projected_space() -> None:
    samples, _ = stretched(1)
    book = discriminant_codebook(samples, fit_codebook(samples, 5, seed=0), [slice(0, 2)], rounds=2, seed=0)
    assert book.projection is not None
    seen = (torch.from_numpy(samples) - book.mean) / book.std @ book.projection.T
    expected = torch.cdist(seen.double(), book.centres.double()).argmin(dim=1).numpy()
    assert np.mean(codes_of(book, samples) == expected) > 0.9999  # ties of float32


def test_within_clusters_all_discriminants_spread_alike() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 6, 12_000)
    samples = rng.normal(size=(6, 3))[truth] * 9 + rng.normal(size=(12_000, 3)) @ rng.normal(size=(3, 3))
    samples = samples.astype(np.float32)
    plain = fit_codebook(samples, 6, seed=0)
    book = discriminant_codebook(samples, plain, [slice(0, 3)], rounds=1, seed=0)
    assert book.projection is not None
    codes = codes_of(plain, samples)
    seen = ((samples - plain.mean.numpy()) / plain.std.numpy()) @ book.projection.numpy().T
    within = seen - np.stack([seen[codes == k].mean(axis=0) for k in range(6)])[codes]
    np.testing.assert_allclose(np.cov(within.T), np.eye(3), atol=0.02)


def test_a_group_of_features_has_a_vote_of_its_own() -> None:
    """Seen twice, alone and among the others, a group counts twice in the distance."""
    samples, _ = stretched(3)
    plain = fit_codebook(samples, 4, seed=0)
    both = discriminant_codebook(samples, plain, [slice(0, 2), slice(1, 2)], rounds=1, seed=0)
    assert both.projection is not None
    assert both.projection.shape == (3, 2)
    assert torch.equal(both.projection[2] != 0, torch.tensor([False, True]))


def test_numbers_of_clear_clusters_stay() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 5, 5000)
    samples = (10 * np.eye(5)[truth] + rng.normal(size=(5000, 5))).astype(np.float32)
    plain = fit_codebook(samples, 5, seed=0)
    refined = discriminant_codebook(samples, plain, [slice(0, 5)], rounds=3, seed=0)
    assert np.array_equal(codes_of(plain, samples), codes_of(refined, samples))


def test_nothing_to_discriminate_leaves_the_clusters_as_they_are() -> None:
    samples = np.ones((100, 2), np.float32)
    plain = fit_codebook(samples, 3, seed=0)
    assert discriminant_codebook(samples, plain, [slice(0, 2)], rounds=3, seed=0) is plain
    other, _ = stretched(5)
    start = fit_codebook(other, 3, seed=0)
    assert discriminant_codebook(other, start, [slice(0, 2)], rounds=0, seed=0) is start


def test_a_checkpoint_keeps_the_projection() -> None:
    samples, _ = stretched(6)
    book = discriminant_codebook(samples, fit_codebook(samples, 4, seed=0), [slice(0, 2)], rounds=1, seed=0)
    again = Codebook(**book.state())
    assert np.array_equal(codes_of(again, samples), codes_of(book, samples))


def test_a_group_with_three_votes_counts_as_that_group_named_three_times() -> None:
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(8000, 4)).astype(np.float32)
    start = fit_codebook(samples, 6, seed=0)
    both, last = slice(0, 4), slice(3, 4)

    def codes(views: list[slice], votes: list[float] | None = None) -> np.ndarray[Any, Any]:
        return codes_of(discriminant_codebook(samples, start, views, 2, 0, votes), samples)

    named = codes([both, last, last, last])
    assert np.mean(codes([both, last], [1, 3]) == named) > 0.999  # ties of float32
    assert np.mean(codes([both, last]) == named) < 0.99
