"""Voxel size from the attributes that EM tools leave beside HDF5 and plain Zarr arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_dense_ssl.volume.units import nanometres

# Names in use, and the unit that each implies: CREMI, funlib and DaCapo write nm, PlantSeg and ilastik µm.
_SIZES = {
    "element_size_um": 1e3,
    "element_size_nm": 1.0,
    "voxel_size": 1.0,
    "resolution": 1.0,
    "pixelSize": 1.0,
}
_OFFSETS = ("offset", "translation")


def world_from_attributes(attributes: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """Return voxel size and translation in nm, by axis letter; empty where nothing is said.

    Understands ``element_size_um`` (PlantSeg, ilastik), ``voxel_size`` and ``resolution`` with ``offset`` and
    ``units`` (funlib, CREMI; nm where no unit is given), all in the order Z, Y, X, and N5's
    ``pixelResolution`` (``{"dimensions": [x, y, z], "unit": ...}``).
    """
    pixel_resolution = attributes.get("pixelResolution")
    if isinstance(pixel_resolution, Mapping):
        factor = nanometres(str(pixel_resolution.get("unit", ""))) or 0.0
        return _by_axis(_triple(pixel_resolution.get("dimensions"))[::-1], factor), {}
    for name, implied in _SIZES.items():
        size = _triple(attributes.get(name))
        if size:
            unit = attributes.get("units", attributes.get("unit"))
            factor = implied if unit is None else _factor(unit)
            offset = next((o for key in _OFFSETS if (o := _triple(attributes.get(key), positive=False))), [])
            return _by_axis(size, factor), _by_axis(offset, factor) if factor else {}
    return {}, {}


def _triple(value: Any, *, positive: bool = True) -> list[float]:
    """Return the last three of a list of numbers; empty where it is none, or holds no sizes."""
    try:
        numbers = [float(n) for n in np.asarray(value, dtype=float).ravel()]
    except (TypeError, ValueError):
        return []
    if len(numbers) < 3 or not np.all(np.isfinite(numbers)) or (positive and min(numbers[-3:]) <= 0):
        return []
    return numbers[-3:]


def _factor(unit: Any) -> float:
    """Return nanometres in a unit, given once or for each axis; 0 where it is no length."""
    names = [unit] if isinstance(unit, str | bytes) else list(unit)
    texts = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
    return (nanometres(texts[-1]) or 0.0) if texts else 0.0


def _by_axis(numbers: list[float], factor: float) -> dict[str, float]:
    return {axis: n * factor for axis, n in zip("zyx", numbers, strict=False)} if factor else {}
