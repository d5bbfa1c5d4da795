"""Encoders with known answers, and a volume that carries its truth in its low bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.core.events import Audited
from napari_dense_ssl.evaluate import Audit, audit_encoder
from napari_dense_ssl.volume import Intensity, open_volume

K = 8
LEVELS = (-1.2, -0.7, -0.3, 0.0, 0.3, 0.6, 1.0)
UNTOUCHED = Intensity(mean=0.0, std=1.0, low=-3.0, high=3.0)
"""Normalises nothing, so that the low bits survive."""

Maps = NDArray[np.float32]


@cache
def coded_volume() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Synthetic grey values whose three lowest of ten bits hold the truth, and the truth."""
    raw = open_volume("sample:em?shape=3x320x320").data.compute()
    truth = open_volume("sample:em-labels?shape=3x320x320").data.compute()
    grey = Intensity.from_sample(raw).normalise(raw)
    return ((np.floor(grey * 128) * 8 + truth) / 1024).astype(np.float32), truth


def one_hot(classes: NDArray[np.integer], images: Maps, count: int = K) -> Maps:
    """Certain probabilities (B, K, Y, X) of classes that spread to (B, Y, X)."""
    whole = np.broadcast_to(classes, (len(images), *images.shape[2:]))
    return np.moveaxis(np.eye(count, dtype=np.float32)[whole], -1, 1)


def axes(images: Maps) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    y, x = np.indices(images.shape[2:])
    return y, x


def bands(images: Maps) -> Maps:
    return one_hot(axes(images)[0] * K // images.shape[2], images)


def stripes(images: Maps) -> Maps:
    """Diagonal, 8 px wide; where they begin follows the image's mean."""
    y, x = axes(images)
    begin = (100 * images.mean((1, 2, 3))).astype(int)
    return one_hot((y + x + begin[:, None, None]) // 8 % K, images)


def grid(images: Maps) -> Maps:
    """Symmetric about the centre under all eight symmetries."""
    y, x = (np.abs(a - (images.shape[2] - 1) / 2) // 12 for a in axes(images))
    low, high = np.minimum(y, x), np.maximum(y, x)
    return one_hot((high * (high + 1) // 2 + low).astype(int) % K, images)


def stride_grid(images: Maps) -> Maps:
    """Period 8 px, as a network of that stride might leave."""
    y, x = axes(images)
    return one_hot(y % 8 // 4 * 2 + x % 8 // 4, images, 4)


def constant(images: Maps) -> Maps:
    return one_hot(np.int64(3), images)


def flat(images: Maps) -> Maps:
    rng = np.random.default_rng(crc32(images.tobytes()))
    logits = 1e-3 * rng.standard_normal((len(images), K, *images.shape[2:]), np.float32)
    shares = np.exp(logits)
    return shares / shares.sum(1, keepdims=True)


def noise(images: Maps) -> Maps:
    rng = np.random.default_rng(crc32(images.tobytes()))
    return one_hot(rng.integers(0, K, (len(images), *images.shape[2:])), images)


def intensity(images: Maps) -> Maps:
    return one_hot(np.digitize(images[:, 0], LEVELS), images)


def blurred_intensity(images: Maps) -> Maps:
    return one_hot(np.digitize(gaussian_filter(images[:, 0], (0, 2, 2)), LEVELS), images)


def true_labels(images: Maps) -> Maps:
    return one_hot(np.round(images[:, 0] * 1024).astype(int) % 8, images)


def next_labels(images: Maps) -> Maps:
    """The truth of the slice below the middle one of three."""
    assert images.shape[1] == 3
    return one_hot(np.round(images[:, 2] * 1024).astype(int) % 8, images)


def thick_intensity(images: Maps) -> Maps:
    """Of five slices together."""
    assert images.shape[1] == 5
    return one_hot(np.digitize(images.mean(1), LEVELS), images)


def audited(encode: Callable[[Maps], Maps], **options: object) -> Audit:
    """Audit a made-up encoder on the coded volume."""
    volume, _ = coded_volume()
    chosen: dict[str, object] = {"crops": 40, "crop": 64, "multiple": 8, "intensity": UNTOUCHED}
    events = list(audit_encoder(encode, volume, **(chosen | options)))  # type: ignore[arg-type]
    (found,) = (event.result for event in events if isinstance(event, Audited))
    return found
