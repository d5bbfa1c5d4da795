"""A codebook: K centres in a standardised feature space, and which of them a pixel is nearest to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from torch import Tensor
from torch.nn import functional as F

SHRINKAGE = 1e-3
"""Of the covariance within classes, towards a multiple of the identity."""
_SEEDS = 1 << 32
"""More than these scikit-learn does not tell apart."""
_LOGISTIC_STEPS = 100
_LOGISTIC_DECAY = 1e-4
"""Weight of the squared distance from the discriminants, where features within classes vary by 1."""
_SHARPNESS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Codebook:
    """Centres of K clusters of standardised features.

    Attributes
    ----------
    mean, std : Tensor, shape (D,)
        What features are standardised with.
    centres : Tensor, shape (K, D), or (K, E) with a projection
        In standardised units.
    projection : Tensor, shape (E, D), or None
        Linear map that standardised features are seen through, if any.
    """

    mean: Tensor
    std: Tensor
    centres: Tensor
    projection: Tensor | None = None

    def assign(self, features: Tensor) -> Tensor:
        """Return the nearest centre of each pixel.

        Parameters
        ----------
        features : Tensor, shape (B, D, Y, X)

        Returns
        -------
        Tensor, shape (B, Y, X), int64
            Codes in [0, K).
        """
        weight, bias = self.linear()
        return F.conv2d(features, weight[:, :, None, None], bias).argmax(dim=1)

    def codes(self, samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the nearest centre of each sample (N, D) on the host: shape (N,), int64."""
        pixels = torch.from_numpy(samples)[:, :, None, None]  # (N, D) -> (N, D, 1, 1)
        found: np.ndarray[Any, Any] = self.to(pixels.device).assign(pixels).flatten().numpy()
        return found

    def linear(self) -> tuple[Tensor, Tensor]:
        """Return weight (K, D) and bias (K,) whose largest output is the nearest centre's.

        ``argmin |z - c|^2 = argmax (z.c - |c|^2 / 2)`` is linear in the features: one 1 x 1 convolution.
        """
        towards = self.centres if self.projection is None else self.centres @ self.projection
        weight = towards / self.std
        return weight, -0.5 * self.centres.square().sum(dim=1) - weight @ self.mean

    def to(self, device: torch.device) -> Codebook:
        """Return a copy on another device."""
        return Codebook(**{name: value.to(device) for name, value in self.state().items()})

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps."""
        named = {"mean": self.mean, "std": self.std, "centres": self.centres, "projection": self.projection}
        return {name: value.cpu() for name, value in named.items() if value is not None}


def fit_linear_head(
    features: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], classes: int
) -> tuple[Tensor, Tensor]:
    """Fit a linear classifier in closed form: linear discriminant analysis (Fisher 1936, Rao 1948).

    A head that begins with it agrees with its targets from the first step, where one of random weights
    needs hundreds.

    Parameters
    ----------
    features : ndarray, shape (N, D), float32
    codes : ndarray, shape (N,), integers in [0, K)
    classes : int
        K.

    Returns
    -------
    weight : Tensor, shape (K, D)
    bias : Tensor, shape (K,)
        ``features @ weight.T + bias`` are log posteriors, up to a constant, of Gaussian classes that share
        a covariance. Classes of at most one pixel are as unlikely as one pixel of all.
    """
    weight, bias, _ = _linear_head(features, codes, classes)
    return weight, bias


def fit_logistic_head(
    features: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], classes: int
) -> tuple[Tensor, Tensor]:
    """Fit a linear classifier by multinomial logistic regression that begins from :func:`fit_linear_head`.

    Clusters are no Gaussians of one covariance, so their discriminants misplace borders between them; far
    from the discriminants, on the other hand, lie borders that only these pixels ask for. The logistic
    regression is done where features within classes are white, and held to where it began. What is given and
    returned is as there; log posteriors are no longer those of Gaussians.
    """
    weight, bias, covariance = _linear_head(features, codes, classes)
    if covariance is None:
        return weight, bias
    values, vectors = np.linalg.eigh(covariance)
    whitening = torch.from_numpy((vectors / np.sqrt(values)).astype(np.float32))  # (D, D)
    colouring = torch.from_numpy((vectors * np.sqrt(values)).astype(np.float32))
    mean = torch.from_numpy(features.mean(axis=0))
    white = (torch.from_numpy(features) - mean) @ whitening  # (N, D)
    first = weight @ colouring
    targets = torch.from_numpy(codes)
    fitted = first.clone().requires_grad_()
    offset = (bias + weight @ mean).requires_grad_()
    optimiser = torch.optim.LBFGS([fitted, offset], max_iter=_LOGISTIC_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(white @ fitted.T + offset, targets)
        value = value + 0.5 * _LOGISTIC_DECAY * (fitted - first).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    weight = fitted.detach() @ whitening.T
    return weight, offset.detach() - weight @ mean


def _linear_head(
    features: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], classes: int
) -> tuple[Tensor, Tensor, np.ndarray[Any, Any] | None]:
    """Return weight, bias, and the covariance within classes, if there are two that can be told apart."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    weight = np.zeros((classes, features.shape[1]), np.float32)
    bias = np.full(classes, -np.log(len(features)), np.float32)
    counts = np.bincount(codes, minlength=classes)
    kept = counts[codes] > 1  # one pixel has no spread
    features, codes = features[kept], codes[kept]
    if np.count_nonzero(counts > 1) < 2:
        bias[codes] = 0.0
        return torch.from_numpy(weight), torch.from_numpy(bias), None
    found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE).fit(features, codes)
    towards = np.linalg.solve(found.covariance_, found.means_.T).T  # (K', D)
    weight[found.classes_] = towards
    bias[found.classes_] = np.log(found.priors_) - 0.5 * (towards * found.means_).sum(axis=1)
    # Embeddings are no Gaussians: the sharpness that fits best is looked for.
    logits = features @ weight.T + bias
    sharpness = min(_SHARPNESS, key=lambda share: _cross_entropy(share * logits, codes))
    return torch.from_numpy(sharpness * weight), torch.from_numpy(sharpness * bias), found.covariance_


