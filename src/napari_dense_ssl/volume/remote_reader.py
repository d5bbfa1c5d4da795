"""Volumes at remote locations: Zarr, OME-Zarr, N5, Neuroglancer precomputed, told apart by their metadata."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari_dense_ssl.core.errors import DatasetChoiceError, VolumeError
from napari_dense_ssl.volume.attributes import world_from_attributes
from napari_dense_ssl.volume.n5_reader import found_n5, is_n5
from napari_dense_ssl.volume.ngff import listed_labels, multiscale_of
from napari_dense_ssl.volume.ome_zarr_reader import multiscale_found
from napari_dense_ssl.volume.precomputed_reader import found_precomputed, is_precomputed
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.selection import unnamed_axes
from napari_dense_ssl.volume.stores import Store
from napari_dense_ssl.volume.tensor_pixels import TensorPixels, open_array


class ZarrNode:
    """A Zarr group or array in a store, version 2 or 3.

    Parameters
    ----------
    store : Store
    key : str
        Where in the store.
    """

    def __init__(self, store: Store, key: str = "") -> None:
        self.store, self.key = store, key.strip("/")
        three = self._json("zarr.json")
        self.version = 3 if three is not None else 2
        if three is not None:
            self.is_array = three.get("node_type") == "array"
            self.exists = True
            self.attributes: dict[str, Any] = dict(three.get("attributes") or {})
            self._metadata = three
            return
        array = self._json(".zarray")
        self.is_array = array is not None
        attributes = self._json(".zattrs")
        # Over http some writers leave out .zgroup; attributes alone make a group.
        self.exists = self.is_array or attributes is not None or self._json(".zgroup") is not None
        self.attributes = attributes or {}
        self._metadata = array or {}

    def _json(self, name: str) -> dict[str, Any] | None:
        return self.store.json(f"{self.key}/{name}" if self.key else name)

    def child(self, name: str) -> ZarrNode:
        """Return a node below."""
        return ZarrNode(self.store, f"{self.key}/{name}" if self.key else name)

    def pixels(self) -> TensorPixels:
        """Open the array."""
        array = open_array(self.store, "zarr3" if self.version == 3 else "zarr", self.key)
        mark = "zarr.json" if self.version == 3 else ".zarray"
        key = f"{self.key}/{mark}" if self.key else mark
        return TensorPixels(
            array, f"{self.store.url}/{self.key}".rstrip("/"), partial(self.store.is_there, key)
        )

    def known_members(self) -> tuple[str, ...]:
        """Return names of images and arrays below, where the metadata or the store lists them."""
        consolidated = self._consolidated()
        names = list(consolidated) if consolidated else (self.store.folders(self.key) or [])
        found = []
        for name in names[:64]:
            node = self.child(name)
            if node.exists and (node.is_array or multiscale_of(node.attributes)):
                found.append(f"{self.key}/{name}" if self.key else name)
        return tuple(found)

    def _consolidated(self) -> tuple[str, ...]:
        if self.version == 3:
            inside = self._metadata.get("consolidated_metadata") or {}
            return tuple(sorted(inside.get("metadata") or {}))
        flat = (self._json(".zmetadata") or {}).get("metadata") or {}
        return tuple(sorted({key.rpartition("/")[0] for key in flat if key.rpartition("/")[0]}))


def open_remote(url: str, dataset: str | None) -> Found:
    """Open a volume at a URL: its metadata only.

    Parameters
    ----------
    url : str
        ``http(s)://``, ``s3://``, ``gs://`` or ``file://``.
    dataset : str or None
        Path inside a container.

    Raises
    ------
    DatasetChoiceError
        If it holds several volumes and none was named.
    VolumeError
        If it is not there, may not be read, does not answer, or is of no known format.
    """
    store = Store(url)
    node = ZarrNode(store, dataset or "")
    if node.exists:
        return _found_zarr(node, dataset)
    if is_precomputed(store, dataset or ""):
        return found_precomputed(store, dataset)
    if is_n5(store, dataset or ""):
        return found_n5(store, dataset)
    raise VolumeError(
        f"At {url}{'/' + dataset if dataset else ''} there is no Zarr, OME-Zarr, N5 or Neuroglancer"
        " precomputed volume; check the address (it ends with the folder that holds zarr.json, .zattrs,"
        " attributes.json or info), and download volumes of other formats."
    )


def remote_datasets(url: str) -> tuple[str, ...]:
    """Return the volumes in a remote container, as far as it can be listed."""
    node = ZarrNode(Store(url))
    return () if not node.exists or node.is_array or multiscale_of(node.attributes) else node.known_members()


def remote_labels(url: str, dataset: str | None) -> tuple[str, ...]:
    """Return the label images of a remote OME-Zarr image, as its metadata lists them."""
    node = ZarrNode(Store(url), dataset or "")
    if not node.exists or node.is_array or not multiscale_of(node.attributes):
        return ()
    prefix = f"{dataset}/labels" if dataset else "labels"
    return tuple(f"{prefix}/{name}" for name in listed_labels(node.child("labels").attributes))


def _found_zarr(node: ZarrNode, dataset: str | None) -> Found:
    place = f"{node.store.url}/{node.key}".rstrip("/")
    if node.is_array:
        scale, translation = world_from_attributes(node.attributes)
        pixels = node.pixels()
        axes = unnamed_axes(pixels.shape)
        return Found(f"Zarr {node.version}", axes, (Level(pixels, scale),), bool(scale), translation, dataset)
    if multiscale_of(node.attributes):
        return multiscale_found(node.attributes, lambda name: _level(node, name, place), place, dataset)
    if "bioformats2raw.layout" in node.attributes and node.child("0").exists:
        inside: tuple[str, ...] = ("0",)
    else:
        inside = node.known_members()
    if len(inside) == 1:
        name = inside[0] if inside[0].startswith(node.key) else f"{node.key}/{inside[0]}"
        return _found_zarr(ZarrNode(node.store, name), name)
    if inside:
        raise DatasetChoiceError(
            f"{place} holds {len(inside)} datasets and none was named; choose one of:"
            f" {', '.join(inside[:12])}.",
            inside,
        )
    raise VolumeError(
        f"{place} is a Zarr group that holds no image that can be found from here; give the path of an image"
        " in it (--dataset)."
    )


def _level(node: ZarrNode, name: str, place: str) -> TensorPixels:
    child = node.child(name)
    if not child.is_array:
        raise VolumeError(
            f"The OME-Zarr image {place} lists a level {name!r} that is not there: it was copied in part;"
            " copy it again."
        )
    return child.pixels()
