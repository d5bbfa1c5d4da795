"""Pixels that are read when asked for: the one border between a file format and the rest.

A reader hands out :class:`Pixels`, any number of axes in the file's order; :class:`PlanarPixels` presents
them as ``(Z, Y, X)`` of a dtype that the rest can use, reads exactly the voxels asked for, from any
thread, and turns what a library may raise on a damaged file into a :class:`VolumeError`.
"""

from __future__ import annotations

import os
import threading
import weakref
import zlib
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_dense_ssl.core.errors import VolumeError

Index = tuple[slice, ...]


class Pixels(Protocol):
    """An array on disk (or computed) with any number of axes; safe to read from several threads."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as stored."""
        ...

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of what is read from disk at once."""
        ...

    def read(self, index: Index) -> np.ndarray[Any, Any]:
        """Return the values in a box: one slice with step 1 for each axis."""
        ...


class ArrayPixels:
    """Pixels of something that is sliced like an array: Zarr, HDF5 dataset, numpy.

    Zarr takes a chunk that is not there for one that was never written, and gives zeros. So that a store that
    goes away is not taken for an empty one, an array's metadata must still be there after each reading.

    Parameters
    ----------
    array : array-like
        Has ``shape`` and ``dtype`` and may be indexed with slices.
    chunks : tuple of int, optional
        Storage chunks; whole planes of bounded size where the array is not chunked.
    lock : context manager, optional
        Held while reading, for libraries that are not thread-safe.
    """

    def __init__(
        self,
        array: Any,
        chunks: tuple[int, ...] | None = None,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._array = array
        self._lock = lock if lock is not None else nullcontext()
        self.shape: tuple[int, ...] = tuple(int(n) for n in array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] = tuple(int(n) for n in chunks) if chunks else plane_chunks(self.shape)
        self._mark = _metadata_of(array)

    def read(self, index: Index) -> np.ndarray[Any, Any]:
        """Return the values in a box: one slice with step 1 for each axis.

        Raises
        ------
        FileNotFoundError
            If it is an array of a Zarr folder that has gone.
        """
        with self._lock:
            values = np.asarray(self._array[index])
        if self._mark is not None and not self._mark.is_file():
            raise FileNotFoundError(f"{self._mark} has gone")
        return values


class FilePixels:
    """Pixels that lie in a file as they are, without compression.

    Read, not mapped into memory: a file that is cut short, or goes away on a server, while it is mapped
    ends the whole process (SIGBUS), napari too.

    Parameters
    ----------
    path : Path
        Kept open until the last of these pixels is dropped.
    dtype : dtype
        With the file's byte order.
    offset : int
        Where the first value begins, bytes.
    shape : tuple of int
        Lengths of the axes, at least two.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> None:
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._offset = int(offset)
        self.shape: tuple[int, ...] = tuple(int(n) for n in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.chunks: tuple[int, ...] = plane_chunks(self.shape)

    def read(self, index: Index) -> np.ndarray[Any, Any]:
        """Return the values in a box: one slice with step 1 for each axis.

        Raises
        ------
        EOFError
            If the file ends before them.
        """
        *lead, y, x = index
        counts = [s.stop - s.start for s in lead]
        rows, wanted = y.stop - y.start, x.stop - x.start
        out = np.empty([*counts, rows, wanted], self.dtype)
        width, size = self.shape[-1], self.dtype.itemsize
        narrow = (width - wanted) * size > _SPARED_BYTES
        for position in np.ndindex(*counts):
            plane = 0
            for p, s, n in zip(position, lead, self.shape, strict=False):
                plane = plane * n + p + s.start
            first = (plane * self.shape[-2] + y.start) * width
            if narrow:
                into = out[position].view(np.uint8).reshape(-1).data
                for row in range(rows):
                    begin = row * wanted * size
                    self._fill(into[begin : begin + wanted * size], first + row * width + x.start)
            else:
                band = np.empty((rows, width), self.dtype)
                self._fill(band.view(np.uint8).reshape(-1).data, first)
                out[position] = band[:, x]
        return out

    def _fill(self, into: memoryview, first: int) -> None:
        """Fill bytes with the values from the one of that number on."""
        place = self._offset + first * self.dtype.itemsize
        while into:
            read = self._read_at(place, into)
            if not read:
                raise EOFError(f"{self._file.name} ends before them")
            into, place = into[read:], place + read

    def _read_at(self, place: int, into: memoryview) -> int:
        if hasattr(os, "preadv"):  # several threads at once
            return os.preadv(self._file.fileno(), [into], place)
        with self._lock:
            self._file.seek(place)
            return int(self._file.readinto(into) or 0)


_SPARED_BYTES = 1 << 14
"""Rows are read one by one where that spares so much of each: what a call of its own costs."""


def _metadata_of(array: Any) -> Path | None:
    """Return the file that describes an array of a Zarr folder; None of anything else."""
    if not isinstance(array, zarr.Array) or not isinstance(array.store, LocalStore):
        return None
    name = "zarr.json" if array.metadata.zarr_format == 3 else ".zarray"
    return Path(array.store.root) / array.path / name


LUMINANCE = (0.2125, 0.7154, 0.0721)
"""Weights of red, green and blue in a grey value (ITU-R BT.709, as ``skimage.color.rgb2gray`` has them)."""


class PlanarPixels:
    """``(Z, Y, X)`` view of pixels of any axes, in a dtype of the machine's own byte order.

    Without an axis ``z`` there is one slice. Of colours (``s``, three samples or four) the luminance is read,
    whatever a fourth one says of transparency.

    Parameters
    ----------
    pixels : Pixels
        What is read.
    axes : str
        A letter for each axis of `pixels`; ``z``, ``y`` and ``x`` are kept (in any order).
    fixed : dict
        The index at which each other axis is read.
    dtype : dtype
        Type that values are converted to as they are read.
    name : str
        What messages call the source.
    """

    ndim = 3

    def __init__(
        self, pixels: Pixels, axes: str, fixed: dict[str, int], dtype: np.dtype[Any], name: str
    ) -> None:
        self._pixels = pixels
        self._axes = axes
        self._fixed = fixed
        self._name = name
        self._order = tuple("zyx".index(axis) for axis in axes if axis in "zyx")
        self.dtype = dtype
        self.colour = "s" in axes and pixels.shape[axes.index("s")] > 2
        """Whether grey values are the luminance of colours."""
        z, y, x = (pixels.shape[axes.index(axis)] if axis in axes else 1 for axis in "zyx")
        self.shape: tuple[int, int, int] = (z, y, x)
        chunks = (pixels.chunks[axes.index(axis)] if axis in axes else 1 for axis in "zyx")
        z, y, x = (min(chunk, max(n, 1)) for chunk, n in zip(chunks, self.shape, strict=True))
        self.chunks: tuple[int, int, int] = (z, y, x)

    def read(self, index: tuple[slice, slice, slice]) -> np.ndarray[Any, Any]:
        """Return a box of voxels, shape ``(Z, Y, X)``.

        Raises
        ------
        VolumeError
            If the file is damaged there or has gone.
        """
        wanted = dict(zip("zyx", index, strict=True))
        full = tuple(wanted[a] if a in wanted else self._besides(a) for a in self._axes)
        try:
            values = self._pixels.read(full)
        except (OSError, ValueError, RuntimeError, KeyError, IndexError, EOFError, zlib.error) as error:
            # Codecs, zarr, h5py and tifffile raise any of these on a damaged or vanished file.
            where = ",".join(f"{s.start}:{s.stop}" for s in index)
            raise VolumeError(
                f"The voxels {where} of {self._name} cannot be read ({first_line(error)}): the file is"
                " damaged, incomplete or gone; copy it again, or choose a region without them."
            ) from error
        if self.colour:
            values = luminance(values, self._axes.index("s"))
        values = values.reshape([n for n, a in zip(values.shape, self._axes, strict=True) if a in "zyx"])
        values = values.transpose(np.argsort(self._order)).astype(self.dtype, copy=False)
        return values if "z" in self._axes else values[None][wanted["z"]]

    def _besides(self, axis: str) -> slice:
        """Return what is read along an axis that is none of Z, Y, X."""
        if axis == "s" and self.colour:
            return slice(0, 3)
        return slice(self._fixed[axis], self._fixed[axis] + 1)

    def turned(self, axes: tuple[int, int, int]) -> PlanarPixels:
        """Return the same pixels with their axes (0 is Z) in another order; nothing is read."""
        names = {"zyx"[axis]: new for axis, new in zip(axes, "zyx", strict=True)}
        renamed = "".join(names.get(axis, axis) for axis in self._axes)
        return PlanarPixels(self._pixels, renamed, self._fixed, self.dtype, self._name)

    def __getitem__(self, index: Any) -> np.ndarray[Any, Any]:
        """Index like numpy with integers and slices (what dask's fused slicing asks for)."""
        index = index if isinstance(index, tuple) else (index,)
        index = index + (slice(None),) * (3 - len(index))
        boxes: list[slice] = []
        rest: list[int | slice] = []
        for one, length in zip(index, self.shape, strict=True):
            if isinstance(one, slice):
                start, stop, step = one.indices(length)
                if step < 0:  # read the same voxels forwards, then turn them round
                    count = len(range(start, stop, step))
                    low = start + (count - 1) * step
                    boxes.append(slice(low, start + 1) if count else slice(0, 0))
                    rest.append(slice(None, None, step))
                else:
                    boxes.append(slice(start, max(start, stop)))
                    rest.append(slice(None, None, step))
            else:
                position = int(one) + (length if one < 0 else 0)
                boxes.append(slice(position, position + 1))
                rest.append(0)
        return self.read((boxes[0], boxes[1], boxes[2]))[tuple(rest)]


def luminance(values: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]:
    """Return the luminance of colours in the dtype of its values, whole numbers rounded.

    Parameters
    ----------
    values : ndarray
        Red, green and blue along `axis`, which the result keeps with length 1.
    axis : int
    """
    grey = np.expand_dims(np.tensordot(values, np.array(LUMINANCE), (axis, 0)), axis)
    if values.dtype.kind in "ui":
        grey = np.rint(grey)
    result: np.ndarray[Any, Any] = grey.astype(values.dtype)
    return result


def plane_chunks(shape: tuple[int, ...], edge: int = 1024) -> tuple[int, ...]:
    """Chunks for an array that is stored without: one plane thick, at most `edge` along Y and X."""
    return (1,) * max(0, len(shape) - 2) + tuple(min(edge, max(1, n)) for n in shape[-2:])


def grown(
    chunks: tuple[int, ...], shape: tuple[int, ...], itemsize: int, target: int = 1 << 19
) -> tuple[int, ...]:
    """Return multiples of storage chunks that hold about `target` bytes, growing Y and X first.

    Very small chunks (strips of a TIFF, 32³ blocks) would make more tasks than pixels; chunks are never
    cut, so that none is read twice.
    """
    size = list(chunks)
    while True:
        nbytes = itemsize * int(np.prod(size))
        room = [axis for axis in (2, 1, 0) if size[axis] < shape[axis]]
        if nbytes >= target or not room:
            return tuple(size)
        # the shorter of Y and X grows first, to keep blocks square
        axis = min((a for a in room if a > 0), key=lambda a: size[a], default=0)
        size[axis] = min(2 * size[axis], -(-shape[axis] // chunks[axis]) * chunks[axis])


def first_line(error: BaseException, most: int = 160) -> str:
    """Return what an error says, in at most so many letters: short enough for a sentence."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".")[:most] if text and text[0] else type(error).__name__
