"""Opening any volume by its path."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.volume.reader import SAMPLE_PREFIX, Found, Reader
from napari_dense_ssl.volume.registry import FORMATS, READERS
from napari_dense_ssl.volume.selection import planar
from napari_dense_ssl.volume.volume import Factors, Volume, ratio
from napari_dense_ssl.volume.zarr_reader import ZarrReader, label_images

NO_SIZE = "It gives no voxel size; 1 nm is taken."
"""The note on a volume whose file says nothing of its voxels."""


def open_volume(
    source: str | os.PathLike[str],
    *,
    dataset: str | None = None,
    voxel_size: tuple[float, float, float] | None = None,
    channel: int | None = None,
    timepoint: int | None = None,
) -> Volume:
    """Open a volume lazily: metadata only, whatever its size.

    Parameters
    ----------
    source : str or path
        An OME-Zarr, Zarr, N5 or Neuroglancer precomputed folder, a TIFF or PNG, a folder of TIFF or PNG
        slices, an HDF5 or MRC file; the URL of one of the first four (``http(s)://``, ``s3://``,
        ``gs://``); or ``"sample:em"`` and ``"sample:em-labels"``, optionally with
        ``?shape=24x512x512&seed=1``.
    dataset : str, optional
        Path inside a container (HDF5, Zarr group), see :func:`list_datasets`.
    voxel_size : tuple of float, optional
        Edge lengths along Z, Y and X in nm, in place of what the file says.
    channel, timepoint : int, optional
        Which to take where there are several.

    Returns
    -------
    Volume
        With axes ``(Z, Y, X)``; a 2-D image is one slice, of colours it has the luminance.

    Raises
    ------
    DatasetChoiceError
        If a container holds several datasets and none was named.
    PlaneChoiceError
        If there are several channels or time points and none was named.
    VolumeError
        If there is nothing at that path, it is no image, is damaged, has other axes than a stack of slices,
        or values that are no grey values.
    """
    if voxel_size is not None and not (np.all(np.isfinite(voxel_size)) and min(voxel_size) > 0):
        raise VolumeError(
            f"The voxel size {voxel_size} cannot be used; give three positive numbers in nm (Z, Y, X)."
        )
    if str(source).startswith(SAMPLE_PREFIX):
        from napari_dense_ssl.volume.sample import open_sample  # scipy: .2 s that only samples need

        found, name, text = open_sample(str(source)), str(source), str(source)
    elif is_url(source):
        from napari_dense_ssl.volume.remote_reader import open_remote  # tensorstore: an extra

        text = str(source).rstrip("/")
        found = open_remote(text, dataset)
        name = text + (f":{found.dataset}" if found.dataset else "")
    else:
        path = Path(source).expanduser()
        try:
            found = _reader(path).open(path, dataset)
        except PermissionError as error:
            raise _forbidden(path) from error
        except OSError as error:
            raise VolumeError(
                f"{path} cannot be read ({error}); check the file and the disk it is on."
            ) from error
        name, text = f"{path}" + (f":{found.dataset}" if found.dataset else ""), str(path)
    pixels, notes = planar(found, name, channel=channel, timepoint=timepoint)
    size, known, more = _voxel_size(found, voxel_size)
    factors = _factors(found, [level.shape for level in pixels])
    z, y, x = (found.translation.get(axis, 0.0) for axis in "zyx")
    return Volume.from_pixels(
        pixels,
        factors,
        voxel_size=size,
        voxel_size_known=known,
        translation=(z, y, x),
        format=found.format,
        source=text,
        dataset=found.dataset,
        notes=(*found.notes, *notes, *more),
        labels=found.labels,
        opened={
            "source": text if is_url(text) or text.startswith(SAMPLE_PREFIX) else str(Path(text).absolute()),
            "dataset": dataset,
            "voxel_size": voxel_size,
            "channel": channel,
            "timepoint": timepoint,
        },
    )


def list_datasets(source: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the volumes in a container (HDF5 file, Zarr group), to choose from; empty for other formats.

    Raises
    ------
    VolumeError
        If there is nothing at that path, or it cannot be read.
    """
    if str(source).startswith(SAMPLE_PREFIX):
        return ()
    if is_url(source):
        from napari_dense_ssl.volume.remote_reader import remote_datasets

        return remote_datasets(str(source))
    path = Path(source).expanduser()
    try:
        return _reader(path).datasets(path)
    except PermissionError as error:
        raise _forbidden(path) from error


def list_labels(source: str | os.PathLike[str], dataset: str | None = None) -> tuple[str, ...]:
    """Return the datasets that hold the label images of an OME-Zarr image; empty where there are none.

    Parameters
    ----------
    source : str or path
        As for :func:`open_volume`.
    dataset : str, optional
        Where the image lies inside the Zarr folder.

    Raises
    ------
    VolumeError
        If there is nothing at that path, or it cannot be read.
    """
    if str(source).startswith(SAMPLE_PREFIX):
        return ()
    if is_url(source):
        from napari_dense_ssl.volume.remote_reader import remote_labels

        return remote_labels(str(source), dataset)
    path = Path(source).expanduser()
    reader = _reader(path)
    return label_images(path, dataset) if isinstance(reader, ZarrReader) else ()


def is_url(source: str | os.PathLike[str]) -> bool:
    """Whether a source is a remote location and no path of this machine."""
    return isinstance(source, str) and "://" in source


def _reader(path: Path) -> Reader:
    """Return the reader for a path, or say why there is none."""
    if not path.exists():
        parent = path.absolute().parent
        hint = "check the spelling" if parent.is_dir() else f"the folder {parent} does not exist either"
        raise VolumeError(f"There is no file or folder {path}; {hint}.")
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise _forbidden(path)
    for reader in READERS:
        if reader.accepts(path):
            return reader
    if path.is_dir():
        raise VolumeError(
            f"The folder {path} holds no images; expected TIFF or PNG slices, or Zarr metadata; choose the"
            " folder that holds the slices themselves."
        )
    raise VolumeError(f"{path} has a format that is not known; expected {FORMATS}.")


def _forbidden(path: Path) -> VolumeError:
    return VolumeError(
        f"You may not read {path}; ask its owner for permission, or copy it to a place of your own."
    )


def _voxel_size(found: Found, given: tuple[float, float, float] | None) -> tuple[VoxelSize, bool, list[str]]:
    """Return the voxel size in nm, whether it is known, and what the user should know of it."""
    if given is not None:
        return VoxelSize(*(float(n) for n in given)), True, []
    scale = found.levels[0].scale
    if all(axis in scale for axis in "zyx"):
        size = VoxelSize(scale["z"], scale["y"], scale["x"])
        if found.unit_known:
            return size, True, []
        # numbers without a unit keep at least the proportions
        return size, False, ["Its voxel size has no unit; the numbers are taken as nm."]
    if "y" in scale and "x" in scale:
        note = "It gives no distance between slices; that within slices is taken."
        return VoxelSize(scale["y"], scale["y"], scale["x"]), False, [note]
    return VoxelSize(1.0, 1.0, 1.0), False, [NO_SIZE]


def _factors(found: Found, shapes: list[tuple[int, int, int]]) -> list[Factors]:
    """How much coarser each level is: from the scales where they are given, else from the shapes."""
    first = found.levels[0].scale
    factors: list[Factors] = []
    for level, shape in zip(found.levels, shapes, strict=True):
        by_shape = ratio(shapes[0], shape)
        z, y, x = (
            level.scale[a] / first[a] if a in level.scale and a in first else f
            for a, f in zip("zyx", by_shape, strict=True)
        )
        factors.append((z, y, x))
    return factors
