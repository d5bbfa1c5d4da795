"""Where things are: voxel sizes, boxes, grids of maps, and the eight symmetries of a square.

Frames used everywhere: axes are Z, Y, X; *voxel coordinates* are integers of the finest level, a box is
half-open; *world coordinates* are nanometres, ``translation + voxel_size * voxel``, and belong to voxel
centres.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from napari_dense_ssl.core.errors import RegionError

Triple = tuple[int, int, int]


class VoxelSize(NamedTuple):
    """Edge lengths of a voxel in nanometres, along Z, Y and X."""

    z: float
    y: float
    x: float

    @property
    def isotropic(self) -> bool:
        """Whether the longest edge is at most 1.25 times the shortest."""
        return max(self) <= 1.25 * min(self)


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box of voxels, ``start <= index < stop`` along Z, Y and X."""

    start: Triple
    stop: Triple

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Box:
        """The box of a whole ``(Z, Y, X)`` volume."""
        z, y, x = shape
        return cls((0, 0, 0), (int(z), int(y), int(x)))

    @classmethod
    def parse(cls, text: str, shape: tuple[int, ...]) -> Box:
        """Read ``z0:z1,y0:y1,x0:x1``; an empty bound means the volume's own.

        Parameters
        ----------
        text : str
            Three ranges in voxels of the finest level, such as ``0:16,0:1024,:``.
        shape : tuple of int
            Shape ``(Z, Y, X)`` of the volume that the box must lie in.

        Raises
        ------
        RegionError
            If the text has another form, or the box is empty or reaches outside the volume.
        """
        parts = text.replace(" ", "").split(",")
        form = f"expected z0:z1,y0:y1,x0:x1 within 0:{shape[0]},0:{shape[1]},0:{shape[2]}"
        if len(parts) != 3:
            raise RegionError(f"The region {text!r} has {len(parts)} ranges; {form}.")
        bounds: list[tuple[int, int]] = []
        for part, length in zip(parts, shape, strict=True):
            match = re.fullmatch(r"(-?\d*):(-?\d*)", part)
            if match is None or "-" in match.groups():  # a lone sign is no number
                raise RegionError(f"The range {part!r} in the region {text!r} cannot be read; {form}.")
            low, high = match.groups()
            bounds.append((int(low) if low else 0, int(high) if high else int(length)))
        box = cls((bounds[0][0], bounds[1][0], bounds[2][0]), (bounds[0][1], bounds[1][1], bounds[2][1]))
        box.check(shape)
        return box

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise :class:`RegionError` unless the box is not empty and lies in a volume of that shape."""
        whole = f"0:{shape[0]},0:{shape[1]},0:{shape[2]}"
        if any(b <= a for a, b in zip(self.start, self.stop, strict=True)):
            raise RegionError(f"The region {self} is empty; choose one within {whole}.")
        if min(self.start) < 0 or any(b > n for b, n in zip(self.stop, shape, strict=True)):
            raise RegionError(f"The region {self} reaches outside the volume; choose one within {whole}.")

    @property
    def shape(self) -> Triple:
        """Number of voxels along Z, Y and X."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return (z, y, x)

    @property
    def size(self) -> int:
        """Number of voxels."""
        z, y, x = self.shape
        return max(0, z) * max(0, y) * max(0, x)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The index that cuts the box out of a ``(Z, Y, X)`` array."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return (z, y, x)

    def intersect(self, other: Box) -> Box:
        """The voxels in both; its :attr:`size` is 0 where there are none."""
        low = [max(a, b) for a, b in zip(self.start, other.start, strict=True)]
        high = [max(s, min(a, b)) for s, a, b in zip(low, self.stop, other.stop, strict=True)]
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def plane(self, z: int) -> Box:
        """The box's part in slice `z` (which need not be one of its own)."""
        return Box((z, self.start[1], self.start[2]), (z + 1, self.stop[1], self.stop[2]))

    def __str__(self) -> str:
        return ",".join(f"{a}:{b}" for a, b in zip(self.start, self.stop, strict=True))


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of a 2-D map lie: pixel (i, j) has its centre at ``origin + step * (i, j)``.

    Origin and step are in voxels of the finest level, along Y and X.
    """

    origin: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Symmetry:
    """One of the eight symmetries of a square: flip X first (or not), then turn by quarters."""

    turns: int = 0
    flip: bool = False

    @classmethod
    def all(cls) -> tuple[Symmetry, ...]:
        """The eight, the identity first."""
        return tuple(cls(turns, flip) for flip in (False, True) for turns in range(4))

    def apply(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Transform the last two axes (Y, X) of an array."""
        turned = array[..., ::-1] if self.flip else array
        return np.rot90(turned, self.turns, axes=(-2, -1))

    @property
    def inverse(self) -> Symmetry:
        """The symmetry that undoes this one (a flipped one undoes itself)."""
        return self if self.flip else Symmetry(-self.turns % 4, False)
