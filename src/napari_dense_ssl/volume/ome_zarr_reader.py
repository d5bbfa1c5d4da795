"""OME-Zarr (NGFF) images: pyramids with axes, units, scale and translation.

Follows https://ngff.openmicroscopy.org/0.5/ and 0.4; reads leniently (files in the wild leave out units,
versions, translations), writes strictly (see :mod:`~napari_dense_ssl.volume.output`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.ngff import is_label_image, multiscale_of
from napari_dense_ssl.volume.pixels import ArrayPixels, Pixels
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.selection import unnamed_axes
from napari_dense_ssl.volume.units import nanometres


def found_multiscale(group: zarr.Group, path: Path, dataset: str | None) -> Found:
    """Read the first multiscale image of a group on this machine.

    Parameters
    ----------
    group : zarr.Group
        The group that carries the metadata.
    path : Path
        Where the store is, for messages.
    dataset : str or None
        Path of the group in its store.

    Raises
    ------
    VolumeError
        If a level is missing or the metadata contradicts the arrays.
    """
    return multiscale_found(group.attrs.asdict(), lambda name: _pixels(group, name, path), str(path), dataset)


def multiscale_found(
    attributes: Mapping[str, Any], open_level: Callable[[str], Pixels], place: str, dataset: str | None
) -> Found:
    """Read the first multiscale image that a group's attributes describe, wherever it lies.

    Parameters
    ----------
    attributes : mapping
        Of the group.
    open_level : callable
        Returns the pixels of an array by its path in the group.
    place : str
        Where the group is, for messages.
    dataset : str or None
        Path of the group in its store.

    Raises
    ------
    VolumeError
        If a level is missing or the metadata contradicts the arrays.
    """
    multiscale = multiscale_of(attributes) or {}
    arrays = [open_level(str(entry.get("path", ""))) for entry in multiscale.get("datasets", ())]
    if not arrays:
        raise VolumeError(f"The OME-Zarr image {place} lists no datasets; choose another image.")
    ndim = len(arrays[0].shape)
    axes, units = _axes(multiscale.get("axes"), arrays[0].shape)
    if len(axes) != ndim or any(len(array.shape) != ndim for array in arrays):
        raise VolumeError(
            f"The OME-Zarr image {place} names {len(axes)} axes but its arrays have"
            f" {sorted({len(a.shape) for a in arrays})}; its metadata is wrong."
        )
    outer = multiscale.get("coordinateTransformations") or ()
    factors = [unit if unit is not None else 1.0 for unit in units]
    levels: list[Level] = []
    translation: dict[str, float] = {}
    for entry, array in zip(multiscale["datasets"], arrays, strict=True):
        scale, shift = _transform((entry.get("coordinateTransformations") or (), outer), ndim, place)
        sizes = {a: float(s * f) for a, s, f in zip(axes, scale, factors, strict=True) if a in "zyx"}
        if not levels:
            translation = {
                a: float(s * f) for a, s, f in zip(axes, shift, factors, strict=True) if a in "zyx"
            }
        levels.append(Level(array, sizes))
    spatial = [unit for axis, unit in zip(axes, units, strict=True) if axis in "zyx"]
    version = _version(attributes, multiscale)
    known = all(unit is not None for unit in spatial)
    labels = is_label_image(attributes)
    return Found(f"OME-Zarr {version}", axes, tuple(levels), known, translation, dataset, labels=labels)


def _pixels(group: zarr.Group, name: str, path: Path) -> ArrayPixels:
    try:
        array = group[name]
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise VolumeError(
            f"The OME-Zarr image {path} lists a level {name!r} that is not there: it was copied in part;"
            " copy it again."
        ) from error
    if not isinstance(array, zarr.Array):
        raise VolumeError(f"In the OME-Zarr image {path} expected an array at {name!r} but found a group.")
    return ArrayPixels(array, array.chunks)


def _axes(axes: Any, shape: tuple[int, ...]) -> tuple[str, list[float | None]]:
    """Return axis letters and nanometres in the unit of each (None where it has no length)."""
    if not axes:  # version 0.1 and 0.2: always t, c, z, y, x
        return unnamed_axes(shape), [None] * len(shape)
    letters, units = "", []
    for axis in axes:
        entry = axis if isinstance(axis, Mapping) else {"name": axis}
        name, kind = str(entry.get("name") or "").lower(), entry.get("type")
        letter = {"channel": "c", "time": "t"}.get(str(kind), name if name in tuple("tczyx") else "?")
        letters += letter
        unit = entry.get("unit")
        units.append(nanometres(unit) if isinstance(unit, str) and letter in "zyx" else None)
    return letters, units


def _transform(
    stages: tuple[Any, ...], ndim: int, place: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Compose scales and translations, in the order in which they apply."""
    scale, shift = np.ones(ndim), np.zeros(ndim)
    for transform in (t for stage in stages for t in stage):
        kind = transform.get("type") if isinstance(transform, Mapping) else None
        values = transform.get(kind) if kind in ("scale", "translation") else None
        if kind == "identity":
            continue
        try:
            numbers = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            numbers = np.empty(0)
        wrong = numbers.shape != (ndim,) or not np.all(np.isfinite(numbers))
        if wrong or (kind == "scale" and np.any(numbers <= 0)):
            raise VolumeError(
                f"The OME-Zarr image {place} has a coordinate transformation that cannot be used"
                f" ({transform}); expected a scale or translation of {ndim} numbers."
            )
        if kind == "scale":
            scale, shift = scale * numbers, shift * numbers
        else:
            shift = shift + numbers
    return scale, shift


def _version(attributes: Mapping[str, Any], multiscale: Mapping[str, Any]) -> str:
    ome = attributes.get("ome")
    version = ome.get("version") if isinstance(ome, Mapping) else multiscale.get("version")
    return str(version or ("0.5" if ome else "0.4"))
