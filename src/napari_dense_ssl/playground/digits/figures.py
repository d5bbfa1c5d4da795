"""What an embedding is worth: its k nearest neighbours asked for the digit, and how much room it fills."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.neighbors import KNeighborsClassifier

from napari_dense_ssl.core.beating import finished
from napari_dense_ssl.core.events import Beat

NEIGHBOURS = 5

_COMPARED = 12_000_000  # images × images between two beats: about a tenth of a second


@dataclass(frozen=True, slots=True)
class KnnFigures:
    """How well the neighbours' majority tells the digit; precision, recall and F1 are means over the digits.

    Attributes
    ----------
    accuracy, precision, recall, f1 : float
        In [0, 1].
    """

    accuracy: float
    precision: float
    recall: float
    f1: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """All four in a line."""
        return (
            f"accuracy {self.accuracy:.4f}, precision {self.precision:.4f}, recall {self.recall:.4f}, "
            f"F1 {self.f1:.4f}"
        )


def normalised(embeddings: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows of length 1, so that the nearest by distance are the nearest by angle."""
    values = np.asarray(embeddings, np.float32)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)  # type: ignore[no-any-return]


def knn_figures(
    fit: NDArray[Any],
    fit_labels: NDArray[Any],
    test: NDArray[Any],
    test_labels: NDArray[Any],
    neighbours: int = NEIGHBOURS,
) -> KnnFigures:
    """Ask the nearest rows of `fit` (Euclidean distance, one vote each) for the labels of `test`.

    Parameters
    ----------
    fit, test : ndarray, shape (N, D) and (M, D)
    fit_labels, test_labels : ndarray, shape (N,) and (M,)
    neighbours : int
        k.
    """
    return finished(measuring(fit, fit_labels, test, test_labels, neighbours))


def measuring(
    fit: NDArray[Any],
    fit_labels: NDArray[Any],
    test: NDArray[Any],
    test_labels: NDArray[Any],
    neighbours: int = NEIGHBOURS,
) -> Generator[Beat, None, KnnFigures]:
    """Do as :func:`knn_figures`, in pieces, with a beat after each."""
    classifier = KNeighborsClassifier(min(neighbours, len(fit)), algorithm="brute")
    classifier.fit(np.asarray(fit, np.float32), fit_labels)
    told = []
    piece = max(1, _COMPARED // len(fit))
    for start in range(0, len(test), piece):
        told.append(classifier.predict(np.asarray(test[start : start + piece], np.float32)))
        yield Beat()
    return classification_figures(np.concatenate(told), test_labels)


def classification_figures(told: NDArray[Any], truth: NDArray[Any]) -> KnnFigures:
    """Compare labels (M,) with the truth (M,); a digit that is never told has precision 0."""
    precision, recall, f1, _ = precision_recall_fscore_support(truth, told, average="macro", zero_division=0)
    return KnnFigures(float(accuracy_score(truth, told)), float(precision), float(recall), float(f1))


def principal_components(embeddings: NDArray[Any], count: int = 2) -> NDArray[np.float32]:
    """Return the coordinates (N, count) along the axes of greatest variance, the signs settled.

    Each axis points where its largest weight is positive, so that pictures of one run do not flip.
    """
    values = np.asarray(embeddings, np.float64)
    values = values - values.mean(0)
    axes = np.linalg.eigh(values.T @ values)[1][:, ::-1][:, :count]
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return (values @ (axes * np.where(signs == 0, 1, signs))).astype(np.float32)  # type: ignore[no-any-return]
