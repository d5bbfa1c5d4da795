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
