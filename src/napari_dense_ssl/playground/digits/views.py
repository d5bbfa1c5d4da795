"""What is looked at while digits are learned, and what is left at the end: plain arrays, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.playground.digits.figures import KnnFigures


@dataclass(frozen=True, slots=True)
class Triplets:
    """Digits, perturbed copies, and what the decoder draws from the copies' embeddings.

    Attributes
    ----------
    original, perturbed : ndarray, shape (N, Y, X), float32
        In [0, 1].
    reconstructed : ndarray, shape (N, Y, X), float32, or None
        None before the decoder learns.
    """

    original: NDArray[np.float32]
    perturbed: NDArray[np.float32]
    reconstructed: NDArray[np.float32] | None

    @property
    def rows(self) -> tuple[tuple[str, NDArray[np.float32]], ...]:
        """The rows of the picture by their names."""
        rows = (("original", self.original), ("perturbed", self.perturbed))
        return rows if self.reconstructed is None else (*rows, ("reconstructed", self.reconstructed))


@dataclass(frozen=True, slots=True)
class DigitsView:
    """A look at the learning; the ``picture`` of a :class:`~napari_dense_ssl.core.events.Pictured`.

    Attributes
    ----------
    phase : int
        1: the encoder learns. 2: the decoder learns. 3: all is measured.
    points : ndarray, shape (N, 2), float32
        Principal components of embeddings.
    labels : ndarray, shape (N,), int64
        Their digits, for the colours.
    triplets : Triplets
    knn : KnnFigures or None
        In phases 1 and 2 of a sample of the training images against others of them; at the end, of the test
        images against all training images. None where nothing was measured yet.
    effective_rank : float
        Dimensions that the embeddings fill, 1 to D.
    """

    phase: int
    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    triplets: Triplets
    knn: KnnFigures | None
    effective_rank: float


@dataclass(frozen=True, slots=True)
class DigitsResult:
    """What a run comes to.

    Attributes
    ----------
    knn, raw_knn : KnnFigures
        Of embeddings, and of the pixels as they are, on the same split.
    effective_rank : float
        Of the test images' embeddings, 1 to D.
    mse, mean_mse : float
        Mean squared error of the reconstructed test images (grey range 1), and of drawing the mean image.
    view : DigitsView
    losses : mapping of str to list of (int, float)
        Curves: step and value.
    facts : dict
        Where the digits came from, how many, seconds, settings.
    """

    knn: KnnFigures
    raw_knn: KnnFigures
    effective_rank: float
    mse: float
    mean_mse: float
    view: DigitsView = field(repr=False)
    losses: Mapping[str, list[tuple[int, float]]] = field(repr=False)
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints and ``figures.json`` holds."""
        return {
            "knn": self.knn.as_dict(),
            "raw_knn": self.raw_knn.as_dict(),
            "effective_rank": self.effective_rank,
            "mse": self.mse,
            "mean_mse": self.mean_mse,
            **self.facts,
        }
