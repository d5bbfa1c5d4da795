"""The maps of one image by one run in bounded memory, of which only what was looked at exists."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.class_figures import ClassFigures

CELL = 128
"""Edge of the squares that are kept or dropped as a whole, px."""

Map = Literal["classes", "error"]
Indices = NDArray[np.intp]
_Key = tuple[int, int, int]

_COUNTED: dict[Map, int] = {"classes": 0, "error": 3}
"""Rows of :attr:`ClassFigures.sums` that number the pixels with a class, with an error."""

_CELL_BYTES = CELL * CELL * 3
_FIGURE_BYTES = 2500  # of a cell's figures, with some twenty classes in it


class _Cell:
    """A square of a slice: labels, and errors (NaN where there is none) once there are any."""

    __slots__ = ("classes", "error", "figures", "labels")

    def __init__(self) -> None:
        self.classes: NDArray[np.uint8] = np.zeros((CELL, CELL), np.uint8)
        self.error: NDArray[np.float16] | None = None
        self.labels: NDArray[np.intp] = np.zeros(0, np.intp)
        self.figures: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def counted(self) -> ClassFigures:
        """Return what the cell counts for."""
        found = ClassFigures()
        if self.figures is not None:
            found.sums[:, self.labels], found.errors[:] = self.figures
        return found

    def is_whole(self, what: Map) -> bool:
        """Whether each of its pixels has a class, or an error; the figures say, no pixel is looked at."""
        return self.figures is not None and self.figures[0][_COUNTED[what]].sum() > CELL * CELL - 0.5

    def keep(self, figures: ClassFigures) -> None:
        """Keep the cell's figures, of those labels alone that occur."""
        self.labels = figures.labels
        self.figures = figures.sums[:, self.labels], figures.errors.astype(np.float64)


