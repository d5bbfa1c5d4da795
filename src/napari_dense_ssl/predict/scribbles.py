"""A user's scribbles: a sparse label volume, read slab by slab and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScribbleError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.sparse_labels import SparseLabels
from napari_dense_ssl.volume import Volume, open_volume

_SLAB_PIXELS = 1 << 24


@dataclass(frozen=True, slots=True)
class Scribbles:
    """The pixels that a user has named.

    Attributes
    ----------
    places : ndarray, shape (N, 3), int64
        Voxel coordinates z, y, x, in the order of the volume.
    classes : ndarray, shape (N,), int64
        Index into `ids`.
    ids : ndarray, shape (C,), uint8
        The user's own numbers, ascending, C >= 2.
    """

    places: NDArray[np.int64]
    classes: NDArray[np.int64]
    ids: NDArray[np.uint8]

    @classmethod
    def of(cls, places: NDArray[np.int64], labels: NDArray[Any]) -> Scribbles:
        """Make scribbles of voxels ``(N, 3)`` in the order of the volume and their labels ``(N,)``, 1 to 255.

        Raises
        ------
        ScribbleError
            If there is none, or all have the same label.
        """
        if len(labels) == 0:
            raise ScribbleError(
                "There are no scribbles (all values are 0); draw some pixels of two or more classes."
            )
        ids, classes = np.unique(labels.astype(np.uint8), return_inverse=True)
        if len(ids) == 1:
            raise ScribbleError(
                f"All scribbles have the number {ids[0]}, but to tell classes apart at least two are needed; "
                "scribble on something else with another number."
            )
        return cls(places, classes.astype(np.int64), ids)

    def check(self, region: Box) -> None:
        """Raise :class:`ScribbleError` where some lie outside of a region."""
        where = self.places
        outside = int(((where < region.start) | (where >= region.stop)).any(axis=1).sum())
        if outside:
            raise ScribbleError(
                f"{outside} of {len(where)} scribbled pixels lie outside the region {region}; choose a "
                "region that holds them all, or remove them."
            )

    def fingerprint(self) -> str:
        """Return a short hash, which a segmentation is recorded with."""
        digest = hashlib.sha256(self.places.tobytes())
        digest.update(self.ids[self.classes].tobytes())
        return digest.hexdigest()[:16]

    def part(self, chosen: NDArray[np.bool_]) -> Scribbles:
        """Return those pixels that are chosen ``(N,)``; classes keep their numbers."""
        return Scribbles(self.places[chosen], self.classes[chosen], self.ids)

    def limited(self, most: int, seed: int) -> Scribbles:
        """Return at most that many pixels of each class, drawn at random."""
        rng = np.random.default_rng(seed)
        kept: list[NDArray[np.int64]] = []
        for k in range(len(self.ids)):
            found = np.flatnonzero(self.classes == k)
            kept.append(found if len(found) <= most else rng.choice(found, most, replace=False))
        order = np.sort(np.concatenate(kept))
        return Scribbles(self.places[order], self.classes[order], self.ids)


def read_scribbles(
    source: str | os.PathLike[str] | Volume | Scribbles | Any, shape: Sequence[int], region: Box
) -> Scribbles:
    """Read a label volume and keep its labelled pixels.

    Parameters
    ----------
    source : path, Volume, array, axes (Z, Y, X) or (Y, X) for one slice, or Scribbles
        0 means 'not scribbled'; a path is anything that ``open_volume`` opens, such as ``sample:em-labels``.
        Scribbles are only checked.
    shape : sequence of int
        Shape of the volume that was scribbled on.
    region : Box
        Where scribbles may lie.

    Raises
    ------
    ScribbleError
        If the shape differs, the values are colours or no whole numbers from 0 to 255, there is no scribble,
        all have the same number, or some lie outside the region.
    VolumeError
        If a path cannot be opened.
    """
    if isinstance(source, Scribbles):
        source.check(region)
        return source
    array = _array(source)
    if tuple(array.shape) != tuple(shape):
        raise ScribbleError(
            f"The scribbles have the shape {tuple(array.shape)}, the volume {tuple(shape)} (Z, Y, X); draw "
            "them on the volume itself, or cut both to the same part."
        )
    if isinstance(array, SparseLabels):
        scribbles = Scribbles.of(*array.places())
        scribbles.check(region)
        return scribbles
    if array.dtype.kind not in "bui" and not _from_file(source):
        raise _no_labels(str(array.dtype))
    step = max(1, _SLAB_PIXELS // max(1, shape[1] * shape[2]))
    places, values = [], []
    for z in range(0, shape[0], step):
        slab = np.asarray(array[z : z + step])
        found = np.nonzero(slab)
        named = slab[found]
        if not (np.isfinite(named).all() and (named == np.round(named)).all()):
            raise _no_labels(str(slab.dtype))
        places.append(np.stack(found, axis=1) + np.array([z, 0, 0]))
        values.append(named)
    where, label = np.concatenate(places).astype(np.int64), np.concatenate(values)
    if len(label) and (label.min() < 0 or label.max() > 255):
        raise ScribbleError(
            f"The scribbles hold the value {label.min() if label.min() < 0 else label.max()}, but a "
            "segmentation holds 1 to 255 (uint8, 0 is 'not predicted'); renumber the classes."
        )
    scribbles = Scribbles.of(where, label)
    scribbles.check(region)
    return scribbles


def _array(source: Any) -> Any:
    if isinstance(source, str | os.PathLike):
        source = open_volume(source)
    if isinstance(source, Volume):
        return labels_of(source).data
    array = source if hasattr(source, "shape") and hasattr(source, "dtype") else np.asarray(source)
    return array[None] if len(array.shape) == 2 else array


def labels_of(volume: Volume) -> Volume:
    """Return a volume whose values may be labels.

    Raises
    ------
    ScribbleError
        If it is a colour image: numbers of labels cannot be told from colours.
    """
    if volume.colour:
        raise ScribbleError(
            f"The scribbles in {volume.source} are a colour image, expected numbers of labels (0 is 'not "
            "scribbled'); save them as a label image of one channel."
        )
    return volume


def _from_file(source: Any) -> bool:
    """Whether a reader may have changed the dtype, so that only the values tell if these are labels."""
    return isinstance(source, str | os.PathLike | Volume)


def _no_labels(dtype: str) -> ScribbleError:
    return ScribbleError(
        f"The scribbles hold {dtype} values that are no labels; expected whole numbers, 0 where nothing is "
        "scribbled."
    )
