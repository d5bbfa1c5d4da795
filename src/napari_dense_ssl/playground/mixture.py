"""Data whose truth is known: mixtures of Gaussians, with density and score in closed form.

A mixture that is noised by a Gaussian of standard deviation sigma is again a mixture, with covariances
``C_k + sigma^2 I``; so its density and its score are exact at every noise level. Moons, rings and the spiral
are scikit-learn's curves with Gaussian noise: a uniform mixture along a curve, which a few hundred components
a curve integrate to far below anything that is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import logsumexp

from napari_dense_ssl.core.errors import SettingsError

Array = np.ndarray[Any, Any]

SEED_WEIGHTS = (0.40, 0.35, 0.25)
SEED_MEANS = ((0.0, 0.0), (5.0, 5.0), (-5.0, 5.0))

_ON_A_CURVE = 400  # components a curve
_CURVE_NOISE = 0.35
_BLOCK = 2**21  # distances that are held at a time


@dataclass(frozen=True)
class Mixture:
    """A mixture of K Gaussians in D dimensions.

    Parameters
    ----------
    weights : ndarray, shape (K,)
        Above 0; they are made to sum to 1.
    means : ndarray, shape (K, D)
    covariances : ndarray, shape (K, D, D)
        Symmetric and positive definite.
    classes : ndarray of int, shape (K,), or None
        Which class a component belongs to; by default each is its own.

    Raises
    ------
    SettingsError
        If the shapes do not fit, a weight is not above 0 or a covariance is not positive definite.
    """

    weights: Array
    means: Array
    covariances: Array
    classes: Array | None = None

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, float)
        means, covariances = np.asarray(self.means, float), np.asarray(self.covariances, float)
        count, dimension = means.shape if means.ndim == 2 else (-1, -1)
        if weights.shape != (count,) or covariances.shape != (count, dimension, dimension):
            raise SettingsError(
                f"A mixture of {weights.shape} weights, {means.shape} means and {covariances.shape} "
                "covariances does not fit together; expected (K,), (K, D) and (K, D, D)."
            )
        if not (np.isfinite(weights).all() and (weights > 0).all()):
            raise SettingsError(f"The weights {weights.tolist()} cannot be used; expected numbers above 0.")
        symmetric = np.allclose(covariances, covariances.swapaxes(1, 2))
        if not symmetric or np.linalg.eigvalsh(covariances).min() <= 0:
            raise SettingsError(
                f"The covariances {covariances.tolist()} cannot be used; "
                "expected symmetric, positive definite ones."
            )
        classes = np.arange(count) if self.classes is None else np.asarray(self.classes, int)
        for name, value in {
            "weights": weights / weights.sum(),
            "means": means,
            "covariances": covariances,
            "classes": classes,
        }.items():
            object.__setattr__(self, name, value)

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.means.shape[1])

    @cached_property
    def class_weights(self) -> Array:
        """Weight of each class, shape (C,)."""
        return np.bincount(self._classes, self.weights)

    @property
    def _classes(self) -> Array:
        assert self.classes is not None  # set when the mixture was made
        return self.classes

    def noised(self, sigma: float) -> Mixture:
        """Return the mixture of points to which noise of standard deviation `sigma` was added."""
        extra = sigma**2 * np.eye(self.dimension)
        return Mixture(self.weights, self.means, self.covariances + extra, self.classes)

    def sample(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw points, shape (N, D), and their classes, shape (N,)."""
        chosen = rng.choice(len(self.weights), count, p=self.weights)
        normal = rng.standard_normal((count, self.dimension))
        spread = np.einsum("ndc,nc->nd", self._roots[chosen], normal)
        return self.means[chosen] + spread, self._classes[chosen]

    def log_density(self, points: Array) -> Array:
        """Return log p at points (N, D), in nats, shape (N,)."""
        return np.concatenate([logsumexp(joint, axis=1) for _, joint in self._joint(points)])

    def score(self, points: Array) -> Array:
        """Return the gradient of log p at points (N, D), shape (N, D)."""
        parts = []
        for block, joint in self._joint(points):
            share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))  # (n, K)
            # sum_k r_k P_k (m_k - x)
            pulled = np.einsum("kde,ke->kd", self._precisions, self.means)
            stiffness = np.einsum("nk,kde->nde", share, self._precisions)
            parts.append(share @ pulled - np.einsum("nde,ne->nd", stiffness, block))
        return np.concatenate(parts)

    def class_of(self, points: Array) -> Array:
        """Return the most probable class at points (N, D), shape (N,)."""
        members = self._classes[:, None] == np.arange(len(self.class_weights))  # (K, C)
        parts = []
        for _, joint in self._joint(points):
            share = np.exp(joint - joint.max(1, keepdims=True))
            parts.append((share @ members).argmax(1))
        return np.concatenate(parts)

    @cached_property
    def _roots(self) -> Array:
        return np.linalg.cholesky(self.covariances)

    @cached_property
    def _precisions(self) -> Array:
        return np.linalg.inv(self.covariances)

    @cached_property
    def _offsets(self) -> Array:
        """Log w_k less the log of the component's normalisation, shape (K,)."""
        half_log_determinant = np.log(np.diagonal(self._roots, axis1=1, axis2=2)).sum(1)
        constant = 0.5 * self.dimension * np.log(2 * np.pi)
        return np.asarray(np.log(self.weights) - half_log_determinant - constant)

    def _joint(self, points: Array) -> list[tuple[Array, Array]]:
        """Cut points into blocks; each with log w_k p_k(x), shape (n, K)."""
        points = np.atleast_2d(np.asarray(points, float))
        whitening = np.linalg.inv(self._roots)  # (K, D, D)
        size = max(1, _BLOCK // (len(self.weights) * self.dimension))
        result = []
        for first in range(0, max(len(points), 1), size):
            block = points[first : first + size]
            away = block[:, None] - self.means  # (n, K, D)
            white = np.einsum("kde,nke->nkd", whitening, away)
            result.append((block, self._offsets - 0.5 * np.square(white).sum(2)))
        return result


def seed_mixture() -> Mixture:
    """Three Gaussians at (0, 0), (5, 5) and (-5, 5), weights .40, .35, .25, of unit covariance.

    The seed names no covariance; the unit matrix keeps the components .9995 separable, and connected.
    """
    return gaussians(SEED_MEANS, SEED_WEIGHTS)


def gaussians(
    means: Sequence[Sequence[float]],
    weights: Sequence[float] | None = None,
    covariances: Sequence[Sequence[Sequence[float]]] | None = None,
) -> Mixture:
    """Return a mixture of any number of Gaussians; by default of equal weights and unit covariances."""
    places = np.atleast_2d(np.asarray(means, float))
    count, dimension = places.shape
    return Mixture(
        np.full(count, 1 / count) if weights is None else np.asarray(weights),
        places,
        np.tile(np.eye(dimension), (count, 1, 1)) if covariances is None else np.asarray(covariances),
    )


def _along(curves: Sequence[Array]) -> Mixture:
    """Return Gaussian noise around curves, each (M, 2) and as heavy as the others, each a class."""
    means = np.concatenate(curves)
    return Mixture(
        np.full(len(means), 1 / len(means)),
        means,
        np.tile(_CURVE_NOISE**2 * np.eye(2), (len(means), 1, 1)),
        np.repeat(np.arange(len(curves)), [len(curve) for curve in curves]),
    )


# scikit-learn without noise gives the curves, each scaled to about the extent of the seed's mixture. It is
# imported when it is needed: the first picture in the window does not wait for it.
def _moons() -> Mixture:
    from sklearn.datasets import make_moons

    points, labels = make_moons(2 * _ON_A_CURVE, shuffle=False)
    return _along([(points[labels == k] - (0.5, 0.25)) * 4.5 for k in (0, 1)])


def _rings() -> Mixture:
    from sklearn.datasets import make_circles

    points, labels = make_circles(2 * _ON_A_CURVE, shuffle=False, factor=0.45)
    return _along([points[labels == k] * 6 for k in (0, 1)])


def _spiral() -> Mixture:
    from sklearn.datasets import make_swiss_roll

    # make_swiss_roll draws t = 1.5 pi (1 + 2 u) with u uniform: the points (t cos t, t sin t) of sorted t.
    rolled, t = make_swiss_roll(40 * _ON_A_CURVE, random_state=0)
    arm = rolled[np.argsort(t)][::40][:, [0, 2]] * 0.5
    return _along([arm, -arm])


TRUTHS: dict[str, Callable[[], Mixture]] = {
    "mixture": seed_mixture,
    "moons": _moons,
    "rings": _rings,
    "spiral": _spiral,
}
"""The distributions by name."""


@dataclass(frozen=True)
class Dataset:
    """Points of a known distribution.

    Attributes
    ----------
    truth : Mixture
        What the points were drawn from.
    points : ndarray, shape (N, 2)
    labels : ndarray of int, shape (N,)
        Their classes: never shown to a method.
    """

    truth: Mixture
    points: Array
    labels: Array

    @cached_property
    def centre(self) -> Array:
        """Mean of the points, shape (2,)."""
        return np.asarray(self.points.mean(0))

    @cached_property
    def spread(self) -> float:
        """Root mean square distance a dimension from the centre."""
        return float(np.sqrt(np.square(self.points - self.centre).mean()))

    @cached_property
    def box(self) -> tuple[Array, Array]:
        """Lower and upper corner of a square that holds the points with a margin, each shape (2,)."""
        low, high = self.points.min(0), self.points.max(0)
        middle, half = (low + high) / 2, 0.5 * float((high - low).max()) * 1.15
        return middle - half, middle + half


def make_dataset(truth: Mixture | str, count: int, seed: int = 0) -> Dataset:
    """Draw a data set.

    Parameters
    ----------
    truth : Mixture or str
        A mixture in two dimensions, or a name of :data:`TRUTHS`.
    count : int
        How many points.
    seed : int
        Which ones.

    Raises
    ------
    SettingsError
        If the name is unknown, or the mixture is not in two dimensions.
    """
    if isinstance(truth, str):
        if truth not in TRUTHS:
            raise SettingsError(f"The data {truth!r} is unknown; expected one of {', '.join(TRUTHS)}.")
        truth = TRUTHS[truth]()
    if truth.dimension != 2:
        raise SettingsError(f"A mixture in {truth.dimension} dimensions came; the playground draws 2.")
    points, labels = truth.sample(count, np.random.default_rng([seed, 1]))
    return Dataset(truth, points, labels)
