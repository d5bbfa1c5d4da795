"""Maps of a volume's shape of which only a few slices exist, in memory, as napari layers show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.core.geometry import Box

_CHUNK = 512
_SINGLE = 2048  # px: planes with longer edges get a pyramid, so that napari reads only what is in view


class SparseMap:
    """An array of a volume's shape, zero until written to; memory grows with what was written.

    Parameters
    ----------
    shape : tuple of int
        ``(Z, Y, X)``.
    dtype : str
        Such as ``"uint8"``.
    """

    def __init__(self, shape: tuple[int, int, int], dtype: str) -> None:
        self._shape, self._dtype = shape, dtype
        self.levels: list[Any] = []
        z, y, x = shape
        step = 1
        while not self.levels or max(self.levels[-1].shape[1:]) > _SINGLE:
            self.levels.append(_empty((z, -(-y // step), -(-x // step)), dtype))
            step *= 2

    @property
    def data(self) -> Any:
        """What a layer takes: one array, or a pyramid where planes are large."""
        return self.levels if len(self.levels) > 1 else self.levels[0]

    @property
    def multiscale(self) -> bool:
        """Whether :attr:`data` is a pyramid."""
        return len(self.levels) > 1

    def write(self, box: Box, plane: np.ndarray[Any, Any]) -> None:
        """Put values at a box of one slice; `plane` has shape ``box.shape[1:]``."""
        z = box.start[0]
        y0, x0 = box.start[1:]
        for level, array in enumerate(self.levels):
            step = 2**level
            top, left = -(-y0 // step), -(-x0 // step)
            part = plane[top * step - y0 :: step, left * step - x0 :: step]
            if part.size:
                array[z, top : top + part.shape[0], left : left + part.shape[1]] = part

    def clear(self, z: int) -> None:
        """Set a slice back to zero."""
        for array in self.levels:
            array[z] = np.zeros(array.shape[1:], self._dtype)


def _empty(shape: tuple[int, int, int], dtype: str) -> Any:
    import zarr  # a fifth of a second: left until a map is made
    from zarr.storage import MemoryStore

    _, y, x = shape
    return zarr.create_array(
        store=MemoryStore(),
        shape=shape,
        chunks=(1, min(_CHUNK, y), min(_CHUNK, x)),
        dtype=dtype,
        fill_value=0,
        compressors=None,
    )


def full_resolution(preview: Preview, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a map of a preview (classes or error) at the resolution of its box, nearest pixel.

    Parameters
    ----------
    preview : Preview
        Gives box and grid.
    values : ndarray, shape (Y, X)
        On the preview's grid.

    Returns
    -------
    ndarray, shape ``preview.box.shape[1:]``
    """
    if values.shape == preview.box.shape[1:] and preview.grid.step == (1.0, 1.0):
        return values
    rows, columns = (
        np.clip(np.rint((np.arange(low, high) - origin) / step).astype(int), 0, length - 1)
        for low, high, origin, step, length in zip(
            preview.box.start[1:],
            preview.box.stop[1:],
            preview.grid.origin,
            preview.grid.step,
            values.shape,
            strict=True,
        )
    )
    return values[np.ix_(rows, columns)]
