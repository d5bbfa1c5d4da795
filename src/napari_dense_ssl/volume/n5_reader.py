"""N5 datasets and their pyramids, as n5-viewer, Paintera and OpenOrganelle write them.

N5 (https://github.com/saalfeldlab/n5) stores axes fastest first; here they are turned round, so that Z comes
before Y and X. Voxel sizes follow ``pixelResolution`` and ``resolution`` (X, Y, Z) or OpenOrganelle's
``transform`` (Z, Y, X, with named axes).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from napari_dense_ssl.core.errors import DatasetChoiceError, VolumeError
from napari_dense_ssl.volume.attributes import world_from_attributes
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.selection import unnamed_axes
from napari_dense_ssl.volume.stores import Store
from napari_dense_ssl.volume.tensor_pixels import TensorPixels, open_array
from napari_dense_ssl.volume.units import nanometres

_MARK = "attributes.json"
_MOST = 16  # levels, and folders that are looked through for datasets


class N5Reader:
    """Reads N5 folders."""

    def accepts(self, path: Path) -> bool:
        """Whether a folder holds N5 metadata."""
        return path.is_dir() and any((path / mark).is_file() for mark in (_MARK, f"s0/{_MARK}"))

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return the datasets and pyramids below a folder."""
        store = Store.of_folder(path)
        return () if _kind(store, "") else tuple(_below(store, ""))

    def open(self, path: Path, dataset: str | None) -> Found:
        """Open a dataset, or a pyramid ``s0, s1, ...``."""
        return found_n5(Store.of_folder(path), dataset)


def is_n5(store: Store, key: str = "") -> bool:
    """Whether a folder of a store holds N5 metadata, or a pyramid below it does."""
    return _attributes(store, key) is not None or _attributes(store, _join(key, "s0")) is not None


def found_n5(store: Store, dataset: str | None) -> Found:
    """Open what a folder of a store holds.

    Raises
    ------
    DatasetChoiceError
        If there are several datasets and none was named.
    VolumeError
        If there is none.
    """
    key = dataset or ""
    kind = _kind(store, key)
    if kind == "array":
        return _found(store, key, [key], dataset)
    if kind == "pyramid":
        names: list[str] = []
        while len(names) < _MOST and _is_array(store, name := _join(key, f"s{len(names)}")):
            names.append(name)
        return _found(store, key, names, dataset)
    inside = tuple(_below(store, key))
    if len(inside) == 1:
        return found_n5(store, inside[0])
    if inside:
        raise DatasetChoiceError(
            f"{store.url} holds {len(inside)} datasets and none was named; choose one of:"
            f" {', '.join(inside[:12])}.",
            inside,
        )
    raise VolumeError(
        f"{store.url}{'/' + key if key else ''} is an N5 group that is empty, or whose store cannot list"
        " what is in it; give the path of a dataset in it (--dataset)."
    )


def _found(store: Store, group: str, names: list[str], dataset: str | None) -> Found:
    above = _attributes(store, group) or {}
    levels: list[Level] = []
    translation: dict[str, float] = {}
    first: dict[str, float] = {}
    for name in names:
        array = open_array(store, "n5", name).T
        attributes = _attributes(store, name) or {}
        scale, shift = _world(attributes)
        if not scale and not levels:
            scale, shift = _world(above)
        if not levels:
            first, translation = scale, shift
        elif not scale and first:
            factors = attributes.get("downsamplingFactors") or [2 ** len(levels)] * 3
            scale = {a: first[a] * float(f) for a, f in zip("xyz", factors, strict=False)}
        mark = _join(name, _MARK)
        pixels = TensorPixels(array, f"{store.url}/{name}".rstrip("/"), partial(store.is_there, mark))
        levels.append(Level(pixels, scale))
    axes = unnamed_axes(levels[0].pixels.shape)
    return Found("N5", axes, tuple(levels), bool(first), translation, dataset)


def _world(attributes: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """Return voxel size and translation, nm, by axis letter; empty where nothing is said."""
    transform = attributes.get("transform")
    if isinstance(transform, Mapping):
        axes, scale = transform.get("axes") or ["z", "y", "x"], transform.get("scale")
        units = transform.get("units") or ["nm"] * len(axes)
        if isinstance(scale, list) and len(scale) == len(axes) == len(units):
            factors = [nanometres(str(unit)) or 0.0 for unit in units]
            shift = transform.get("translate") or [0.0] * len(axes)
            named = [str(a).lower() for a in axes]
            if all(factors):
                return (
                    {a: float(s) * f for a, s, f in zip(named, scale, factors, strict=True) if a in "zyx"},
                    {a: float(s) * f for a, s, f in zip(named, shift, factors, strict=True) if a in "zyx"},
                )
    if "pixelResolution" in attributes:
        return world_from_attributes(attributes)
    # All else that N5 tools write lists X first.
    turned = {
        key: value[::-1] if isinstance(value, list) else value
        for key, value in attributes.items()
        if key in ("resolution", "offset", "units", "unit")
    }
    return world_from_attributes(turned)


def _attributes(store: Store, key: str) -> dict[str, Any] | None:
    return store.json(_join(key, _MARK))


def _is_array(store: Store, key: str) -> bool:
    return "dimensions" in (_attributes(store, key) or {})


def _kind(store: Store, key: str) -> str | None:
    if _is_array(store, key):
        return "array"
    return "pyramid" if _is_array(store, _join(key, "s0")) else None


def _below(store: Store, key: str, depth: int = 3) -> list[str]:
    """Return datasets and pyramids below a group, as far as the store can list."""
    names: list[str] = []
    for name in (store.folders(key) or [])[: _MOST * 4]:
        full = _join(key, name)
        if _kind(store, full):
            names.append(full)
        elif depth > 1:
            names += _below(store, full, depth - 1)
    return names


def _join(*keys: str) -> str:
    return "/".join(key.strip("/") for key in keys if key)
