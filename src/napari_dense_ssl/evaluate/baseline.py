"""The control that a learned class map has to beat: k-means on a bank of classical filters.

The filters are those that pixel classifiers in microscopy use (Gaussian, gradient magnitude, Hessian
eigenvalues, at a few scales), clustered without labels. Whatever a network adds must show beside this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.cluster import MiniBatchKMeans
from sklearn.preprocessing import StandardScaler

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Volume

SIGMAS = (1.0, 2.0, 4.0, 8.0)
"""Scales of the filters, px."""

_SAMPLE_PIXELS = 160_000
_SAMPLE_SLICES = 16
_STRIP = 256
"""Rows that are filtered at once: a hundred bytes a pixel are then a few tens of megabytes."""


def filter_bank(plane: NDArray[Any], sigmas: Sequence[float] = SIGMAS) -> NDArray[np.float32]:
    """Filter a slice: Gaussian, gradient magnitude and both Hessian eigenvalues at each scale.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Grey values; reflected beyond the edges.
    sigmas : sequence of float
        Scales, px.

    Returns
    -------
    ndarray, shape (Y, X, 4 len(sigmas)), float32
        Derivatives are multiplied by sigma (first) and sigma² (second), so that they compare over scales.
    """
    values = np.asarray(plane, np.float32)
    bank = np.empty((*values.shape, 4 * len(sigmas)), np.float32)
    for k, sigma in enumerate(sigmas):

        def derivative(y: int, x: int, sigma: float = sigma) -> NDArray[np.float32]:
            filtered: NDArray[np.float32] = gaussian_filter(values, sigma, order=(y, x), mode="reflect")
            filtered *= sigma ** (y + x)
            return filtered

        yy, xx, yx = derivative(2, 0), derivative(0, 2), derivative(1, 1)
        middle, radius = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
        bank[..., 4 * k] = derivative(0, 0)
        bank[..., 4 * k + 1] = np.hypot(derivative(1, 0), derivative(0, 1))
        bank[..., 4 * k + 2] = middle + radius
        bank[..., 4 * k + 3] = middle - radius
    return bank


@dataclass(frozen=True)
class FilterBankBaseline:
    """K-means centres of standardised filter responses.

    Attributes
    ----------
    scaler : StandardScaler
        Mean and spread of each filter's response over the sample.
    kmeans : MiniBatchKMeans
        The centres.
    """

    scaler: StandardScaler
    kmeans: MiniBatchKMeans

    @classmethod
    def fit(
        cls, volume: Volume, *, region: Box | None = None, classes: int = 50, seed: int = 0
    ) -> FilterBankBaseline:
        """Find the centres from some 160,000 pixels of at most 16 slices.

        Parameters
        ----------
        volume : Volume
        region : Box, optional
            Sample only here; by default everywhere.
        classes : int
            K, 2 to 255.
        seed : int
            Of the sample and of k-means.

        Raises
        ------
        RegionError
            If the region is empty or reaches outside the volume.
        ScoreError
            If there are fewer pixels than classes.
        """
        box = Box.whole(volume.shape) if region is None else region
        box.check(volume.shape)
        if not 2 <= classes <= min(255, box.size):
            raise ScoreError(
                f"Cannot make {classes} classes of {box.size} pixels; choose 2 to {min(255, box.size)}."
            )
        rng = np.random.default_rng(seed)
        z0, z1 = box.start[0], box.stop[0]
        planes = np.unique(np.linspace(z0, z1 - 1, min(_SAMPLE_SLICES, z1 - z0)).round().astype(int))
        sample = []
        for z in planes:
            features = filter_bank(_finite(volume.read(box.plane(int(z)))[0])).reshape(-1, 4 * len(SIGMAS))
            count = min(len(features), -(-_SAMPLE_PIXELS // len(planes)))
            sample.append(features[rng.choice(len(features), count, replace=False)])
        scaler = StandardScaler().fit(np.concatenate(sample))
        kmeans = MiniBatchKMeans(classes, random_state=seed, batch_size=4096, n_init=3, max_iter=50)
        kmeans.fit(scaler.transform(np.concatenate(sample)))
        return cls(scaler, kmeans)

    def classify(self, plane: NDArray[Any]) -> NDArray[np.uint8]:
        """Assign each pixel of a slice, shape (Y, X), to its nearest centre; returns uint8, 1 to K."""
        values = _finite(plane)
        margin = int(np.ceil(4 * max(SIGMAS)))  # scipy cuts Gaussians off at four sigma
        classes = np.empty(values.shape, np.uint8)
        for top in range(0, len(values), _STRIP):
            low, high = max(0, top - margin), min(len(values), top + _STRIP + margin)
            bank = filter_bank(values[low:high])[top - low : top - low + _STRIP]
            found = self.kmeans.predict(self.scaler.transform(bank.reshape(-1, bank.shape[-1])))
            classes[top : top + _STRIP] = found.reshape(bank.shape[:2]) + 1
        return classes


def kmeans_filter_bank(
    volume: Volume,
    *,
    region: Box | None = None,
    fit_region: Box | None = None,
    classes: int = 50,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Cluster a region of a volume by k-means on the filter bank.

    Parameters
    ----------
    volume : Volume
    region : Box, optional
        What is returned (and held in memory, one byte a pixel); by default the whole volume.
    fit_region : Box, optional
        Where the centres are found; by default `region`.
    classes, seed : int
        See :meth:`FilterBankBaseline.fit`.

    Returns
    -------
    ndarray, shape ``region.shape``, uint8
        Classes 1 to K.

    Raises
    ------
    RegionError, ScoreError
        See :meth:`FilterBankBaseline.fit`.
    """
    box = Box.whole(volume.shape) if region is None else region
    box.check(volume.shape)
    baseline = FilterBankBaseline.fit(volume, region=fit_region or box, classes=classes, seed=seed)
    planes = range(box.start[0], box.stop[0])
    return np.stack([baseline.classify(volume.read(box.plane(z))[0]) for z in planes])


def _finite(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return float32 with the finite mean for NaN and infinity, which filters would spread."""
    values = np.array(plane, np.float32)
    bad = ~np.isfinite(values)
    if bad.any():
        values[bad] = values[~bad].mean() if not bad.all() else 0.0
    return values
