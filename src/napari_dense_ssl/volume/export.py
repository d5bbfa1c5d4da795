"""Writing any stack as OME-Zarr: what File > Save and the export of samples use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.volume.multiscale import MultiscaleImage, Version, World
from napari_dense_ssl.volume.output import ATTRIBUTE, FORMAT, is_ours
from napari_dense_ssl.volume.places import claim, output_errors
from napari_dense_ssl.volume.pyramid import regions


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
    dtype = np.dtype(array.dtype)
    if len(array.shape) != 3 or 0 in array.shape:
        raise OutputError(f"An array of shape {tuple(array.shape)} cannot be written; expected (Z, Y, X).")
    if dtype.kind == "b" and labels:
        dtype = np.dtype(np.uint8)
    if dtype.kind not in ("iu" if labels else "iuf"):
        raise OutputError(
            f"{'Labels' if labels else 'Grey values'} of type {dtype} cannot be written; expected"
            f" {'integers' if labels else 'integers or floats'}: convert them first."
        )
    claim(place, None, overwrite=overwrite, ours=is_ours(place))
    world = World(voxel_size or (1.0, 1.0, 1.0), translation, "nanometer" if voxel_size else None)
    with output_errors(place):
        group = zarr.create_group(str(place), zarr_format=3 if version == "0.5" else 2)
        facts = {"format": FORMAT, "kind": "labels" if labels else "image"}
        group.attrs.update({ATTRIBUTE: {**facts, "complete": False}})
        image = MultiscaleImage(
            group,
            world,
            version,
            name=name or place.stem,
            mode="mode" if labels else "mean",
            label_source="" if labels else None,
        )
        level = image.create(tuple(array.shape), chunk, dtype)
        for region in regions(level.shape, _blocks(array, level.chunks)):
            level[region] = np.asarray(array[region])
        for _ in image.build_pyramid():
            pass
        group.attrs.update({ATTRIBUTE: {**facts, "complete": True}})
    return place


def _blocks(array: Any, chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Return multiples of the output's chunks that hold the input's, lest these be computed often."""
    given = getattr(array, "chunksize", None) or getattr(array, "chunks", None) or chunks
    if not all(isinstance(n, int) for n in given):
        given = chunks
    return tuple(-(-n // c) * c for n, c in zip(given, chunks, strict=True))
