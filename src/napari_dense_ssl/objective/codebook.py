"""A codebook: K centres in a standardised feature space, and which of them a pixel is nearest to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Codebook:
    """Centres of K clusters of standardised features.

    Attributes
    ----------
    mean, std : Tensor, shape (D,)
        What features are standardised with.
    centres : Tensor, shape (K, D)
        In standardised units.
    """

    mean: Tensor
    std: Tensor
    centres: Tensor

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

    def linear(self) -> tuple[Tensor, Tensor]:
        """Return weight (K, D) and bias (K,) whose largest output is the nearest centre's.

        ``argmin |z - c|^2 = argmax (z.c - |c|^2 / 2)`` is linear in the features: one 1 x 1 convolution.
        """
        weight = self.centres / self.std
        return weight, -0.5 * self.centres.square().sum(dim=1) - weight @ self.mean

    def to(self, device: torch.device) -> Codebook:
        """Return a copy on another device."""
        return Codebook(self.mean.to(device), self.std.to(device), self.centres.to(device))

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps."""
        return {"mean": self.mean.cpu(), "std": self.std.cpu(), "centres": self.centres.cpu()}


def fit_codebook(
    samples: np.ndarray[Any, Any], classes: int, seed: int, start: Codebook | None = None
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
    """
    from sklearn.cluster import MiniBatchKMeans  # slow to import, needed once a generation

    mean = samples.mean(axis=0)
    std = np.maximum(samples.std(axis=0), 1e-6)
    standard = (samples - mean) / std
    first: Any = "k-means++"
    if start is not None:
        before = start.state()
        raw = before["centres"] * before["std"] + before["mean"]
        first = ((raw.numpy() - mean) / std).astype(standard.dtype)
    kmeans = MiniBatchKMeans(
        classes,
        init=first,
        batch_size=4096,
        n_init=1,
        max_iter=20,
        random_state=seed,
        reassignment_ratio=0.0,
    )
    kmeans.fit(standard)
    centres = np.asarray(kmeans.cluster_centers_, dtype=np.float32)
    return Codebook(
        torch.from_numpy(mean.astype(np.float32)),
        torch.from_numpy(std.astype(np.float32)),
        torch.from_numpy(centres),
    )
