"""Label volumes from wherever they are, with their place in the world where it is known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.class_book import MOST_CLASSES, ClassBook
from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.volume import Volume, list_labels, open_volume
from napari_dense_ssl.volume.class_labels import found_map_classes
from napari_dense_ssl.volume.opening import is_url
from napari_dense_ssl.volume.reader import SAMPLE_PREFIX


@dataclass(frozen=True, eq=False)
class LabelSource:
    """Labels that are read a few slices at a time.

    Attributes
    ----------
    array : array-like, shape (Z, Y, X)
        Cut with slices.
    name : str
        What messages call it.
    voxel_size : VoxelSize or None
        In nm; None where it is not known.
    translation : tuple of float
        World coordinates of the centre of voxel 0, nm.
    file : str or None
        Where it lies on disk.
    book : ClassBook or None
        Groups and names of its labels (class + 1), where they are known.
    """

    array: Any
    name: str
    voxel_size: VoxelSize | None = None
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    file: str | None = None
    book: ClassBook | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along Z, Y and X."""
        z, y, x = (int(n) for n in self.array.shape)
        return z, y, x

    def planes(self, chosen: slice) -> NDArray[Any]:
        """Return whole slices, shape (n, Y, X)."""
        return np.asarray(self.array[chosen])


def label_source(source: Any, label: str, name: str) -> LabelSource:
    """Open labels.

    Parameters
    ----------
    source : path, Volume, LabelSource or array
        A path may be an OME-Zarr that holds a ``labels`` group, such as our predictions.
    label : str
        Which label image of such a group.
    name : str
        What messages call an array.

    Raises
    ------
    ScoreError
        If there is no such label image, it is a colour image, or an array has other axes.
    VolumeError
        If a path cannot be opened.
    """
    if isinstance(source, LabelSource):
        return source
    if isinstance(source, str | os.PathLike):
        source = open_volume(_inside(os.fspath(source), label))
    if isinstance(source, Volume):
        if source.colour:
            raise ScoreError(
                f"{source.source} is a colour image, expected numbers of labels; save it as a label image of "
                "one channel."
            )
        size = source.voxel_size if source.voxel_size_known else None
        file = None if source.format == "array" else source.source
        return LabelSource(source.data, source.source, size, source.translation, file, _book_of(source))
    array = source if hasattr(source, "shape") else np.asarray(source)
    if len(array.shape) == 2:
        array = array[None]
    if len(array.shape) != 3:
        raise ScoreError(
            f"Labels have the axes Z, Y, X (or Y, X), but an array of shape {tuple(array.shape)} came; "
            "choose one channel and one time point."
        )
    return LabelSource(array, name)


def book_of_names(names: Mapping[int, str]) -> ClassBook | None:
    """Return a book in which labels have these names, each a group by itself; None where none can."""
    kept = {label: name for label, name in names.items() if 1 <= label <= MOST_CLASSES and name}
    if not kept:
        return None
    book = ClassBook(max(kept))
    for label, name in kept.items():
        book = book.rename(label - 1, name)
    return book


def _book_of(volume: Volume) -> ClassBook | None:
    """Return what lies beside a label image of an OME-Zarr, or what the sample's labels are called."""
    if volume.source.startswith(f"{SAMPLE_PREFIX}em-labels"):
        from napari_dense_ssl.volume.synthetic import CLASSES  # scipy: .2 s that only samples need

        return book_of_names(CLASSES)
    if not volume.format.startswith("OME-Zarr"):
        return None
    saved = found_map_classes(volume.source, volume.dataset)
    return None if saved is None else saved.book


def _inside(path: str, label: str) -> str:
    """Return the path of a label image where one is held by an OME-Zarr, else the path itself."""
    if is_url(path):
        names = [name.removeprefix("labels/") for name in list_labels(path)]
        if names and label not in names:
            raise ScoreError(f"{path} has no label image named {label!r}; it holds: {', '.join(names)}.")
        return f"{path.rstrip('/')}/labels/{label}" if names else path
    inside = Path(path) / "labels"
    if not inside.is_dir():
        return path
    if not (inside / label).is_dir():
        held = ", ".join(sorted(p.name for p in inside.iterdir() if p.is_dir())) or "none"
        raise ScoreError(f"{path} has no label image named {label!r}; it holds: {held}.")
    return str(inside / label)
