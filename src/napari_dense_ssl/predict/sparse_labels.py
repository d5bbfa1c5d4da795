"""Labels of a volume of any size of which only the blocks that were painted on exist."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScribbleError

BLOCK = 256
"""Edge of the squares of one slice that are kept as a whole, px."""

MOST_VOXELS = 10**9
"""More than so many are not read at once, as a 3-D view would: a gigabyte of zeros for a few strokes."""

_Key = tuple[int, int, int]


class SparseLabels:
    """An array ``(Z, Y, X)`` of bytes, 0 until it is written to; what tools that paint ask of an array.

    napari 0.9 paints by reading the brush's box with slices, changing what it was given, and writing the
    box back; filling reads a slice; undoing writes boxes; ``data_setitem`` reads and writes at arrays of
    indices. All of these work, and each write is told to who listens, which no event of a Labels layer
    does for an undone stroke. Reading gives copies. Any thread may use it.

    Parameters
    ----------
    shape : tuple of int
        ``(Z, Y, X)``.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self._lock = threading.RLock()
        self._blocks: dict[_Key, NDArray[np.uint8]] = {}
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    def of(cls, array: Any) -> Self:
        """Copy the labels of an array-like ``(Z, Y, X)``, or ``(Y, X)`` for one slice, slice by slice.

        Raises
        ------
        ScribbleError
            If it has other axes, or values that are no whole numbers from 0 to 255.
        """
        if len(array.shape) == 2:
            array = array[None]
        if len(array.shape) != 3:
            raise ScribbleError(
                f"The labels have the shape {tuple(array.shape)}; expected a stack of slices (Z, Y, X)."
            )
        z, y, x = (int(n) for n in array.shape)
        made = cls((z, y, x))
        for i in range(z):
            plane = np.asarray(array[i])
            if plane.any():
                made[i] = as_bytes(plane)
        return made

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return len(self._blocks) * BLOCK * BLOCK

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Shape of a block."""
        return 1, BLOCK, BLOCK

    def listen(self, told: Callable[[], None]) -> None:
        """Call a function after each write, in the thread that writes."""
        self._listeners.append(told)

    def unlisten(self, told: Callable[[], None]) -> None:
        """Call it no more."""
        if told in self._listeners:
            self._listeners.remove(told)

    def is_empty(self, region: tuple[slice, ...]) -> bool:
        """Whether nothing was painted in a region (of slices with explicit bounds); reads no pixel."""
        z, y, x = region
        with self._lock:
            return not any(
                z.start <= k[0] < z.stop
                and k[1] * BLOCK < y.stop
                and (k[1] + 1) * BLOCK > y.start
                and k[2] * BLOCK < x.stop
                and (k[2] + 1) * BLOCK > x.start
                for k in self._blocks
            )

    def places(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return coordinates ``(N, 3)`` and values ``(N,)`` of labelled voxels, in the volume's order."""
        found: list[NDArray[np.int64]] = []
        values: list[NDArray[np.uint8]] = []
        with self._lock:
            for (z, by, bx), block in self._blocks.items():
                y, x = np.nonzero(block)
                values.append(block[y, x])
                found.append(np.stack([np.full(len(y), z), y + by * BLOCK, x + bx * BLOCK], axis=1))
        if not found:
            return np.zeros((0, 3), np.int64), np.zeros(0, np.uint8)
        where, label = np.concatenate(found).astype(np.int64), np.concatenate(values)
        order = np.lexsort((where[:, 2], where[:, 1], where[:, 0]))
        return where[order], label[order]

    def clear(self) -> None:
        """Set everything to 0."""
        with self._lock:
            self._blocks.clear()
        self._tell()

    # -- as an array -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        index = self._index(key)
        if index is None:
            return self._values_at(self._broadcast(key))
        bounds, kept, steps = index
        self._check_room([hi - lo for lo, hi in bounds])
        out = np.zeros(tuple(hi - lo for lo, hi in bounds), np.uint8)
        with self._lock:
            for block, inside, outside in self._overlaps(bounds):
                out[outside] = block[inside]
        result = out[tuple(slice(None, None, s) if k else 0 for k, s in zip(kept, steps, strict=True))]
        return result if result.ndim else result[()]

    def __setitem__(self, key: Any, value: Any) -> None:
        index = self._index(key)
        if index is None:
            self._set_at(self._broadcast(key), np.asarray(value))
        else:
            bounds, kept, steps = index
            shape = tuple(
                len(range(lo, hi, s)) for (lo, hi), k, s in zip(bounds, kept, steps, strict=True) if k
            )
            values = np.broadcast_to(np.asarray(value).astype(np.uint8, copy=False), shape)
            full = values[tuple(slice(None) if k else None for k in kept)]
            if any(s != 1 for s in steps):
                axes = (range(lo, hi, s) for (lo, hi), s in zip(bounds, steps, strict=True))
                self._set_at(np.ix_(*axes), full)
            else:
                self._write(bounds, full)
        self._tell()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        values: NDArray[Any] = self[:]
        return values if dtype is None else values.astype(dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = type(self)(self.shape)
        with self._lock:
            made._blocks = {key: block.copy() for key, block in self._blocks.items()}
        return made

    def _tell(self) -> None:
        for told in tuple(self._listeners):
            told()

    def _index(self, key: Any) -> tuple[list[tuple[int, int]], list[bool], list[int]] | None:
        """Return for each axis its bounds, whether it is kept, and its step; None for arrays of indices."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(k is Ellipsis for k in keys):
            place = next(i for i, k in enumerate(keys) if k is Ellipsis)
            keys[place : place + 1] = [slice(None)] * (3 - len(keys) + 1)
        keys += [slice(None)] * (3 - len(keys))
        if len(keys) != 3:
            raise IndexError(f"{len(keys)} indices for an array of 3 axes")
        bounds, kept, steps = [], [], []
        for k, n in zip(keys, self.shape, strict=True):
            if isinstance(k, slice):
                low, high, step = k.indices(n)
                if step < 0:
                    return None
                bounds.append((low, max(low, high)))
                steps.append(step)
            elif isinstance(k, int | np.integer) or (isinstance(k, np.ndarray) and k.ndim == 0):
                place = int(k) + (n if k < 0 else 0)
                if not 0 <= place < n:
                    raise IndexError(f"index {int(k)} is outside of an axis of {n}")
                bounds.append((place, place + 1))
                steps.append(1)
            else:
                return None
            kept.append(isinstance(k, slice))
        return bounds, kept, steps

    def _broadcast(self, key: Any) -> tuple[NDArray[np.intp], ...]:
        """Return arrays of indices, one an axis, of one shape."""
        keys = list(key) if isinstance(key, tuple) else [key]
        keys += [slice(None)] * (3 - len(keys))
        if all(isinstance(k, slice) for k in keys):  # with a negative step
            return np.ix_(*(np.arange(n)[k] for k, n in zip(keys, self.shape, strict=True)))
        if any(isinstance(k, slice) for k in keys) or any(np.asarray(k).dtype == bool for k in keys):
            raise IndexError("arrays of indices are wanted for all three axes, or for none")
        return tuple(np.broadcast_arrays(*(np.asarray(k, np.intp) for k in keys)))

    def _values_at(self, places: tuple[NDArray[np.intp], ...]) -> NDArray[np.uint8]:
        z, y, x = np.broadcast_arrays(*places)
        out = np.zeros(z.shape, np.uint8)
        with self._lock:
            for key, mine in _by_block(z, y, x):
                block = self._blocks.get(key)
                if block is not None:
                    out[mine] = block[y[mine] % BLOCK, x[mine] % BLOCK]
        return out

    def _set_at(self, places: tuple[NDArray[np.intp], ...], value: NDArray[Any]) -> None:
        z, y, x = np.broadcast_arrays(*places)
        values = np.broadcast_to(value.astype(np.uint8, copy=False), z.shape)
        with self._lock:
            for key, mine in _by_block(z, y, x):
                block = self._blocks.setdefault(key, np.zeros((BLOCK, BLOCK), np.uint8))
                block[y[mine] % BLOCK, x[mine] % BLOCK] = values[mine]
                self._drop_empty(key)

    def _write(self, bounds: list[tuple[int, int]], values: NDArray[np.uint8]) -> None:
        with self._lock:
            for key, inside, outside in _parts(bounds):
                part = values[outside]
                if key not in self._blocks:
                    if not part.any():
                        continue
                    self._blocks[key] = np.zeros((BLOCK, BLOCK), np.uint8)
                self._blocks[key][inside] = part
                self._drop_empty(key)

    def _drop_empty(self, key: _Key) -> None:
        if not self._blocks[key].any():
            del self._blocks[key]

    def _overlaps(self, bounds: list[tuple[int, int]]) -> Iterator[tuple[NDArray[np.uint8], Any, Any]]:
        """Yield the blocks that lie within bounds; by what is fewer, blocks or places for them."""
        (z0, z1), (y0, y1), (x0, x1) = bounds
        count = (z1 - z0) * (-(-y1 // BLOCK) - y0 // BLOCK) * (-(-x1 // BLOCK) - x0 // BLOCK)
        if count <= len(self._blocks):
            for key, inside, outside in _parts(bounds):
                block = self._blocks.get(key)
                if block is not None:
                    yield block, inside, outside
            return
        for (z, by, bx), block in self._blocks.items():
            low = max(z0, z), max(y0, by * BLOCK), max(x0, bx * BLOCK)
            high = min(z1, z + 1), min(y1, (by + 1) * BLOCK), min(x1, (bx + 1) * BLOCK)
            if all(a < b for a, b in zip(low, high, strict=True)):
                yield block, *_places(z, by, bx, low, high, (z0, y0, x0))

    def _check_room(self, lengths: list[int]) -> None:
        voxels = int(np.prod(lengths, dtype=np.int64))
        if voxels > MOST_VOXELS and voxels > lengths[1] * lengths[2]:
            raise ScribbleError(
                f"{voxels / 1e9:.1f} billion voxels of scribbles cannot be read at once; look at slices (2-D "
                "view), or save them as OME-Zarr, which is written block by block."
            )


def as_bytes(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Return labels as bytes.

    Raises
    ------
    ScribbleError
        If they are no whole numbers from 0 to 255.
    """
    whole = np.isfinite(plane).all() and (plane == np.round(plane)).all()
    if not whole or plane.min() < 0 or plane.max() > 255:
        raise ScribbleError(
            f"The labels hold {plane.dtype} values up to {plane.max()}; expected whole numbers, 0 where "
            "nothing is scribbled and 1 to 255 for classes. Renumber them first."
        )
    return plane.astype(np.uint8)


def _by_block(
    z: NDArray[np.intp], y: NDArray[np.intp], x: NDArray[np.intp]
) -> Iterator[tuple[_Key, tuple[NDArray[np.intp], ...]]]:
    keys = np.stack([z.ravel(), y.ravel() // BLOCK, x.ravel() // BLOCK], axis=1)
    if not len(keys):
        return
    for key in np.unique(keys, axis=0):
        mine = np.flatnonzero((keys == key).all(axis=1))
        a, b, c = key.tolist()
        yield (a, b, c), np.unravel_index(mine, z.shape)


def _parts(bounds: list[tuple[int, int]]) -> Iterator[tuple[_Key, Any, Any]]:
    (z0, z1), (y0, y1), (x0, x1) = bounds
    for z in range(z0, z1):
        for by in range(y0 // BLOCK, -(-y1 // BLOCK)):
            for bx in range(x0 // BLOCK, -(-x1 // BLOCK)):
                low = z, max(y0, by * BLOCK), max(x0, bx * BLOCK)
                high = z + 1, min(y1, (by + 1) * BLOCK), min(x1, (bx + 1) * BLOCK)
                yield (z, by, bx), *_places(z, by, bx, low, high, (z0, y0, x0))


def _places(z: int, by: int, bx: int, low: _Key, high: _Key, start: _Key) -> tuple[Any, Any]:
    """Return where low to high lies in a block, and in an array that begins at `start`."""
    inside = (
        slice(low[1] - by * BLOCK, high[1] - by * BLOCK),
        slice(low[2] - bx * BLOCK, high[2] - bx * BLOCK),
    )
    outside = (
        z - start[0],
        *(slice(a - s, b - s) for a, b, s in zip(low[1:], high[1:], start[1:], strict=True)),
    )
    return inside, outside
