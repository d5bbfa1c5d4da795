"""Maps as napari's layers read them: arrays of a volume's shape that are looked up when they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.predict.map_cache import Map, MapCache

_SINGLE = 2048  # px: planes with longer edges get a pyramid, so that napari reads only what is in view

Indices = NDArray[np.intp]


class Holder(Protocol):
    """Whoever has a cache."""

    cache: MapCache


@dataclass
class _Copy:
    cache: MapCache


class MapArray:
    """A map of a cache at one level, read where and when it is asked for.

    Indexing with integers and slices reads nothing; ``numpy.asarray`` does. So napari, which cuts a pyramid's
    level in all its slices before it takes one of them, reads that one only.

    Parameters
    ----------
    holder : Holder
        Of the cache that is looked up: it may put another one of the same shape in its place.
    what : {"classes", "error"}
    shape : tuple of int
        Of the level, ``(Z, Y, X)``; its pixel i is the finest level's pixel nearest to i times the ratio of
        their lengths, as napari draws them.
    """

    def __init__(self, holder: Holder, what: Map, shape: tuple[int, ...]) -> None:
        self.holder, self.what = holder, what
        self._axes: tuple[Indices | int, ...] = tuple(
            np.minimum(np.rint(np.arange(n) * (whole / n)).astype(np.intp), whole - 1)
            for n, whole in zip(shape, holder.cache.shape, strict=True)
        )
        self.dtype = np.dtype("uint8" if what == "classes" else "float16")

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of pixels along the axes that are left."""
        return tuple(len(axis) for axis in self._axes if not isinstance(axis, int))

    @property
    def ndim(self) -> int:
        """Number of axes that are left."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [k if k is Ellipsis else None for k in keys]:
            place = next(i for i, k in enumerate(keys) if k is Ellipsis)
            keys[place : place + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        simple = [
            isinstance(k, int | np.integer) or (isinstance(k, slice) and (k.step or 1) > 0) for k in keys
        ]
        if len(keys) != self.ndim or not all(simple):
            return np.asarray(self)[key]
        rest = iter(keys)
        axes: list[Indices | int] = []
        for axis in self._axes:
            if isinstance(axis, int):
                axes.append(axis)
            else:
                cut = axis[next(rest)]
                axes.append(cut if isinstance(cut, np.ndarray) else int(cut))
        return self._with(tuple(axes))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise OutputError(
            "A class map cannot be painted on: it shows what a run computed. Duplicate the layer, or add a "
            "Labels layer, and paint there."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        z, y, x = (np.atleast_1d(np.asarray(axis, np.intp)) for axis in self._axes)
        values = self.holder.cache.read(self.what, z, y, x).reshape(self.shape)
        if self.what == "error" and self.ndim == 3:
            values = np.nan_to_num(values, nan=0.0)  # rays through a volume lose themselves in NaN
        return values if dtype is None else values.astype(dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy what is there now, as napari does to duplicate a layer."""
        key = id(self.holder)
        if key not in memo:
            memo[key] = _Copy(self.holder.cache.copy())
        made = self._with(self._axes)
        made.holder = memo[key]
        return made

    def _with(self, axes: tuple[Indices | int, ...]) -> Self:
        made = object.__new__(type(self))
        made.holder, made.what, made.dtype = self.holder, self.what, self.dtype
        made._axes = axes
        return made


def _is_simple(key: Any) -> bool:
    return isinstance(key, int | np.integer) or (isinstance(key, slice) and (key.step or 1) > 0)


@dataclass
class Threshold:
    """The greatest equivariance error at which a class is still shown, 0 to 1; 1 shows all."""

    value: float = 1.0


class TrustedMap:
    """A class map without the pixels that cannot be trusted, which read as 0; the map itself stays as it is.

    Parameters
    ----------
    classes, error : array-like of one shape
        Read lazily: arrays of this module, or dask arrays.
    threshold : Threshold
        Looked at whenever the map is read.
    """

    def __init__(self, classes: Any, error: Any, threshold: Threshold) -> None:
        self.classes, self.error, self.threshold = classes, error, threshold
        self.dtype = np.dtype(classes.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of pixels."""
        return tuple(int(n) for n in self.classes.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> TrustedMap:
        return TrustedMap(self.classes[key], self.error[key], self.threshold)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.classes[key] = value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(self.classes)
        if self.threshold.value < 1:
            # In float32, since a half-precision error is compared with a threshold that is none.
            doubtful = np.asarray(self.error).astype(np.float32) > np.float32(self.threshold.value)
            values = np.where(doubtful, np.zeros((), values.dtype), values)
        return values if dtype is None else values.astype(dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> TrustedMap:
        """Copy with a threshold of its own, as napari does to duplicate a layer."""
        from copy import deepcopy

        return TrustedMap(deepcopy(self.classes, memo), deepcopy(self.error, memo), deepcopy(self.threshold))


def level_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shapes of a map's levels where its image has no pyramid: planes halved while too large."""
    z, y, x = shape
    found: list[tuple[int, ...]] = [(z, y, x)]
    while max(found[-1][1:]) > _SINGLE:
        _, y, x = found[-1]
        found.append((z, -(-y // 2), -(-x // 2)))
    return found
