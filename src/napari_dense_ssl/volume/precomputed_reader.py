"""Neuroglancer's precomputed format.

https://github.com/google/neuroglancer/tree/master/src/datasource/precomputed : an ``info`` file, a pyramid of
scales with voxel sizes in nm, and chunks in any of its encodings, sharded or not.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.stores import Store
from napari_dense_ssl.volume.tensor_pixels import TensorPixels, open_array

_MARK = "info"


class PrecomputedReader:
    """Reads folders in Neuroglancer's precomputed format."""

    def accepts(self, path: Path) -> bool:
        """Whether a folder has a precomputed volume's ``info``."""
        if not (path.is_dir() and (path / _MARK).is_file()):
            return False
        try:
            info = json.loads((path / _MARK).read_bytes())
        except ValueError:  # something else of that name
            return False
        return isinstance(info, dict) and bool(info.get("scales"))

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return nothing: such a folder is one volume."""
        return ()

    def open(self, path: Path, dataset: str | None) -> Found:
        """Open the volume with all its scales."""
        return found_precomputed(Store.of_folder(path), dataset)


def is_precomputed(store: Store, key: str = "") -> bool:
    """Whether a folder of a store is such a volume."""
    return bool(_info(store, key).get("scales"))


def found_precomputed(store: Store, dataset: str | None) -> Found:
    """Open a volume with all its scales.

    Raises
    ------
    VolumeError
        If its scales are missing or cannot be read.
    """
    key = dataset or ""
    info = _info(store, key)
    place = f"{store.url}/{key}".rstrip("/")
    levels: list[Level] = []
    translation: dict[str, float] = {}
    for number, scale in enumerate(info.get("scales", ())):
        try:
            size = {axis: float(n) for axis, n in zip("xyz", scale["resolution"], strict=True)}
            offset = [float(n) for n in scale.get("voxel_offset", (0, 0, 0))]
        except (KeyError, TypeError, ValueError) as error:
            raise VolumeError(
                f"The info of {place} has no resolution for scale {number}; check that it was copied whole."
            ) from error
        array = open_array(store, "neuroglancer_precomputed", key, scale_index=number).T
        if not levels:
            translation = {axis: n * size[axis] for axis, n in zip("xyz", offset, strict=True)}
        pixels = TensorPixels(array, place, partial(store.is_there, _key(key)))
        levels.append(Level(pixels, size))
    if not levels:
        raise VolumeError(f"The info of {place} lists no scales; expected a precomputed volume.")
    labels = info.get("type") == "segmentation"
    return Found("Neuroglancer precomputed", "czyx", tuple(levels), True, translation, dataset, labels=labels)


def _info(store: Store, key: str) -> dict[str, Any]:
    return store.json(_key(key)) or {}


def _key(key: str) -> str:
    return f"{key}/{_MARK}" if key else _MARK
