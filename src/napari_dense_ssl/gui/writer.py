"""napari's writer: image and labels layers as one OME-Zarr, with pyramids and their place in the world."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils import cancelable_progress
from napari.utils.notifications import show_warning
from napari.utils.transforms import Affine

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.gui.layers import KEY, nanometres
from napari_dense_ssl.volume import Part, World, writing

_SUFFIX = ".zarr"
_SHOW_SECONDS = 0.1  # between two changes of the progress bar: each lets the window live


def write(path: str, layers: Sequence[tuple[Any, Mapping[str, Any], str]]) -> list[str]:
    """Write layers into a new OME-Zarr 0.5 folder, block by block; lazy layers are never held whole.

    One image lies in the folder itself and its labels in ``labels/``; several images lie in groups of it.

    Parameters
    ----------
    path : str
        The folder to be made; ``.zarr`` is added where it is missing.
    layers : sequence of (data, attributes, kind)
        As napari hands them to writers; kinds are ``"image"`` and ``"labels"``.

    Returns
    -------
    list of str
        The folder.

    Raises
    ------
    OutputError
        If something lies at that path already, a layer cannot be held by OME-Zarr, the disk does not take
        it, or the user cancels: then nothing is left behind.
    """
    place = _place(path)
    blocks = writing(place, [_part(*layer) for layer in layers])
    bar = cancelable_progress(desc=f"Saving {place.name}", total=0)
    try:
        shown = time.monotonic()
        for done, total in blocks:
            if time.monotonic() - shown > _SHOW_SECONDS:
                bar.total = total
                bar.update(done - bar.n)
                shown = time.monotonic()
            if bar.is_canceled:
                raise OutputError(f"Saving {place} was cancelled, and nothing of it was kept.")
    finally:
        blocks.close()
        bar.close()
    return [str(place)]


def _place(path: str) -> Path:
    place = Path(path).expanduser()
    if place.suffix.lower() != _SUFFIX:
        place = place.with_name(place.name + _SUFFIX)
    if place.exists() or place.is_symlink():
        raise OutputError(f"{place} exists already; choose another name, or delete it first.")
    for around in place.absolute().parents:
        if around.suffix.lower() == _SUFFIX and around.is_dir():
            raise OutputError(f"{place} would lie inside {around}; choose a folder outside of it.")
    return place


def _part(data: Any, attributes: Mapping[str, Any], kind: str) -> Part:
    name = str(attributes.get("name") or kind)
    if attributes.get("rgb"):
        raise OutputError(
            f"The layer {name} is a colour (RGB) image, expected grey values or labels. Split its channels"
            " (right click on the layer) and save those."
        )
    array = data[0] if attributes.get("multiscale") else data
    ndim = len(array.shape)
    if not 2 <= ndim <= 5:
        raise OutputError(f"The layer {name} has {ndim} axes; OME-Zarr holds two to five.")
    axes = _axes(attributes.get("axis_labels") or (), ndim)
    kept = attributes.get("metadata", {}).get(KEY)
    facts = {key: value for key, value in kept.items() if _is_plain(value)} if kept else {}
    classes = kept.get("classes") if kept and kind == "labels" else None
    return Part(name, array, _world(attributes, axes, name), axes, kind == "labels", facts, classes)


def _axes(names: Sequence[str], ndim: int) -> str:
    """Return NGFF's axes for a layer's: the last two or three are space, before them time and channel.

    Examples
    --------
    >>> _axes(("z", "y", "x"), 3), _axes(("time", "y", "x"), 3), _axes(("-4", "-3", "-2", "-1"), 4)
    ('zyx', 'tyx', 'czyx')
    """
    first = [str(name).lower()[:1] for name in names[:1]]
    if ndim == 3:
        return f"{first[0]}yx" if first in (["t"], ["c"]) else "zyx"
    if ndim == 4:
        return "tzyx" if first == ["t"] else "czyx"
    return "tczyx"[-ndim:]


def _world(attributes: Mapping[str, Any], axes: str, name: str) -> World:
    """Return where a layer lies, in nm where its units are lengths."""
    ndim = len(axes)
    scale = np.asarray(attributes.get("scale", np.ones(ndim)), float)
    translate = np.asarray(attributes.get("translate", np.zeros(ndim)), float)
    own = Affine(
        scale=scale, translate=translate, rotate=attributes.get("rotate"), shear=attributes.get("shear")
    ).affine_matrix
    whole = np.asarray(attributes.get("affine", np.eye(ndim + 1))) @ own
    linear = whole[:ndim, :ndim]
    edges = np.diag(linear)
    if np.allclose(linear, np.diag(edges), atol=1e-9 * np.abs(linear).max()) and edges.min() > 0:
        scale, translate = edges, whole[:ndim, ndim]
    else:
        show_warning(
            f"The layer {name} is rotated, sheared or mirrored, which OME-Zarr 0.5 cannot hold: its scale and"
            " translation alone are written."
        )
        scale = np.abs(scale)
    units = attributes.get("units") or ("pixel",) * ndim
    lengths = [nanometres(unit) if axis in "zyx" else 1.0 for axis, unit in zip(axes, units, strict=True)]
    if not all(lengths):
        return World(_plain(scale), _plain(translate), None)
    factors = np.asarray(lengths, float)
    return World(_plain(scale * factors), _plain(translate * factors))


def _plain(numbers: Any) -> tuple[float, ...]:
    # a unit's factor leaves dust behind: 0.005 µm is 5 nm, not 5.000000000000001
    return tuple(float(f"{number:.12g}") for number in numbers)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
