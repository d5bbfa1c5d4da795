"""The pixels that go into a package: a small crop of the volume, or texture made up in its grey values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_dense_ssl.core.errors import DenseSSLError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.run_folder import IMPORTED, RunFolder
from napari_dense_ssl.volume import Intensity, Volume, open_volume
from napari_dense_ssl.volume.reader import SAMPLE_PREFIX

EDGE = 256
"""Edge of the cover's crop, px, where the volume has that many."""

TEST_EDGE = 128
"""Edge of the test input, px, or the network's least where that is more."""


@dataclass(frozen=True)
class Crop:
    """Raw pixels, shape (C, Y, X), C neighbouring slices, and where they are from, for people."""

    pixels: NDArray[Any]
    origin: str
    real: bool


def training_volume(run: RunFolder) -> tuple[Volume | None, str]:
    """Open the volume that a run was trained on; None, and the reason, where it is not to be had.

    The path in a run that was taken in from elsewhere is never followed: a stranger wrote it, and what lies
    there would leave this machine with the package.
    """
    facts = dict(run.facts.get("volume", {}))
    source = str(facts.get("source", ""))
    if IMPORTED in run.facts:
        return None, "the run was imported, and where its volume lies is not known here"
    try:
        volume = open_volume(source, dataset=facts.get("dataset"))
    except (DenseSSLError, OSError) as error:
        return None, f"its volume cannot be opened ({str(error).rstrip('.')})"
    if list(volume.shape) != facts.get("shape"):
        return None, f"{source} has another shape now than when the run was trained"
    return volume, ""


def crop_of(volume: Volume, region: Box, edge: int, slices: int) -> Crop:
    """Cut the middle of a region's middle slice out, reflected where the region is smaller than that.

    Parameters
    ----------
    volume : Volume
    region : Box
    edge : int
        Wanted height and width, px.
    slices : int
        How many neighbouring slices.
    """
    z = (region.start[0] + region.stop[0]) // 2
    bounds, missing = [(z, z + 1)], [(0, 0)]
    for low, high in zip(region.start[1:], region.stop[1:], strict=True):
        length = min(edge, high - low)
        start = low + (high - low - length) // 2
        bounds.append((start, start + length))
        missing.append((0, edge - length))
    (z0, z1), (y0, y1), (x0, x1) = bounds
    cut = Box((z0, y0, x0), (z1, y1, x1))
    pixels = np.asarray(volume.read_around(cut, slices // 2))
    if any(after for _, after in missing):
        pixels = np.pad(pixels, missing, mode="symmetric")
    return Crop(np.ascontiguousarray(pixels), f"{short_source(volume.source)}, voxels {cut}", real=True)


def made_up(run: RunFolder, edge: int, slices: int) -> Crop:
    """Make smooth noise with the mean, spread and dtype of a run's volume; the same each time."""
    intensity = Intensity(**run.intensity)
    dtype = np.dtype(str(run.facts.get("volume", {}).get("dtype", "uint8")))
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(slices, edge, edge)), (1, 2, 2))
    values = intensity.mean + intensity.std * (noise - noise.mean()) / noise.std()
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.round(values), limits.min, limits.max)
    return Crop(values.astype(dtype), "texture made up in the volume's grey values", real=False)


def short_source(source: str) -> str:
    """Return a volume's name without the folders or the server it lies on, which are nobody's business."""
    if source.startswith(SAMPLE_PREFIX):
        return source
    return source.replace("\\", "/").rstrip("/").split("/")[-1]
