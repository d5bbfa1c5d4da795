"""A volume: lazy pixels with their size in the world, whatever file they came from."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import dask.array as da
import numpy as np

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.geometry import Box, VoxelSize
from napari_dense_ssl.core.planes import Plane
from napari_dense_ssl.volume.dtypes import usable_dtype
from napari_dense_ssl.volume.intensity import Intensity
from napari_dense_ssl.volume.pixels import ArrayPixels, PlanarPixels, grown
from napari_dense_ssl.volume.texture import measured_step

Factors = tuple[float, float, float]

_SAMPLE_VOXELS = 1 << 20
_SAMPLE_BLOCKS = 32
_SAMPLE_ROUNDS = 4
_SAMPLE_DECODED = 1 << 30  # bytes


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of grey-value slices, axes ``(Z, Y, X)``, read only where it is looked at.

    Attributes
    ----------
    levels : tuple of dask.array.Array
        The pyramid, finest first, each ``(Z, Y, X)``: for display. :meth:`read` is the faster way to a box.
    factors : tuple of (float, float, float)
        How much coarser each level is than the finest, along Z, Y and X; ``(1, 1, 1)`` first.
    voxel_size : VoxelSize
        Of the finest level, nm.
    voxel_size_known : bool
        False where the file gives no size in a unit of length: :attr:`voxel_size` is then only a guess
        (1 nm edges, or the file's numbers taken as nm where it gives numbers without a unit).
    translation : tuple of float
        World coordinates of the centre of voxel (0, 0, 0), nm.
    format : str
        What it was read from, such as ``"OME-Zarr 0.5"``.
    source : str
        Path that it was opened from.
    dataset : str or None
        Path inside a container (HDF5, Zarr group), where there is a choice.
    notes : tuple of str
        Sentences that the user should read: a conversion, an assumption.
    labels : bool
        Whether the file says that the values are labels; few formats can.
    opened : mapping or None
        The arguments of :func:`~napari_dense_ssl.volume.opening.open_volume` that open it again, in another
        process or on another machine; None for arrays in memory.
    """

    levels: tuple[da.Array, ...]
    factors: tuple[Factors, ...]
    voxel_size: VoxelSize
    voxel_size_known: bool = True
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    format: str = "array"
    source: str = "array in memory"
    dataset: str | None = None
    notes: tuple[str, ...] = ()
    labels: bool = False
    opened: Mapping[str, Any] | None = None
    pixels: tuple[PlanarPixels, ...] = field(default=(), repr=False)
    _cache: dict[Box | None, Intensity] = field(default_factory=dict, repr=False, init=False)
    _steps: dict[Box, float] = field(default_factory=dict, repr=False, init=False)
    _turned: dict[Plane, Volume] = field(default_factory=dict, repr=False, init=False)

    @classmethod
    def from_arrays(
        cls,
        levels: Sequence[Any],
        *,
        voxel_size: tuple[float, float, float] | None = None,
        translation: tuple[float, float, float] = (0.0, 0.0, 0.0),
        source: str = "array in memory",
    ) -> Volume:
        """Make a volume of arrays (numpy, dask, Zarr), finest first; nothing is copied or read.

        Parameters
        ----------
        levels : sequence of array-like, each ``(Z, Y, X)``, or ``(Y, X)`` for one slice
            The pyramid, or one array.
        voxel_size : tuple of float, optional
            Of the finest level, nm; unknown where None.
        translation : tuple of float
            World coordinates of the centre of voxel 0, nm.
        source : str
            What messages call it.

        Raises
        ------
        VolumeError
            If there is no array, one has other axes, or a dtype cannot be used.
        """
        if not levels or any(len(level.shape) not in (2, 3) for level in levels):
            shapes = ", ".join(str(tuple(level.shape)) for level in levels) or "no array"
            raise VolumeError(
                f"{source}: expected arrays with axes (Z, Y, X), or (Y, X), got {shapes}; choose one stack."
            )
        pixels = []
        for level in levels:
            dtype, _ = usable_dtype(np.dtype(level.dtype), source)
            chunks = getattr(level, "chunksize", None) or getattr(level, "chunks", None)
            axes = "zyx"[-len(level.shape) :]
            pixels.append(PlanarPixels(ArrayPixels(level, chunks), axes, {}, dtype, source))
        return cls.from_pixels(
            pixels,
            [ratio(pixels[0].shape, level.shape) for level in pixels],
            voxel_size=VoxelSize(*voxel_size) if voxel_size else VoxelSize(1.0, 1.0, 1.0),
            voxel_size_known=voxel_size is not None,
            translation=translation,
            source=source,
        )

    @classmethod
    def from_pixels(cls, pixels: Sequence[PlanarPixels], factors: Sequence[Factors], **facts: Any) -> Volume:
        """Make a volume of what a reader found; `facts` are the other attributes."""
        levels = tuple(lazy_array(level) for level in pixels)
        return cls(levels=levels, factors=tuple(factors), pixels=tuple(pixels), **facts)

    @property
    def data(self) -> da.Array:
        """The finest level."""
        return self.levels[0]

    @property
    def colour(self) -> bool:
        """Whether its grey values are the luminance of colours: no labels then."""
        return any(level.colour for level in self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along Z, Y and X."""
        z, y, x = self.levels[0].shape
        return (int(z), int(y), int(x))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the grey values."""
        dtype: np.dtype[Any] = np.dtype(self.levels[0].dtype)
        return dtype

    @property
    def nbytes(self) -> int:
        """Size of the finest level without compression, bytes."""
        z, y, x = self.shape
        return z * y * x * self.dtype.itemsize

    @cached_property
    def chunks(self) -> tuple[int, int, int]:
        """What is read from disk at once at the finest level, voxels along Z, Y and X."""
        if self.pixels:
            return self.pixels[0].chunks
        z, y, x = self.levels[0].chunksize
        return (int(z), int(y), int(x))

    def spacing(self, level: int = 0) -> VoxelSize:
        """Voxel size of a level, nm."""
        z, y, x = (size * factor for size, factor in zip(self.voxel_size, self.factors[level], strict=True))
        return VoxelSize(z, y, x)

    def read(self, box: Box, level: int = 0) -> np.ndarray[Any, Any]:
        """Return a box of voxels in the volume's own grey values; safe from any thread.

        Reads the chunks that the box touches and no others, without a task graph.

        Parameters
        ----------
        box : Box
            In voxels of that level.
        level : int
            0 is the finest.

        Returns
        -------
        ndarray, shape ``box.shape``
            Not to be written to: it may be a view of memory that others use.

        Raises
        ------
        RegionError
            If the box is empty or reaches outside the volume.
        VolumeError
            If there is no such level, or the file is damaged there.
        """
        if not 0 <= level < len(self.levels):
            raise VolumeError(
                f"{self.source} has {len(self.levels)} levels, but level {level} was asked for;"
                f" choose one from 0 to {len(self.levels) - 1}."
            )
        box.check(self.levels[level].shape)
        if self.pixels:
            return self.pixels[level].read(box.slices)
        return np.asarray(self.levels[level][box.slices])

    def read_around(self, box: Box, reach: int) -> np.ndarray[Any, Any]:
        """Return a part of one slice together with its neighbours; safe from any thread.

        Parameters
        ----------
        box : Box
            One slice thick, in voxels of the finest level.
        reach : int
            Neighbouring slices on either side. Beyond the volume's ends they are mirrored.

        Returns
        -------
        ndarray, shape (2 reach + 1, Y, X)
            The slice itself in the middle.

        Raises
        ------
        RegionError, VolumeError
            See :meth:`read`.
        """
        return read_around(self.read, self.shape[0], box, reach)

    def along(self, plane: Plane) -> Volume:
        """Return the volume whose slices are those along a plane; nothing is read or copied.

        Its boxes, shape, chunks and sizes are in the plane's axes. The same object at every call.
        """
        if plane.axes == (0, 1, 2):
            return self
        if plane not in self._turned:
            a, b, c = plane.axes
            self._turned[plane] = replace(
                self,
                levels=tuple(da.transpose(level, plane.axes) for level in self.levels),
                factors=tuple((f[a], f[b], f[c]) for f in self.factors),
                voxel_size=VoxelSize(self.voxel_size[a], self.voxel_size[b], self.voxel_size[c]),
                translation=(self.translation[a], self.translation[b], self.translation[c]),
                pixels=tuple(pixels.turned(plane.axes) for pixels in self.pixels),
                opened=None,
            )
        return self._turned[plane]

    def slice_step(self, box: Box | None = None) -> float:
        """Distance between neighbouring slices in pixels of their plane, as the images show it.

        See :func:`~napari_dense_ssl.volume.texture.measured_step`; the same at every call.
        """
        region = Box.whole(self.shape) if box is None else box
        if region not in self._steps:
            region.check(self.shape)
            self._steps[region] = measured_step(self.read, region)
        return self._steps[region]

    def intensity(self, box: Box | None = None) -> Intensity:
        """Statistics of the grey values, from a sample of a few chunks; the same at every call.

        Chunks of the finest level: means over many voxels, as coarse levels hold, spread less. Those that are
        constant (padding) are left out where others are not.

        Parameters
        ----------
        box : Box, optional
            Sample only here; voxels of the finest level.

        Raises
        ------
        RegionError
            If the box is empty or reaches outside the volume.
        VolumeError
            If the file is damaged.
        """
        if box not in self._cache:
            region = Box.whole(self.shape) if box is None else box
            region.check(self.shape)
            self._cache[box] = Intensity.from_sample(self._sample(region))
        return self._cache[box]

    def _sample(self, region: Box) -> np.ndarray[Any, Any]:
        """Return values from chunks spread over a region: all of it when small, else at most 4 million."""
        if region.size <= _SAMPLE_VOXELS:
            return self.read(region).ravel()
        random = np.random.default_rng(0)
        # whole chunks are decoded for their samples: fewer where they are large
        chunk = int(np.prod(self.chunks)) * self.dtype.itemsize
        count = int(np.clip(_SAMPLE_DECODED // chunk, 4, _SAMPLE_BLOCKS))
        each = _SAMPLE_VOXELS // count
        parts: list[np.ndarray[Any, Any]] = []
        shown: list[np.ndarray[Any, Any]] = []
        # Aligned stacks have wide empty margins: look on before a volume is called constant.
        for _ in range(_SAMPLE_ROUNDS):
            places = (np.arange(count) + random.random(count)) / count
            boxes = [self._sample_box(region, random, float(place), each) for place in places]
            parts = [self.read(box).ravel() for box in boxes]
            shown += [part for part in parts if not Intensity.from_sample(part).constant]
            if len(shown) >= count // 4:
                break
        return np.concatenate(shown or parts)

    def _sample_box(self, region: Box, random: np.random.Generator, place: float, voxels: int) -> Box:
        """Return a box inside one chunk: Z at `place` (0 to 1) of the region, Y and X at random."""
        z_low, y_low, x_low = region.start
        depth, height, width = region.shape
        z = z_low + min(depth - 1, int(place * depth))
        edge = max(1, int(voxels**0.5))
        start, stop = [z], [z + 1]
        for low, length, chunk in ((y_low, height, self.chunks[1]), (x_low, width, self.chunks[2])):
            position = low + int(random.integers(length))
            corner = max(low, position // chunk * chunk)
            end = min(low + length, position // chunk * chunk + chunk)
            first = max(corner, min(position, end - edge))
            start.append(first)
            stop.append(min(end, first + edge))
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def read_around(
    read: Callable[[Box], np.ndarray[Any, Any]], depth: int, box: Box, reach: int
) -> np.ndarray[Any, Any]:
    """Read a part of one slice with its neighbours, out of `depth` slices; see :meth:`Volume.read_around`."""
    if reach == 0:
        return read(box)
    (z, y0, x0), (_, y1, x1) = box.start, box.stop
    wanted = [_mirrored(i, depth) for i in range(z - reach, z + reach + 1)]
    low, high = min(wanted), max(wanted) + 1
    voxels = read(Box((low, y0, x0), (high, y1, x1)))
    return voxels[[i - low for i in wanted]]


def _mirrored(index: int, length: int) -> int:
    """Reflect an index into ``0 <= i < length``, the ends themselves not repeated."""
    if length == 1:
        return 0
    period = 2 * (length - 1)
    index = abs(index) % period
    return index if index < length else period - index


def ratio(fine: tuple[int, ...], coarse: tuple[int, ...]) -> Factors:
    """How much coarser a level is, from shapes; rounded where an odd edge was cut or padded."""
    factors = []
    for a, b in zip(fine, coarse, strict=True):
        exact = a / max(1, b)
        whole = max(1, round(exact))
        factors.append(float(whole) if b in (a // whole, -(-a // whole)) else exact)
    return (factors[0], factors[1], factors[2])


def lazy_array(pixels: PlanarPixels) -> da.Array:
    """Return pixels as a dask array whose graph stays small however many chunks there are.

    ``inline_array`` keeps the array a single blockwise layer, of which dask materialises only the blocks
    that a slice needs: 800 GB in 3 million chunks are made in a millisecond, and a plane of them in
    30 ms, where the default graph takes seconds and 250 MB.
    """
    chunks = grown(pixels.chunks, pixels.shape, pixels.dtype.itemsize)
    array: da.Array = da.from_array(  # type: ignore[no-untyped-call]
        pixels,
        chunks=chunks,
        name=f"volume-{uuid.uuid4().hex}",
        meta=np.empty((0, 0, 0), pixels.dtype),
        asarray=False,
        inline_array=True,
    )
    return array
