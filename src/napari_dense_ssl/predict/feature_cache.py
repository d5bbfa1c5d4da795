"""Features of what was looked at, in bounded memory; and those of single pixels, which are kept for good."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.pixel_features import picked, within

Features = NDArray[np.float16]


class FeatureCache:
    """Features of windows, ``(D, Y, X)`` in half precision; what was used longest ago makes way for new.

    Used by one thread, that of the job.

    Parameters
    ----------
    limit : int
        Bytes that it may take. What is in view is never dropped, even where it alone takes more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        self._kept: OrderedDict[Box, Features] = OrderedDict()
        self._in_view: frozenset[Box] = frozenset()

    def __contains__(self, box: Box) -> bool:
        return box in self._kept

    def look(self, boxes: Iterable[Box]) -> None:
        """Say which windows are in view."""
        self._in_view = frozenset(boxes)

    def get(self, box: Box) -> Features | None:
        """Return the features of a window's box, None where they are not there."""
        found = self._kept.get(box)
        if found is not None:
            self._kept.move_to_end(box)
        return found

    def put(self, box: Box, features: Features) -> None:
        """Keep the features of a window's box."""
        before = self._kept.pop(box, None)
        self.nbytes += features.nbytes - (0 if before is None else before.nbytes)
        self._kept[box] = features
        for old in [b for b in self._kept if b not in self._in_view and b != box]:
            if self.nbytes <= self.limit:
                return
            self.nbytes -= self._kept.pop(old).nbytes

    def has_room(self, count: int) -> bool:
        """Whether as many more windows like those that are there fit in beside what is in view."""
        if not self._kept:
            return True
        each = max(features.nbytes for features in self._kept.values())
        return (len(self._in_view) + count) * each <= self.limit


class PixelRows:
    """Features of single voxels, by their place; a few thousand voxels are a few megabytes.

    Parameters
    ----------
    shape : tuple of int
        Of the volume.
    channels : int
        D, features of a voxel.
    """

    def __init__(self, shape: tuple[int, int, int], channels: int) -> None:
        self._shape = shape
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)
        self._rows: Features = np.zeros((0, channels), np.float16)

    def known(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of which voxels ``(N, 3)`` the features are there."""
        return self._found(self._flat(places))[1]

    def add(self, box: Box, features: Features, wanted: NDArray[np.int64]) -> None:
        """Keep those of a window's features ``(D, Y, X)`` that belong to wanted voxels ``(N, 3)``."""
        mine = wanted[within(wanted, box)]
        mine = mine[~self.known(mine)]
        if not len(mine):
            return
        keys, first = np.unique(self._flat(mine), return_index=True)
        rows = picked(features, box, mine[first])
        joined = np.concatenate([self._keys, keys])
        order = np.argsort(joined, kind="stable")
        self._keys = joined[order]
        self._rows = np.concatenate([self._rows, rows])[order]

    def rows(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features ``(N, D)`` of voxels that are all known."""
        index, known = self._found(self._flat(places))
        if not known.all():
            raise KeyError(f"{int((~known).sum())} of {len(places)} voxels have no features yet")
        return self._rows[index].astype(np.float32)

    def _flat(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        _, y, x = self._shape
        flat: NDArray[np.int64] = (places[:, 0] * y + places[:, 1]) * x + places[:, 2]
        return flat

    def _found(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        if not len(self._keys):
            return np.zeros(len(keys), np.intp), np.zeros(len(keys), bool)
        index = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return index, self._keys[index] == keys
