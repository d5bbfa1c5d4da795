"""The probe's classifier: fitted on the host by scikit-learn, applied on the device as matrix products."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from napari_dense_ssl.predict.probe_settings import ProbeSettings

Array = NDArray[np.float64]

_FOLDS = 5
_PIXELS_AT_ONCE = 1 << 11
"""On a CPU; 16,384 take nearly twice as long, and 1 x 1 convolutions more than matrix products."""

_PIXELS_ON_A_GPU = 1 << 18


@dataclass(frozen=True, slots=True)
class Classifier:
    """Affine layers with ReLU between them: logits of C classes from D features.

    Attributes
    ----------
    layers : tuple of (ndarray, ndarray)
        Weight (D_out, D_in) and bias (D_out,) of each layer; the standardisation of the features is part of
        the first, calibration and class areas of the last.
    """

    layers: tuple[tuple[Array, Array], ...]

    def logits(self, features: NDArray[Any]) -> Array:
        """Return logits, shape (N, C), of features, shape (N, D)."""
        values: Array = np.asarray(features, np.float64)
        for k, (weight, bias) in enumerate(self.layers):
            values = np.maximum(values, 0) if k else values
            values = values @ weight.T + bias
        return values

    def maps(self, features: Tensor) -> Tensor:
        """Return logits, shape (B, C, Y, X), of feature maps, shape (B, D, Y, X) of any type, in float32."""
        layers = [
            (
                torch.as_tensor(weight, dtype=torch.float32, device=features.device),
                torch.as_tensor(bias, dtype=torch.float32, device=features.device)[:, None],
            )
            for weight, bias in self.layers
        ]
        # The hidden layer is several times wider than the features: strips of rows keep it in the cache.
        most = _PIXELS_AT_ONCE if features.device.type == "cpu" else _PIXELS_ON_A_GPU
        strips = []
        for strip in torch.split(features, max(1, most // features.shape[-1]), dim=2):
            values = strip.float().flatten(2)  # (B, D, y, X) -> (B, D, N)
            for k, (taps, shift) in enumerate(layers):
                values = taps @ (values.relu_() if k else values) + shift
            strips.append(values.reshape(*values.shape[:2], *strip.shape[2:]))
        return torch.cat(strips, dim=2)

    def adjusted(self, factor: float, shift: NDArray[Any] | float) -> Classifier:
        """Return the classifier whose logits are ``factor * logits + shift``."""
        *first, (weight, bias) = self.layers
        return replace(self, layers=(*first, (factor * weight, factor * bias + shift)))


@dataclass(frozen=True, slots=True)
class Stacked:
    """Classifiers of several groups of features, whose weighted logits add up: stacked generalisation [1]_.

    Attributes
    ----------
    groups : tuple of slice
        Which of the features each classifier is told.
    classifiers : tuple of Classifier
        Their logits are weighted already.

    References
    ----------
    .. [1] Wolpert, "Stacked generalization", Neural Networks 5, 1992.
    """

    groups: tuple[slice, ...]
    classifiers: tuple[Classifier, ...]

    def logits(self, features: NDArray[Any]) -> Array:
        """Return logits, shape (N, C), of features, shape (N, D)."""
        total: Array = np.sum([one.logits(features[:, group]) for group, one in self._parts()], axis=0)
        return total

    def maps(self, features: Tensor) -> Tensor:
        """Return logits, shape (B, C, Y, X), of feature maps, shape (B, D, Y, X) of any type, in float32."""
        return torch.stack([one.maps(features[:, group]) for group, one in self._parts()]).sum(0)

    def adjusted(self, factor: float, shift: NDArray[Any] | float) -> Stacked:
        """Return the classifier whose logits are ``factor * logits + shift``."""
        first, *rest = self.classifiers
        changed = (first.adjusted(factor, shift), *(one.adjusted(factor, 0.0) for one in rest))
        return replace(self, classifiers=changed)

    def _parts(self) -> list[tuple[slice, Classifier]]:
        return list(zip(self.groups, self.classifiers, strict=True))


AnyClassifier: TypeAlias = Classifier | Stacked


def stacked(groups: tuple[slice, ...], classifiers: tuple[Classifier, ...], channels: int) -> AnyClassifier:
    """Return the sum of classifiers of groups of features, of which there are D in all (`channels`).

    Classifiers that are all linear make a single linear one, which reads each pixel once.
    """
    if any(len(one.layers) > 1 for one in classifiers):
        return Stacked(groups, classifiers)
    weight = np.zeros((len(classifiers[0].layers[0][1]), channels))
    bias = np.zeros(len(weight))
    for group, one in zip(groups, classifiers, strict=True):
        weight[:, group] += one.layers[0][0]
        bias += one.layers[0][1]
    return Classifier(((weight, bias),))


def fitting(
    features: NDArray[Any], classes: NDArray[np.int64], settings: ProbeSettings
) -> Iterator[Classifier | None]:
    """Fit the classifier of the settings, each class weighing the same.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        Of scribbled pixels.
    classes : ndarray, shape (N,)
        0 to C - 1, each of which occurs.
    settings : ProbeSettings

    Yields
    ------
    None or Classifier
        None after each start, so that whoever waits can be told so, and at last the classifier.
    """
    scaler = StandardScaler().fit(np.asarray(features, np.float64))
    x = scaler.transform(np.asarray(features, np.float64))
    count = np.bincount(classes)
    weight = len(classes) / (len(count) * count[classes])
    if settings.classifier == "linear":
        members = [_linear(x, classes, weight, settings)]
    elif settings.classifier == "discriminants":
        members = [_discriminants(x, classes)]
    else:
        members = []
        for k in range(settings.members):
            members.append(_mlp(x, classes, weight, settings, settings.seed * settings.members + k))
            yield None
    joined = _joined(members)
    first, bias = joined[0]
    first = first / scaler.scale_
    yield Classifier(((first, bias - first @ scaler.mean_), *joined[1:]))


def held_out_logits(
    features: NDArray[Any],
    classes: NDArray[np.int64],
    groups: NDArray[np.int64],
    settings: ProbeSettings,
) -> Iterator[tuple[Array, NDArray[np.int64]] | None]:
    """Yield None between fits, at last logits of pixels by classifiers that did not see their group.

    The last thing yielded is a pair: logits, shape (N, C), and true classes, shape (N,).

    Folds whose other pixels lack a class are left out; there may be none at all.
    """
    counts = np.bincount(classes)
    kinds = len(counts)
    logits: list[Array] = [np.zeros((0, kinds))]
    truth: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    # Some class must have a pixel for each fold: scikit-learn refuses less.
    folds = min(_FOLDS, len(np.unique(groups)), int(counts.max(initial=0)))
    if folds >= 2:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=settings.seed)
        with warnings.catch_warnings():
            # A class with few pixels cannot be in every fold, which is what the check below is for.
            warnings.simplefilter("ignore", UserWarning)
            splits = list(splitter.split(features, classes, groups))
        for train, test in splits:
            if len(np.unique(classes[train])) < kinds:
                continue
            for classifier in fitting(features[train], classes[train], settings):
                yield None
                if classifier is not None:
                    logits.append(classifier.logits(features[test]))
                    truth.append(classes[test])
    yield np.concatenate(logits), np.concatenate(truth)


def _linear(
    x: Array, classes: NDArray[np.int64], weight: Array, settings: ProbeSettings
) -> list[tuple[Array, Array]]:
    model = LogisticRegression(C=1 / max(settings.decay, 1e-9), max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last iterate serves as well
        model.fit(x, classes, weight)
    return [_all_classes(np.asarray(model.coef_, float), np.asarray(model.intercept_, float))]


def _discriminants(x: Array, classes: NDArray[np.int64]) -> list[tuple[Array, Array]]:
    """Fit in closed form; the covariance within classes is shrunk as Ledoit and Wolf (2004) say."""
    kinds = int(classes.max()) + 1
    if len(x) == kinds:  # a pixel each, of which no spread can be told: as if it were that of all pixels
        means = x[np.argsort(classes)]
        return [(means, -np.square(means).sum(axis=1) / 2)]
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(kinds, 1 / kinds))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with a single pixel: its spread is 0
        model.fit(x, classes)
    return [_all_classes(np.asarray(model.coef_, float), np.asarray(model.intercept_, float))]


def _mlp(
    x: Array, classes: NDArray[np.int64], weight: Array, settings: ProbeSettings, seed: int
) -> list[tuple[Array, Array]]:
    model = MLPClassifier((settings.hidden,), alpha=settings.decay, max_iter=300, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early is a regulariser too
        model.fit(x, classes, weight)
    first, last = ((w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True))
    return [first, _all_classes(*last)]


def _all_classes(weight: Array, bias: Array) -> tuple[Array, Array]:
    """Give two classes a row each where scikit-learn has one for both."""
    if len(bias) > 1:
        return weight, bias
    return np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])


def _joined(members: list[list[tuple[Array, Array]]]) -> list[tuple[Array, Array]]:
    """Join networks into one whose logits are the mean of theirs."""
    if len(members) == 1:
        return members[0]
    first = np.concatenate([m[0][0] for m in members]), np.concatenate([m[0][1] for m in members])
    last = (
        np.concatenate([m[1][0] for m in members], axis=1) / len(members),
        np.mean([m[1][1] for m in members], axis=0),
    )
    return [first, last]
