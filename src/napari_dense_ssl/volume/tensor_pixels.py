"""Pixels of an array in a key-value store, read through tensorstore."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.pixels import Index
from napari_dense_ssl.volume.stores import Store, context, explained, tensorstore

_PATIENCE = 1.0
"""An empty box is believed where the volume was seen to exist within that time, s."""


class TensorPixels:
    """An array in a store; safe to read from several threads.

    Parameters
    ----------
    array : tensorstore.TensorStore
        Its axes in the order of the others: slowest first.
    place : str
        Where it lies, for messages.
    is_there : callable
        Whether its metadata still exist: a chunk that is missing reads as 0 by the formats' own rules, and so
        would all of a volume that was deleted meanwhile.
    """

    def __init__(self, array: Any, place: str, is_there: Callable[[], bool]) -> None:
        ts = tensorstore()
        self._array = array[ts.d[:].translate_to[0]] if array.rank else array
        self._place = place
        self._is_there, self._seen = is_there, time.monotonic()
        self.shape: tuple[int, ...] = tuple(int(n) for n in self._array.shape)
        self.dtype: np.dtype[Any] = np.dtype(self._array.dtype.numpy_dtype)
        chunk = self._array.chunk_layout.read_chunk.shape or self.shape
        self.chunks: tuple[int, ...] = tuple(
            int(c) if c else n for c, n in zip(chunk, self.shape, strict=True)
        )

    def read(self, index: Index) -> np.ndarray[Any, Any]:
        """Return the values in a box: one slice with step 1 for each axis.

        Raises
        ------
        VolumeError
            If the store does not answer, refuses, or the data are damaged.
        """
        try:
            values = np.asarray(self._array[index].read().result())
            if not values.any() and time.monotonic() - self._seen > _PATIENCE:
                if not self._is_there():
                    raise VolumeError(
                        f"{self._place} is gone: its metadata can no longer be found; put it back and go on"
                        " with --resume."
                    )
                self._seen = time.monotonic()
            return values
        except (ValueError, RuntimeError, OSError, KeyError) as error:
            where = ",".join(f"{s.start}:{s.stop}" for s in index)
            raise VolumeError(explained(f"The voxels {where} of {self._place}", error)) from error


def open_array(store: Store, driver: str, key: str = "", **spec: Any) -> Any:
    """Open an array of a store for reading.

    Chunks are taken as not changing while the program runs: what is in the cache is not asked for again.

    Parameters
    ----------
    store : Store
    driver : str
        tensorstore's name of the format.
    key : str
        Folder of the array in the store.
    **spec
        More of tensorstore's specification.

    Raises
    ------
    VolumeError
        If it is not there, or its metadata cannot be read.
    """
    ts = tensorstore()
    full = {"driver": driver, "kvstore": store.spec(key), "recheck_cached_data": False, **spec}
    return store.attempt(lambda: ts.open(full, read=True, context=context()).result())
