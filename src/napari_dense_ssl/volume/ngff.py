"""NGFF (OME-Zarr) metadata as it lies in the attributes of a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def multiscale_of(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first multiscale image in a group's attributes (version 0.5 below ``ome``), or None."""
    ome = attributes.get("ome")
    holder = ome if isinstance(ome, Mapping) and "multiscales" in ome else attributes
    multiscales = holder.get("multiscales")
    if isinstance(multiscales, list) and multiscales and isinstance(multiscales[0], Mapping):
        return multiscales[0]
    return None


def is_label_image(attributes: Mapping[str, Any]) -> bool:
    """Whether a group's attributes say that its image is a label image (version 0.5 below ``ome``)."""
    ome = attributes.get("ome")
    return "image-label" in attributes or (isinstance(ome, Mapping) and "image-label" in ome)


def listed_labels(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in the attributes of a ``labels`` group (version 0.5 below ``ome``)."""
    ome = attributes.get("ome")
    holder = ome if isinstance(ome, Mapping) and "labels" in ome else attributes
    names = holder.get("labels")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
