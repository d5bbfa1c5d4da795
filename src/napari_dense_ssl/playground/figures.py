"""What a trained method is worth, against the truth: figures, in place of ticks.

Every figure is taken on points that were not trained on. ``FIGURES`` says what each means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsClassifier

from napari_dense_ssl.playground.langevin import Walkers, force
from napari_dense_ssl.playground.methods.dsm import DenoisingScoreMatching

if TYPE_CHECKING:
    from napari_dense_ssl.playground.methods.base import Method
    from napari_dense_ssl.playground.mixture import Dataset, Mixture

Array = np.ndarray[Any, Any]

FIGURES: Mapping[str, str] = {
    "knn": "held-out points whose component 5 neighbours in the embedding tell (chance: the largest weight)",
    "knn_rounded": "the same when the embedding is known to 1 % of its unit only: a collapse shows here",
    "effective_rank": "dimensions that the embedding uses, 1 to D: exp of the entropy of singular values",
    "spread": "root mean square of the embedding about its mean, a dimension; 0 is collapse",
    "rank_correlation": "Spearman's, of energy with -log p, on held-out points; 1 is perfect",
    "rank_correlation_box": "the same on points spread evenly over the picture",
    "score_error": "relative error of -dE/dx, times the best constant, to the exact score; 1: as bad as 0",
    "score_error_trained": "dsm: mean over its noise levels of the relative error, as it is",
    "energy_distance": "of Langevin samples to fresh data, in data units; 0 is equal",
    "on_data": "share of the samples where the density is above the least 1 % of the data's",
    "modes_found": "components that got a quarter of their weight in samples, or more",
    "weight_error": "greatest difference of a component's weight and its share of the samples on the data",
}
"""The figures by name, and what each means."""

_HELD_OUT = 2000
_NEIGHBOURS = 5
_SAMPLES = 1000
_SAMPLES_OF_A_DENSITY = 4000  # weights are known to .008 then
_UNIT_SHARE = 0.01


def effective_rank(embeddings: Array) -> float:
    """Return exp of the entropy of the singular values' shares (Roy & Vetterli, EUSIPCO 2007), 1 to D.

    Parameters
    ----------
    embeddings : ndarray, shape (N, D)
        They are centred first; 1 where all are alike.
    """
    values = np.linalg.svd(embeddings - embeddings.mean(0), compute_uv=False)
    if values.sum() <= 0:
        return 1.0
    share = values / values.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def spread(embeddings: Array) -> float:
    """Return the root mean square of (N, D) about its mean, a dimension."""
    return float(np.sqrt(np.square(embeddings - embeddings.mean(0)).mean()))


def relative_error(found: Array, exact: Array) -> float:
    """Return ``|found - exact| / |exact|`` over all points and dimensions."""
    return float(np.sqrt(np.square(found - exact).sum() / np.square(exact).sum()))


def scaled_error(found: Array, exact: Array) -> float:
    """Return :func:`relative_error` of the multiple of `found`, not below 0, that comes nearest."""
    square = np.square(found).sum()
    factor = max(0.0, float((found * exact).sum() / square)) if square > 0 else 0.0
    return relative_error(factor * found, exact)


def energy_distance(first: Array, second: Array) -> float:
    """Return ``2 E|x - y| - E|x - x'| - E|y - y'|`` of two samples (N, D), (M, D), without bias.

    Szekely & Rizzo, "Energy statistics", Journal of Statistical Planning and Inference 2013; of equal
    distributions 0 in the mean, and then below 0 half of the time.
    """
    return float(2 * cdist(first, second).mean() - pdist(first).mean() - pdist(second).mean())


def sample_figures(samples: Array, truth: Mixture, rng: np.random.Generator) -> dict[str, float]:
    """Compare samples (N, 2) with the distribution that they should be from."""
    fresh, _ = truth.sample(_HELD_OUT, rng)
    samples = samples.astype(float)
    floor = np.quantile(truth.log_density(fresh), 0.01)
    on_data = truth.log_density(samples) >= floor
    weights = truth.class_weights
    counted = (
        np.bincount(truth.class_of(samples[on_data]), minlength=len(weights))
        if on_data.any()
        else 0 * weights
    )
    found = counted / len(samples) >= weights / 4
    return {
        "energy_distance": energy_distance(samples, fresh),
        "on_data": float(on_data.mean()),
        "modes_found": float(found.sum()),
        "weight_error": float(np.abs(counted / max(counted.sum(), 1) - weights).max()),
    }


def embedding_figures(
    trained: Array, labels: Array, held_out: Array, truth: Array, rng: np.random.Generator
) -> dict[str, float]:
    """Ask embeddings (N, D) and (M, D) for the classes (N,), (M,), and how much room they fill."""

    def accuracy(blur: float) -> float:
        near = KNeighborsClassifier(_NEIGHBOURS)
        near.fit(trained + blur * rng.standard_normal(trained.shape), labels)
        return float(near.score(held_out + blur * rng.standard_normal(held_out.shape), truth))

    return {
        "knn": accuracy(0.0),
        "knn_rounded": accuracy(_UNIT_SHARE),
        "effective_rank": effective_rank(held_out),
        "spread": spread(held_out),
    }


def measure(method: Method, dataset: Dataset, seed: int, samples: Array | None = None) -> dict[str, float]:
    """Return the figures of a trained method by name.

    Parameters
    ----------
    method : Method
    dataset : Dataset
        What it was trained on.
    seed : int
        Of the held-out points and the noise.
    samples : ndarray, shape (N, 2), optional
        Langevin samples; drawn here where not given.
    """
    rng = np.random.default_rng([seed, 2])
    truth = dataset.truth
    held_out, labels = truth.sample(_HELD_OUT, rng)
    low, high = dataset.box
    scattered = rng.uniform(low, high, (_HELD_OUT, 2))
    if samples is None:
        samples = draw(method, dataset, seed)
    figures = embedding_figures(
        embed(method, dataset.points[:_HELD_OUT]),
        dataset.labels[:_HELD_OUT],
        embed(method, held_out),
        labels,
        rng,
    )
    shown = truth
    if isinstance(method, DenoisingScoreMatching):
        shown = truth.noised(float(method.levels[0]))  # what its energy is of
    for name, points in (("rank_correlation", held_out), ("rank_correlation_box", scattered)):
        figures[name] = _spearman(energies(method, points), -shown.log_density(points))
    slope = force(method, _tensor(held_out)).numpy()
    figures["score_error"] = scaled_error(slope, shown.score(held_out))
    if isinstance(method, DenoisingScoreMatching):
        errors = score_errors(method, truth, held_out, rng)
        figures["score_error_trained"] = float(np.mean(list(errors.values())))
        figures |= {f"score_error_at_{sigma:.2g}": error for sigma, error in errors.items()}
    return figures | sample_figures(samples, truth, rng)


def score_errors(
    method: DenoisingScoreMatching, truth: Mixture, points: Array, rng: np.random.Generator
) -> dict[float, float]:
    """Return the relative error of the score by noise level, on noised points."""
    errors = {}
    for level in method.levels:
        sigma = float(level)
        noised = points + sigma * rng.standard_normal(points.shape)
        with torch.no_grad():
            found = method.at(_tensor(noised), sigma)[1].numpy()
        errors[sigma] = relative_error(found, truth.noised(sigma).score(noised))
    return errors


def sampled(method: Method) -> int:
    """Return how many Langevin samples are drawn; fewer where the energy is not meant as a density's."""
    return _SAMPLES_OF_A_DENSITY if isinstance(method, DenoisingScoreMatching) else _SAMPLES


def draw(method: Method, dataset: Dataset, seed: int) -> Array:
    """Draw Langevin samples, shape (N, 2)."""
    walkers = Walkers(dataset, sampled(method), torch.Generator().manual_seed(seed))
    for _ in walkers.sample(method):
        pass
    return walkers.places.numpy()


@torch.no_grad()
def embed(method: Method, points: Array) -> Array:
    """Return embeddings (N, D), float64."""
    return method.embed(_tensor(points)).double().numpy()


@torch.no_grad()
def energies(method: Method, points: Array) -> Array:
    """Return energies (N,), float64."""
    return method.energy(_tensor(points)).double().numpy()


def _tensor(points: Array) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float32)


def _spearman(first: Array, second: Array) -> float:
    if np.ptp(first) == 0:  # a constant ranks nothing
        return 0.0
    return float(spearmanr(first, second).statistic)