class MapCache:
    """Class map and equivariance error of a volume's shape; what was seen longest ago makes way for new.

    Everything that was not computed, or was dropped, reads as 0 in the class map and NaN in the error. Any
    thread may use it.

    Parameters
    ----------
    shape : tuple of int
        ``(Z, Y, X)``.
    limit : int
        Bytes that it may take. What is in view is never dropped, even where it alone takes more.
    counted : bool
        Whether figures are kept of what is there; without them writing costs a tenth.
    """

    def __init__(self, shape: tuple[int, int, int], limit: int, *, counted: bool = True) -> None:
        self.shape, self.limit, self.counted = shape, limit, counted
        self._lock = threading.RLock()
        self._cells: OrderedDict[_Key, _Cell] = OrderedDict()
        self._slices: dict[int, dict[tuple[int, int], _Cell]] = {}
        self._in_view: frozenset[_Key] = frozenset()
        self._figures = ClassFigures()

    @classmethod
    def bytes_of(cls, box: Box) -> int:
        """Return about how many bytes the maps of a box take."""
        return box.shape[0] * len(list(_cells_of(box.plane(0)))) * (_CELL_BYTES + _FIGURE_BYTES)

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes."""
        return len(self._cells) * (_CELL_BYTES + _FIGURE_BYTES)

    @property
    def slices(self) -> tuple[int, ...]:
        """Slices of which anything is there, in order."""
        with self._lock:
            return tuple(sorted(self._slices))

    def figures(self) -> ClassFigures:
        """Return the figures of all that is there."""
        with self._lock:
            return self._figures.copy()

    def look(self, box: Box) -> None:
        """Say that a box of one slice is in view: it is dropped last, and not while it is."""
        with self._lock:
            keys = [(box.start[0], *place) for place in _cells_of(box)]
            for key in keys:
                if key in self._cells:
                    self._cells.move_to_end(key)
            self._in_view = frozenset(keys)

    def write(
        self,
        box: Box,
        classes: NDArray[np.uint8],
        error: NDArray[np.floating[Any]] | None,
        grey: NDArray[Any] | None = None,
    ) -> None:
        """Put the maps of a box of one slice.

        Classes without an error do not replace those that have one: these are averages over more views.

        Parameters
        ----------
        box : Box
        classes, error, grey : ndarray, shape ``box.shape[1:]``
            Labels from 1, errors in [0, 1], and the image for the figures.
        """
        z = box.start[0]
        for cy, cx in _cells_of(box):
            inside, outside = _overlap(box, cy, cx)
            part = grey[outside] if grey is not None else None
            with self._lock:  # for a cell, not for all: the window reads meanwhile
                cell = self._cell((z, cy, cx))
                old_classes, old_error = (
                    cell.classes[inside],
                    None if cell.error is None else cell.error[inside],
                )
                new = np.array(classes[outside])
                if not self.counted:
                    cell.classes[inside] = new
                    if error is not None:
                        if cell.error is None:
                            cell.error = np.full((CELL, CELL), np.nan, np.float16)
                        cell.error[inside] = error[outside]
                    continue
                old = ClassFigures.of(old_classes, old_error, part)
                if error is not None:
                    if cell.error is None:
                        cell.error = np.full((CELL, CELL), np.nan, np.float16)
                    # A NaN of the network's would be computed again and again: it is trusted least.
                    cell.error[inside] = np.nan_to_num(error[outside], nan=1.0)
                elif old_error is not None:
                    better = ~np.isnan(old_error)
                    new[better] = old_classes[better]
                cell.classes[inside] = new
                counted = cell.counted()
                self._figures.add(counted, -1)
                counted.add(old, -1)
                counted.add(ClassFigures.of(new, None if cell.error is None else cell.error[inside], part))
                cell.keep(counted)
                self._figures.add(cell.counted())
        with self._lock:
            self._shrink()

    def read(self, what: Map, z: Indices, y: Indices, x: Indices) -> NDArray[Any]:
        """Return the map at all combinations of indices along Z, Y and X, each in ascending order.

        Returns
        -------
        ndarray, shape (len(z), len(y), len(x)), uint8 or float16
        """
        shape = (len(z), len(y), len(x))
        out: NDArray[Any]
        out = np.zeros(shape, np.uint8) if what == "classes" else np.full(shape, np.nan, np.float16)
        rows, columns = _spans(y), _spans(x)
        with self._lock:
            for number, plane in enumerate(z):
                cells = self._slices.get(int(plane))
                if not cells:
                    continue
                for cy, (target_y, source_y) in rows.items():
                    for cx, (target_x, source_x) in columns.items():
                        cell = cells.get((cy, cx))
                        values = None if cell is None else getattr(cell, what)
                        if values is not None:
                            out[number, target_y, target_x] = values[source_y][:, source_x]
        return out

    def missing(self, box: Box, what: Map) -> Box | None:
        """Return the least box around what of a box of one slice is not there; None where all is."""
        z = box.start[0]
        found: list[tuple[int, int, int, int]] = []  # first and last row, first and last column
        with self._lock:
            cells = self._slices.get(z, {})
            for cy, cx in _cells_of(box):
                inside, _ = _overlap(box, cy, cx)
                cell = cells.get((cy, cx))
                if cell is not None and cell.is_whole(what):
                    continue
                values = None if cell is None else getattr(cell, what)
                rows: Sequence[int]
                columns: Sequence[int]
                rows, columns = (range(s.start, s.stop) for s in inside)
                top, left = cy * CELL, cx * CELL
                if values is not None:
                    part = values[inside]
                    absent = part == 0 if what == "classes" else np.isnan(part)
                    rows, columns = (
                        [s.start + int(i) for i in np.flatnonzero(absent.any(axis))]
                        for s, axis in zip(inside, (1, 0), strict=True)
                    )
                if rows:
                    found.append((top + rows[0], top + rows[-1], left + columns[0], left + columns[-1]))
        if not found:
            return None
        first, last = np.min(found, 0), np.max(found, 0)
        return Box((z, int(first[0]), int(first[2])), (z + 1, int(last[1]) + 1, int(last[3]) + 1))

    def keep(self, box: Box) -> None:
        """Drop all but what a box of one slice touches: it is out of date, but better than nothing there."""
        kept = {(box.start[0], *place) for place in _cells_of(box)}
        with self._lock:
            for key in [key for key in self._cells if key not in kept]:
                self._drop(key)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._cells.clear()
            self._slices.clear()
            self._figures = ClassFigures()

    def copy(self) -> Self:
        """Return another with the same maps, which no job writes to."""
        made = type(self)(self.shape, self.limit, counted=self.counted)
        with self._lock:
            for key, cell in self._cells.items():
                other = made._cell(key)
                other.classes = cell.classes.copy()
                other.error = None if cell.error is None else cell.error.copy()
                other.labels, other.figures = cell.labels, cell.figures
            made._figures = self._figures.copy()
        return made

    def _cell(self, key: _Key) -> _Cell:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
            self._slices.setdefault(key[0], {})[key[1:]] = cell
        self._cells.move_to_end(key)
        return cell

    def _shrink(self) -> None:
        for key in list(self._cells):
            if self.nbytes <= self.limit:
                return
            if key in self._in_view:
                continue
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        cell = self._cells.pop(key)
        self._figures.add(cell.counted(), -1)
        cells = self._slices[key[0]]
        del cells[key[1:]]
        if not cells:
            del self._slices[key[0]]


def _cells_of(box: Box) -> Iterator[tuple[int, int]]:
    (_, y0, x0), (_, y1, x1) = box.start, box.stop
    for cy in range(y0 // CELL, -(-y1 // CELL)):
        for cx in range(x0 // CELL, -(-x1 // CELL)):
            yield cy, cx


def _overlap(box: Box, cy: int, cx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a box and a cell overlap, as an index into the cell and one into the box."""
    inside, outside = [], []
    for low, high, number in zip(box.start[1:], box.stop[1:], (cy, cx), strict=True):
        a, b = max(low, number * CELL), min(high, (number + 1) * CELL)
        inside.append(slice(a - number * CELL, b - number * CELL))
        outside.append(slice(a - low, b - low))
    return (inside[0], inside[1]), (outside[0], outside[1])


def _spans(indices: Indices) -> dict[int, tuple[slice, slice | Indices]]:
    """Return for each row (or column) of cells where its indices stand, and which of its pixels they are."""
    if not indices.size:
        return {}
    numbers, starts = np.unique(indices // CELL, return_index=True)
    found: dict[int, tuple[slice, slice | Indices]] = {}
    for number, low, high in zip(numbers, starts, [*starts[1:], len(indices)], strict=True):
        pixels = indices[low:high] - number * CELL
        steps = np.diff(pixels)
        source: slice | Indices = pixels
        if steps.size == 0 or (steps == steps[0]).all():  # a slice is many times faster than indices
            step = int(steps[0]) if steps.size else 1
            source = slice(int(pixels[0]), int(pixels[-1]) + 1, step) if step > 0 else pixels
        found[int(number)] = slice(int(low), int(high)), source
    return found
