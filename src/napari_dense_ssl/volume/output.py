"""The result of a prediction as OME-Zarr: one image, label images, embedding; resumable.

Layout of ``OUT.zarr`` (NGFF 0.5 on Zarr 3; 0.4 on Zarr 2 on request)::

    OUT.zarr/                 multiscale image (error or confidence), provenance in "napari_dense_ssl"
        0, 1, ...             its levels
        0/finished.txt        the manifest (in an array's folder, where no reader looks for Zarr nodes)
        labels/classes/       multiscale label image, uint8, 0 = not predicted (or labels/segmentation)
        embedding/            (C, Z, Y, X), on request

All arrays have the whole volume's shape; chunks that were never predicted are never written.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import zarr

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume.manifest import Manifest
from napari_dense_ssl.volume.multiscale import MultiscaleImage, Version, World
from napari_dense_ssl.volume.places import claim, output_errors
from napari_dense_ssl.volume.volume import Volume

ATTRIBUTE = "napari_dense_ssl"
FORMAT = 1


class Output:
    """An OME-Zarr output that is being written; made by :func:`create_output` and :func:`open_output`.

    Attributes
    ----------
    path : Path
        The Zarr folder.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self._group = group
        self._facts: dict[str, Any] = dict(cast("Mapping[str, Any]", group.attrs[ATTRIBUTE]))
        self._manifest = Manifest(path / "0" / "finished.txt")
        self._arrays: dict[str, zarr.Array[Any]] = {}

    @property
    def image(self) -> zarr.Array[Any]:
        """Level 0 of the image, ``(Z, Y, X)``."""
        return self._array("0")

    @property
    def embedding(self) -> zarr.Array[Any] | None:
        """The embedding, ``(C, Z, Y, X)``, or None where none was asked for."""
        return self._array("embedding/0") if self._facts["embedding"] else None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the label images."""
        return tuple(self._facts["labels"])

    def label(self, name: str = "classes") -> zarr.Array[Any]:
        """Return level 0 of a label image, ``(Z, Y, X)`` uint8.

        Raises
        ------
        OutputError
            If there is none of that name.
        """
        if name not in self.labels:
            raise OutputError(
                f"{self.path} has no labels {name!r}; it has: {', '.join(self.labels) or 'none'}."
            )
        return self._array(f"labels/{name}/0")

    @property
    def provenance(self) -> dict[str, Any]:
        """What the output was made from and with, as given to :func:`create_output`."""
        return dict(self._facts["provenance"])

    @property
    def image_name(self) -> str:
        """``"error"`` or ``"confidence"``."""
        return str(self._facts["image"])

    @property
    def is_complete(self) -> bool:
        """Whether :meth:`complete` has come to its end."""
        return bool(self._facts["complete"])

    def finished(self) -> set[str]:
        """Return the keys that were marked as finished, in this and earlier processes."""
        return self._manifest.keys()

    def mark(self, key: str) -> None:
        """Say that the chunk with this key is written; synced to disk before it returns.

        Raises
        ------
        OutputError
            If the disk is full or the place is read-only.
        """
        self._manifest.add(key)

    def write(self, name: str, box: Box, values: np.ndarray[Any, Any]) -> None:
        """Write voxels, with a clear error where the disk does not take them.

        Boxes of whole chunks may be written from several threads at once.

        Parameters
        ----------
        name : str
            ``"image"``, ``"embedding"``, or the name of a label image.
        box : Box
            Where, in voxels of the finest level.
        values : ndarray, shape ``box.shape``, or ``(C, *box.shape)`` for the embedding
            What.

        Raises
        ------
        RegionError
            If the box reaches outside the volume.
        OutputError
            If there is no such array, the disk is full, or the place is read-only.
        """
        box.check(self.image.shape)
        array = self.image if name == "image" else self.embedding if name == "embedding" else self.label(name)
        if array is None:
            raise OutputError(f"{self.path} has no embedding; ask for one when the output is made.")
        with output_errors(self.path):
            array[(..., *box.slices)] = values

    def complete(self) -> None:
        """Build the pyramids, chunk by chunk, and flag the output as complete; does nothing the second time.

        Raises
        ------
        OutputError
            If the disk is full or the place is read-only.
        """
        for _ in self.completing():
            pass

    def completing(self) -> Iterator[tuple[int, int]]:
        """Do what :meth:`complete` does, yielding how many chunks are done and how many there are at most.

        Left before its end, the output stays incomplete, and the pyramids are built again next time.
        """
        if self.is_complete:
            return
        with output_errors(self.path):
            images = _images(self._group, self._facts)
            total = sum(image.pyramid_chunks() for image in images)
            for done, _ in enumerate((c for image in images for c in image.build_pyramid()), start=1):
                yield done, total
            self._facts["complete"] = True
            self._group.attrs.update({ATTRIBUTE: self._facts})

    def _array(self, path: str) -> zarr.Array[Any]:
        if path not in self._arrays:
            self._arrays[path] = cast("zarr.Array[Any]", self._group[path])
        return self._arrays[path]


def create_output(
    path: str | os.PathLike[str],
    source: Volume,
    *,
    image: Literal["error", "confidence"] = "error",
    image_dtype: str = "float16",
    labels: tuple[str, ...] = ("classes",),
    embedding: int | None = None,
    provenance: Mapping[str, Any],
    chunk: tuple[int, int, int] = (1, 512, 512),
    overwrite: bool = False,
    version: Version = "0.5",
) -> Output:
    """Make an empty output with the shape, scale, translation and unit of a volume.

    Parameters
    ----------
    path : str or path
        The Zarr folder to be made.
    source : Volume
        What the output is computed from.
    image : {"error", "confidence"}
        What the image of the output is.
    image_dtype : str
        Its dtype.
    labels : tuple of str
        Names of the label images, uint8.
    embedding : int, optional
        Number of channels of the embedding, float16; None for no embedding.
    provenance : mapping
        Whatever says how the output came about: run, settings, software; kept as JSON.
    chunk : tuple of int
        Chunks of all arrays along Z, Y and X, voxels.
    overwrite : bool
        Whether an older output of this program at the same path may be removed.
    version : {"0.5", "0.4"}
        Of NGFF: 0.5 is Zarr 3, 0.4 is Zarr 2.

    Raises
    ------
    OutputError
        If the path exists (without `overwrite`), is the input or inside it, or cannot be written to.
    """
    place = Path(path).expanduser()
    claim(place, source.source, overwrite=overwrite, ours=is_ours(place))
    facts = {
        "format": FORMAT,
        "kind": "prediction",
        "version": version,
        "image": image,
        "labels": list(labels),
        "embedding": embedding,
        "voxel_size": list(source.voxel_size),
        "translation": list(source.translation),
        "unit": "nanometer" if source.voxel_size_known else None,
        "complete": False,
        "provenance": json.loads(json.dumps(dict(provenance), default=str)),
    }
    with output_errors(place):
        group = zarr.create_group(str(place), zarr_format=3 if version == "0.5" else 2)
        group.attrs.update({ATTRIBUTE: facts})
        if labels:
            listed = {"labels": list(labels)}
            holder = group.create_group("labels")
            holder.attrs.update({"ome": {"version": "0.5", **listed}} if version == "0.5" else listed)
            for name in labels:
                holder.create_group(name)
        dtypes = [image_dtype, *["uint8"] * len(labels)]
        for one, dtype in zip(_images(group, facts), dtypes, strict=True):
            one.create(source.shape, chunk, dtype)
        if embedding:
            world = _world(facts)
            deep = MultiscaleImage(
                group.create_group("embedding"),
                World((1.0, *world.voxel_size), (0.0, *world.translation), world.unit),
                version,
                name="embedding",
                mode="mean",
                axes="czyx",
            )
            deep.create((embedding, *source.shape), (embedding, *(min(256, c) for c in chunk)), "float16")
    return Output(place, group)


def open_output(path: str | os.PathLike[str]) -> Output:
    """Open an output to go on with it.

    Raises
    ------
    OutputError
        If there is nothing, or it was not written by this program (or by another version of it).
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise OutputError(f"There is no output {place} to go on with; start without resuming.")
    if not is_ours(place):
        raise OutputError(
            f"{place} is no output of this program, or of another version of it; choose another path."
        )
    with output_errors(place):
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, "no write permission", str(place))
        group = zarr.open_group(str(place), mode="r+")
    if cast("Mapping[str, Any]", group.attrs[ATTRIBUTE]).get("kind") != "prediction":
        raise OutputError(f"{place} is an exported volume, not a prediction; choose another path.")
    return Output(place, group)