def _cross_entropy(logits: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> float:
    """Mean cross-entropy of logits (N, K), nats."""
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(codes)), codes]))


def codebook_of(
    samples: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], classes: int, groups: tuple[int, ...] = ()
) -> Codebook:
    """Return the codebook whose centres are the means of the samples of each code.

    Parameters
    ----------
    samples : ndarray, shape (N, D), float32
    codes : ndarray, shape (N,), integers in [0, K)
        One that no sample has lies at the mean of all.
    classes : int
        K.
    groups : tuple of int, optional
        As for :func:`fit_codebook`.
    """
    mean, std = _scales(samples, groups)
    standard = (samples - mean) / std
    centres = np.zeros((classes, samples.shape[1]), np.float32)
    for code in np.unique(codes):
        centres[code] = standard[codes == code].mean(axis=0)
    return Codebook(torch.from_numpy(mean), torch.from_numpy(std), torch.from_numpy(centres))


def fit_codebook(
    samples: np.ndarray[Any, Any],
    classes: int,
    seed: int,
    start: Codebook | None = None,
    groups: tuple[int, ...] = (),
) -> Codebook:
    """Fit K centres by mini-batch k-means (Sculley, "Web-scale k-means clustering", WWW 2010).

    Parameters
    ----------
    samples : ndarray, shape (N, D), float32
        Features of pixels drawn from many slices; N is at least K.
    classes : int
        K.
    seed : int
        Of the initial centres (k-means++) and the mini-batches.
    start : Codebook, optional
        Centres to begin with, so that they keep their numbers.
    groups : tuple of int, optional
        Widths of groups of features, which then count alike however many features each has: features are
        standardised and divided by the square root of their group's width.
    """
    mean, std = _scales(samples, groups)
    standard = (samples - mean) / std
    first: Any = "k-means++"
    if start is not None:
        before = start.state()
        raw = before["centres"] * before["std"] + before["mean"]
        first = ((raw.numpy() - mean) / std).astype(standard.dtype)
    centres = kmeans_centres(standard, classes, first, seed)
    return Codebook(torch.from_numpy(mean), torch.from_numpy(std), centres)


def renumbered(
    codes: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], classes: int
) -> np.ndarray[Any, Any]:
    """Give codes the numbers of other codes of the same samples that they share most of them with.

    One number a code, so that as many samples as can be agree (the assignment problem).

    Parameters
    ----------
    codes, wanted : ndarray, shape (N,), integers in [0, K)
    classes : int
        K.

    Returns
    -------
    ndarray, shape (N,)
        The codes with their new numbers.
    """
    from sklearn.metrics import confusion_matrix

    shared = confusion_matrix(codes, wanted, labels=np.arange(classes))
    _, numbers = linear_sum_assignment(shared, maximize=True)  # of code k
    renamed: np.ndarray[Any, Any] = numbers[codes]
    return renamed


def _scales(
    samples: np.ndarray[Any, Any], groups: tuple[int, ...]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the mean of each feature and what it is divided by, float32: spread, and share of its group."""
    mean = samples.mean(axis=0)
    std = np.maximum(samples.std(axis=0), 1e-6)
    if groups:
        std = std * np.sqrt(np.repeat(np.array(groups), groups) / len(samples[0]))
    return mean.astype(np.float32), std.astype(np.float32)


def kmeans_centres(standard: np.ndarray[Any, Any], classes: int, first: Any, seed: int) -> Tensor:
    """Return the K centres (K, D) of mini-batch k-means on samples (N, D).

    Parameters
    ----------
    standard : ndarray, shape (N, D), float32
    classes : int
        K.
    first : ndarray, shape (K, D), or "k-means++"
        Centres to begin with, or how they are found.
    seed : int
        Not negative, of any size.
    """
    from sklearn.cluster import MiniBatchKMeans  # slow to import, needed once a generation

    kmeans = MiniBatchKMeans(
        classes,
        init=first,
        batch_size=4096,
        n_init=1,
        max_iter=20,
        random_state=seed % _SEEDS,
        reassignment_ratio=0.0,
    ).fit(standard)
    return torch.from_numpy(np.asarray(kmeans.cluster_centers_, dtype=np.float32))
