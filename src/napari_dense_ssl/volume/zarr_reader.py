"""Plain Zarr arrays (versions 2 and 3), and which nodes of a Zarr hierarchy are volumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zarr
from zarr.errors import ZarrUserWarning

from napari_dense_ssl.core.errors import DatasetChoiceError, VolumeError
from napari_dense_ssl.volume.attributes import world_from_attributes
from napari_dense_ssl.volume.ngff import listed_labels, multiscale_of
from napari_dense_ssl.volume.ome_zarr_reader import found_multiscale
from napari_dense_ssl.volume.pixels import ArrayPixels
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.selection import unnamed_axes
from napari_dense_ssl.volume.warn import quiet

_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
_MAX_NODES = 1000


class ZarrReader:
    """Reads Zarr arrays, and OME-Zarr images wherever they lie in a hierarchy."""

    def accepts(self, path: Path) -> bool:
        """Whether a folder holds Zarr metadata."""
        return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return the paths of images and arrays of at least two axes below a group."""
        node = open_node(path)
        if isinstance(node, zarr.Array) or multiscale_of(node.attrs.asdict()):
            return ()
        return tuple(_volumes(node, path))

    def open(self, path: Path, dataset: str | None) -> Found:
        """Open an array, an OME-Zarr image, or one of those in a group."""
        node = open_node(path, dataset)
        if isinstance(node, zarr.Group) and not multiscale_of(node.attrs.asdict()):
            inside = _only(tuple(_volumes(node, path)), path)
            dataset = f"{dataset}/{inside}" if dataset else inside
            node = open_node(path, dataset)
        if isinstance(node, zarr.Group):
            return found_multiscale(node, path, dataset)
        scale, translation = world_from_attributes(node.attrs.asdict())
        version = node.metadata.zarr_format
        level = Level(ArrayPixels(node, node.chunks), scale)
        axes = _dimension_names(node) or unnamed_axes(node.shape)
        return Found(f"Zarr {version}", axes, (level,), bool(scale), translation, dataset)


def open_node(path: Path, dataset: str | None = None) -> zarr.Array[Any] | zarr.Group:
    """Open an array or a group for reading.

    Raises
    ------
    VolumeError
        If it is not there or its metadata cannot be read.
    """
    try:
        with quiet(ZarrUserWarning):
            return zarr.open(store=str(path), path=dataset or "", mode="r")
    except FileNotFoundError as error:
        raise VolumeError(
            f"There is no {dataset!r} in {path}; choose one of: {_listed(ZarrReader().datasets(path))}."
            if dataset
            else f"{path} has Zarr metadata but neither an array nor a group; copy it again."
        ) from error
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise VolumeError(
            f"The Zarr metadata of {path} cannot be read ({error}); check that it was copied whole."
        ) from error


def label_images(path: Path, dataset: str | None = None) -> tuple[str, ...]:
    """Return the paths, in their store, of the label images that belong to an OME-Zarr image."""
    node = open_node(path, dataset)
    if isinstance(node, zarr.Array) or not multiscale_of(node.attrs.asdict()):
        return ()
    holder = node.get("labels", None)
    if not isinstance(holder, zarr.Group):
        return ()
    names = listed_labels(holder.attrs.asdict())
    prefix = f"{dataset}/labels" if dataset else "labels"
    return tuple(f"{prefix}/{name}" for name in names if name in holder)


def _volumes(group: zarr.Group, path: Path) -> Iterator[str]:
    """Yield images and arrays below a group, the levels of an image not by themselves."""
    queue: list[tuple[str, Any]] = [("", group)]
    seen = 0
    while queue:
        prefix, node = queue.pop(0)
        for name, member in sorted(_members(node, path)):
            seen += 1
            if seen > _MAX_NODES:  # a plate or an archive: the user has to name what is wanted
                return
            full = f"{prefix}{name}"
            if isinstance(member, zarr.Array):
                if member.ndim >= 2:
                    yield full
            elif multiscale_of(member.attrs.asdict()):
                yield full
                if "labels" in member:
                    queue.append((f"{full}/labels/", member["labels"]))
            else:
                queue.append((f"{full}/", member))


def _members(group: zarr.Group, path: Path) -> list[tuple[str, Any]]:
    try:
        with quiet(ZarrUserWarning):
            return list(group.members())
    except (ValueError, KeyError, TypeError) as error:
        raise VolumeError(
            f"The Zarr metadata in {path} cannot be read ({error}); check that it was copied whole."
        ) from error


def _only(names: tuple[str, ...], path: Path) -> str:
    if not names:
        raise VolumeError(
            f"The Zarr group {path} holds no images; choose a group or array with a volume in it."
        )
    if len(names) > 1:
        raise DatasetChoiceError(
            f"{path} holds {len(names)} datasets and none was named; choose one of: {_listed(names)}.", names
        )
    return names[0]


def _dimension_names(array: zarr.Array[Any]) -> str | None:
    """Axis letters from Zarr 3 dimension names, where all are single known letters."""
    names = getattr(array.metadata, "dimension_names", None) or ()
    letters = "".join(str(name).lower()[:1] for name in names)
    known = len(letters) == array.ndim and set(letters) <= set("tczyx") and len(set(letters)) == len(letters)
    return letters if known and {"y", "x"} <= set(letters) else None


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
