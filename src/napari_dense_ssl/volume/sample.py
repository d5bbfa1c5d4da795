"""``sample:em`` and ``sample:em-labels``: the synthetic volume as a source like any other."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.pixels import Index
from napari_dense_ssl.volume.reader import SAMPLE_PREFIX, Found, Level
from napari_dense_ssl.volume.synthetic import BLOCK, VOXEL_SIZE, SyntheticBlock

_SHAPE = (24, 512, 512)
_NAMES = ("em", "em-labels")


def open_sample(source: str) -> Found:
    """Open a sample by its name.

    Parameters
    ----------
    source : str
        ``sample:em`` or ``sample:em-labels`` (the truth), with ``?shape=ZxYxX&seed=N`` if wanted. Volumes
        of one seed agree wherever their shapes overlap.

    Raises
    ------
    VolumeError
        If there is no such sample, or its options cannot be read.
    """
    name, _, query = source.removeprefix(SAMPLE_PREFIX).partition("?")
    if name not in _NAMES:
        known = " and ".join(SAMPLE_PREFIX + n for n in _NAMES)
        raise VolumeError(f"There is no sample {source!r}; the samples are {known}.")
    options = dict(parse_qsl(query, keep_blank_values=True))
    shape, seed = options.pop("shape", ""), options.pop("seed", "0")
    match = re.fullmatch(r"(\d+)[x,](\d+)[x,](\d+)", shape or "x".join(str(n) for n in _SHAPE))
    if options or match is None or not seed.isdigit() or "0" in match.groups():
        raise VolumeError(
            f"The options of {source!r} cannot be read; expected"
            f" {SAMPLE_PREFIX}{name}?shape=24x512x512&seed=1, with lengths of at least 1."
        )
    z, y, x = (int(n) for n in match.groups())
    pixels = _SamplePixels((z, y, x), int(seed), labels=name.endswith("labels"))
    scale = dict(zip("zyx", VOXEL_SIZE, strict=True))
    return Found("synthetic EM", "zyx", (Level(pixels, scale),), True, {})


class _SamplePixels:
    """Computes the blocks that a box touches."""

    def __init__(self, shape: tuple[int, int, int], seed: int, *, labels: bool) -> None:
        self._seed = seed
        self._labels = labels
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.chunks = (1, BLOCK, BLOCK)

    def read(self, index: Index) -> np.ndarray[Any, Any]:
        """Return grey values or classes in a box."""
        z, y, x = index
        out = np.empty([s.stop - s.start for s in index], np.uint8)
        for k in range(z.start, z.stop):
            for row in range(y.start // BLOCK, -(-y.stop // BLOCK)):
                for column in range(x.start // BLOCK, -(-x.stop // BLOCK)):
                    block = _block(self._seed, k, row, column)[self._labels]
                    top, left = row * BLOCK, column * BLOCK
                    a, b = max(y.start, top), min(y.stop, top + BLOCK)
                    c, d = max(x.start, left), min(x.stop, left + BLOCK)
                    out[k - z.start, a - y.start : b - y.start, c - x.start : d - x.start] = block[
                        a - top : b - top, c - left : d - left
                    ]
        return out


@lru_cache(maxsize=256)  # 32 MiB: crops and tiles come back to the same sections
def _block(seed: int, z: int, row: int, column: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return SyntheticBlock(seed, z, row, column).render()