def is_ours(path: Path) -> bool:
    """Whether an output of this program, in the format that it knows, lies at a path."""
    return _facts_at(path).get("format") == FORMAT


def is_prediction(path: str | os.PathLike[str]) -> bool:
    """Whether the image at a path is an error or confidence map that a prediction of this program wrote."""
    facts = _facts_at(Path(path).expanduser())
    return facts.get("format") == FORMAT and facts.get("kind") == "prediction"


def _facts_at(path: Path) -> Mapping[str, Any]:
    """Return what this program noted in the group at a path; nothing where there is none, or not of ours."""
    if not path.is_dir():
        return {}
    try:
        facts = zarr.open_group(str(path), mode="r").attrs.get(ATTRIBUTE)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return facts if isinstance(facts, Mapping) else {}


def _world(facts: Mapping[str, Any]) -> World:
    return World(tuple(facts["voxel_size"]), tuple(facts["translation"]), facts["unit"])


def _images(group: zarr.Group, facts: Mapping[str, Any]) -> list[MultiscaleImage]:
    """Return the image and the label images, in order."""
    world, version = _world(facts), facts["version"]
    images = [MultiscaleImage(group, world, version, name=facts["image"], mode="mean")]
    for name in facts["labels"]:
        node = cast("zarr.Group", group[f"labels/{name}"])
        images.append(MultiscaleImage(node, world, version, name=name, mode="mode", label_source="../../"))
    return images
