"""The cover: the slice beside its class map, as the specification wants it (2 to 1, less than 500 kB)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.volume import Intensity


def write_cover(path: Path, pixels: NDArray[Any], classes: NDArray[np.uint8], intensity: Intensity) -> None:
    """Write a PNG of twice the width than height.

    Parameters
    ----------
    path : Path
    pixels : ndarray, shape (Y, X)
        Grey values; Y equals X.
    classes : ndarray, shape (Y, X), uint8
        argmax + 1.
    intensity : Intensity
        Gives the contrast limits.
    """
    low, high = intensity.limits
    grey = np.clip((pixels.astype(np.float64) - low) / (high - low), 0, 1)
    grey = np.nan_to_num(grey)
    left = np.repeat(np.round(255 * grey).astype(np.uint8)[..., None], 3, axis=-1)  # (Y, X) -> (Y, X, 3)
    right = np.round(255 * class_colours()[:, :3]).astype(np.uint8)[classes]
    imageio.imwrite(path, np.concatenate([left, right], axis=1))
