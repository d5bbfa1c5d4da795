"""HDF5: one dataset of a file, named or the only volume in it."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Any

import h5py

from napari_dense_ssl.core.errors import DatasetChoiceError, VolumeError
from napari_dense_ssl.volume.attributes import world_from_attributes
from napari_dense_ssl.volume.pixels import ArrayPixels
from napari_dense_ssl.volume.reader import Found, Level
from napari_dense_ssl.volume.selection import unnamed_axes

_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".ilp")


class Hdf5Reader:
    """Reads chunked and contiguous datasets of an HDF5 file."""

    def accepts(self, path: Path) -> bool:
        """Whether a file is called HDF5, or is."""
        return path.is_file() and (path.suffix.lower() in _SUFFIXES or bool(h5py.is_hdf5(path)))

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return the names of all numeric datasets of three or more axes; where none is, those of two."""
        with _open(path) as file:
            return _volumes(file)

    def open(self, path: Path, dataset: str | None) -> Found:
        """Open a dataset; the file is closed with the last pixels that read from it."""
        file = _open(path)
        try:
            array, name = self._dataset(file, path, dataset)
            attributes = {**dict(file.attrs), **dict(array.parent.attrs), **dict(array.attrs)}
            scale, translation = world_from_attributes(attributes)
            # h5py serialises its calls; the lock keeps waiting threads from holding up the others' Python
            pixels = ArrayPixels(array, array.chunks, threading.Lock())
        except (OSError, RuntimeError, KeyError) as error:
            file.close()
            raise VolumeError(f"The HDF5 file {path} is damaged ({error}); copy it again.") from error
        except VolumeError:
            file.close()
            raise
        weakref.finalize(pixels, file.close)
        level = Level(pixels, scale)
        return Found("HDF5", unnamed_axes(array.shape), (level,), bool(scale), translation, name)

    def _dataset(self, file: h5py.File, path: Path, dataset: str | None) -> tuple[h5py.Dataset, str]:
        names = _volumes(file)
        listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        if dataset is None:
            if len(names) > 1:
                raise DatasetChoiceError(
                    f"{path} holds {len(names)} datasets and none was named; choose one of: {listed}.", names
                )
            if not names:
                raise VolumeError(
                    f"The HDF5 file {path} holds no dataset with axes Z, Y, X or Y, X; choose another file."
                )
            dataset = names[0]
        node = file.get(dataset)
        if not isinstance(node, h5py.Dataset):
            what = "is a group" if isinstance(node, h5py.Group) else "is not there"
            raise VolumeError(f"In {path} the dataset {dataset!r} {what}; choose one of: {listed or 'none'}.")
        return node, node.name.lstrip("/")


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r", locking="best-effort")
    except PermissionError:
        raise
    except OSError as error:
        reason = "truncated or damaged" if h5py.is_hdf5(path) else "no HDF5 file, whatever its name says"
        raise VolumeError(f"{path} is {reason} ({error}); copy it again, or choose another file.") from error


def _volumes(file: h5py.File) -> tuple[str, ...]:
    stacks: list[str] = []
    images: list[str] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim >= 2 and node.dtype.kind in "uifbc":
            (stacks if node.ndim > 2 else images).append(name)

    file.visititems(visit)
    return tuple(stacks or images)
