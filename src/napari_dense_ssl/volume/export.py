"""Writing any stacks as OME-Zarr: what File > Save and the export of samples use.

One image lies in the group itself, with its label images in ``labels/NAME``; several images lie in groups
of their own inside it, each an OME-Zarr by itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.volume.class_file import NAME, SavedClasses, write_classes
from napari_dense_ssl.volume.class_labels import label_metadata
from napari_dense_ssl.volume.multiscale import MultiscaleImage, Version, World
from napari_dense_ssl.volume.output import ATTRIBUTE, FORMAT, is_ours
from napari_dense_ssl.volume.places import claim, output_errors
from napari_dense_ssl.volume.pyramid import regions


@dataclass(frozen=True)
class Part:
    """One image or label image to be written.

    Attributes
    ----------
    name : str
        Shown by viewers; the folder is called like it where there are several.
    array : array-like
        Anything with ``shape`` and ``dtype`` that may be sliced: numpy, dask, Zarr.
    world : World
        Where its voxels lie, for each axis.
    axes : str
        One letter for each axis, out of ``"tczyx"`` and in that order.
    labels : bool
        Whether the values are labels.
    facts : mapping
        Kept among the attributes under this program's name; as JSON has it.
    classes : SavedClasses, optional
        Of labels that are classes: names, colours and groups, which are written with them.
    """

    name: str
    array: Any
    world: World
    axes: str = "zyx"
    labels: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    classes: SavedClasses | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as they are written: truth values become 0 and 1."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return np.dtype(np.uint8) if dtype.kind == "b" else dtype

    def check(self) -> None:
        """Raise :class:`OutputError` unless this can be written."""
        shape = tuple(self.array.shape)
        if len(shape) != len(self.axes) or 0 in shape:
            raise OutputError(
                f"{self.name}: an array of shape {shape} cannot be written;"
                f" expected axes ({', '.join(self.axes.upper())}), none of them empty."
            )
        if self.dtype.kind not in ("iu" if self.labels else "iuf"):
            raise OutputError(
                f"{self.name}: {'labels' if self.labels else 'grey values'} of type {self.dtype} cannot be"
                f" written; expected {'integers' if self.labels else 'integers or floats'}:"
                " convert them first."
            )


def write_volume(
    path: str | os.PathLike[str],
    array: Any,
    voxel_size: tuple[float, float, float] | None,
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    labels: bool = False,
    chunk: tuple[int, int, int] = (1, 512, 512),
    overwrite: bool = False,
    version: Version = "0.5",
    name: str | None = None,
) -> Path:
    """Write a stack as an OME-Zarr image with its pyramid, chunk by chunk.

    Parameters
    ----------
    path : str or path
        The Zarr folder to be made.
    array : array-like, shape ``(Z, Y, X)``
        Anything with ``shape`` and ``dtype`` that may be sliced: numpy, dask, Zarr.
    voxel_size : tuple of float or None
        Along Z, Y and X in nm; None where it is not known.
    translation : tuple of float
        World coordinates of the centre of voxel 0, nm.
    labels : bool
        Whether the values are labels: coarser levels then take the most frequent value, and the group
        gets ``image-label`` metadata.
    chunk : tuple of int
        Along Z, Y and X, voxels.
    overwrite : bool
        Whether an older output of this program at the same path may be removed.
    version : {"0.5", "0.4"}
        Of NGFF.
    name : str, optional
        Shown by viewers; the path's stem by default.

    Returns
    -------
    Path
        The Zarr folder.

    Raises
    ------
    OutputError
        If the array is not three-dimensional, labels are no integers, or the output cannot be written.
    """
    place = Path(path).expanduser()
    world = World(voxel_size or (1.0, 1.0, 1.0), translation, "nanometer" if voxel_size else None)
    part = Part(name or place.stem, array, world, labels=labels)
    for _ in writing(place, [part], chunk=chunk, overwrite=overwrite, version=version):
        pass
    return place


def writing(
    path: str | os.PathLike[str],
    parts: Sequence[Part],
    *,
    chunk: tuple[int, int, int] = (1, 512, 512),
    overwrite: bool = False,
    version: Version = "0.5",
) -> Generator[tuple[int, int]]:
    """Write images and labels into one OME-Zarr, chunk by chunk, with their pyramids.

    Closed before its end, or stopped by an error, it removes what was written.

    Parameters
    ----------
    path : str or path
        The Zarr folder to be made.
    parts : sequence of Part
        At least one. Beside one image, labels are that image's; beside several, those of the first that has
        their shape and place, else of the first.
    chunk, overwrite, version
        See :func:`write_volume`.

    Yields
    ------
    tuple of int
        How many blocks are written, and how many there are.

    Raises
    ------
    OutputError
        If a part cannot be written, or the place cannot be written to.
    """
    place = Path(path).expanduser()
    for part in parts:
        part.check()
    claim(place, None, overwrite=overwrite, ours=is_ours(place))
    try:
        with output_errors(place):
            kind = "layers" if len(parts) > 1 else "labels" if parts[0].labels else "image"
            facts: dict[str, Any] = {"format": FORMAT, "kind": kind}
            group = zarr.create_group(str(place), zarr_format=3 if version == "0.5" else 2)
            group.attrs.update({ATTRIBUTE: {**facts, "complete": False}})
            images = list(_arrange(group, parts, version))
            levels = []
            for part, image in zip(parts, images, strict=True):
                chunks = ((1,) * len(part.axes) + chunk)[-len(part.axes) :]
                chunks = tuple(c if a in "zyx" else 1 for a, c in zip(part.axes, chunks, strict=True))
                levels.append(image.create(tuple(part.array.shape), chunks, part.dtype))
            blocks = [_blocks(part.array, to.chunks) for part, to in zip(parts, levels, strict=True)]
            total = sum(
                prod(-(-n // b) for n, b in zip(to.shape, block, strict=True))
                for to, block in zip(levels, blocks, strict=True)
            )
            total += sum(image.pyramid_chunks(whole=True) for image in images)
            done = 0
            for part, image, to, block in zip(parts, images, levels, blocks, strict=True):
                is_empty = getattr(part.array, "is_empty", None)  # of arrays that are nearly all 0
                for region in regions(to.shape, block):
                    if is_empty is None or not is_empty(region):
                        to[region] = np.asarray(part.array[region])
                    done += 1
                    yield done, total
                for _ in image.build_pyramid():
                    done += 1
                    yield done, total
                if part.classes is not None:
                    write_classes(place / to.path / NAME, part.classes)
            group.attrs.update({ATTRIBUTE: {**facts, "complete": True, **_merged(parts)}})
            if done < total:  # where nothing was written, nothing is made coarser
                yield total, total
    except BaseException:  # an interrupt and a closed generator too: half an image is of no use
        shutil.rmtree(place, ignore_errors=True)
        raise


def _arrange(group: zarr.Group, parts: Sequence[Part], version: Version) -> Iterator[MultiscaleImage]:
    """Give each part its group, and list label images where readers look for them."""
    names = _folders(parts)
    images = [i for i, part in enumerate(parts) if not part.labels]
    alone = len(parts) == 1 or len(images) == 1
    homes = {i: "" if alone else names[i] for i in (images or range(len(parts)))}
    owned: dict[int, list[str]] = {}
    for i, part in enumerate(parts):
        if i not in homes:
            alike = (k for k in images if _alike(parts[k], part))
            owner = next(alike, images[0])
            homes[i] = f"{homes[owner]}/labels/{names[i]}".lstrip("/")
            owned.setdefault(owner, []).append(names[i])
    for path in homes.values():
        if path:
            group.require_group(path)
    for owner, listed in owned.items():
        holder = group[f"{homes[owner]}/labels".lstrip("/")]
        holder.attrs.update(
            {"ome": {"version": "0.5", "labels": listed}} if version == "0.5" else {"labels": listed}
        )
    for i, part in enumerate(parts):
        yield MultiscaleImage(
            cast("zarr.Group", group[homes[i]]) if homes[i] else group,
            part.world,
            version,
            name=part.name,
            mode="mode" if part.labels else "mean",
            label_source=("../../" if "labels/" in homes[i] else "") if part.labels else None,
            axes=part.axes,
            label_metadata=None if part.classes is None else label_metadata(part.classes.book),
        )


def _alike(image: Part, labels: Part) -> bool:
    return tuple(image.array.shape) == tuple(labels.array.shape) and image.world == labels.world


def _folders(parts: Sequence[Part]) -> list[str]:
    """Return a different name for each part that every file system and store takes."""
    names: list[str] = []
    for part in parts:
        plain = (
            "".join(c if c.isalnum() or c in "-_." else "_" for c in part.name).strip("._")[:80] or "image"
        )
        # "labels" means something to readers; some file systems do not tell cases apart
        taken = {"labels", *(name.lower() for name in names)}
        name, count = plain, 1
        while name.lower() in taken:
            count += 1
            name = f"{plain}_{count}"
        names.append(name)
    return names


def _merged(parts: Sequence[Part]) -> dict[str, Any]:
    made = {part.name: dict(part.facts) for part in parts if part.facts}
    return {"parts": made} if made else {}


def _blocks(array: Any, chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Return multiples of the output's chunks that hold the input's, lest these be computed often."""
    given = getattr(array, "chunksize", None) or getattr(array, "chunks", None) or chunks
    if not all(isinstance(n, int) for n in given):
        given = chunks
    return tuple(-(-n // c) * c for n, c in zip(given, chunks, strict=True))
