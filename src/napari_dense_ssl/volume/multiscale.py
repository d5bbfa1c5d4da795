"""One multiscale image in an OME-Zarr group: its arrays, its metadata, its pyramid.

Metadata are built with ome-zarr-models, which validates them, for NGFF 0.5 (Zarr 3) and 0.4 (Zarr 2):
https://ngff.openmicroscopy.org/0.5/ .
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, cast

import numpy as np
import zarr
from ome_zarr_models.common.image_label_types import Source
from ome_zarr_models.v05.axes import Axis
from ome_zarr_models.v05.image_label_types import Label
from ome_zarr_models.v05.multiscales import Dataset, Multiscale

from napari_dense_ssl.volume.pyramid import (
    Mode,
    coarser_extent,
    fill_level,
    pyramid_steps,
    written_extent,
)

Version = Literal["0.5", "0.4"]


@dataclass(frozen=True)
class World:
    """Where level 0 lies.

    Attributes
    ----------
    voxel_size : tuple of float
        Along each axis: Z, Y and X, or those of the image.
    translation : tuple of float
        Of the centre of voxel 0.
    unit : str or None
        NGFF's name of the unit of both along the axes of space; None where the size is not known.
    """

    voxel_size: tuple[float, ...]
    translation: tuple[float, ...]
    unit: str | None = "nanometer"


class MultiscaleImage:
    """Writes one multiscale image into a group that exists.

    Parameters
    ----------
    group : zarr.Group
        Carries the metadata; levels are its arrays ``0``, ``1``, ...
    world : World
        Voxel size, translation and unit of level 0.
    version : {"0.5", "0.4"}
        Of NGFF.
    name : str
        Shown by viewers.
    mode : {"mean", "mode"}
        How coarser levels are made.
    label_source : str, optional
        For label images: path from the group to the image that they belong to; ``""`` for none.
    axes : str
        One letter for each axis, out of ``"tczyx"`` and in that order; Y and X are there.
    label_metadata : mapping, optional
        Of label images: further ``image-label`` attributes, such as ``colors`` and ``properties``.
    """

    def __init__(
        self,
        group: zarr.Group,
        world: World,
        version: Version,
        *,
        name: str,
        mode: Mode,
        label_source: str | None = None,
        axes: str = "zyx",
        label_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._group = group
        self._label_metadata = dict(label_metadata or {})
        self._axes = axes
        self._world = world
        self._version = version
        self._name = name
        self._mode: Mode = mode
        self._label_source = label_source

    def create(
        self, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype[Any] | str
    ) -> zarr.Array[Any]:
        """Make level 0, filled with 0 and unwritten, and the metadata."""
        array = self._array("0", shape, chunks, np.dtype(dtype))
        self._describe([(1,) * len(shape)])
        return array

    def pyramid_chunks(self, *, whole: bool = False) -> int:
        """Return how many chunks of the coarser levels have something written beneath them, together.

        Parameters
        ----------
        whole : bool
            Count all chunks, as before anything is written.
        """
        array = cast("zarr.Array[Any]", self._group["0"])
        lengths, chunks, total = array.shape, array.chunks, 0
        counts = (-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True))
        extent = (None if whole else written_extent(array)) or tuple(slice(0, n) for n in counts)
        for step in self._steps(array.shape):
            lengths = tuple(-(-n // k) for n, k in zip(lengths, step, strict=True))
            coarse = tuple(max(1, min(c, n)) for c, n in zip(chunks, lengths, strict=True))
            extent = coarser_extent(extent, chunks, coarse, step, lengths)
            chunks = coarse
            total += prod(s.stop - s.start for s in extent)
        return total

    def build_pyramid(self) -> Iterator[None]:
        """Make the coarser levels from level 0 and list them; may be repeated.

        Yields after each chunk.
        """
        fine = cast("zarr.Array[Any]", self._group["0"])
        factors = [(1,) * fine.ndim]
        for level, step in enumerate(self._steps(fine.shape), start=1):
            shape = tuple(-(-n // k) for n, k in zip(fine.shape, step, strict=True))
            coarse = self._array(str(level), shape, fine.chunks, fine.dtype)
            yield from fill_level(fine, coarse, step, self._mode)
            factors.append(tuple(f * k for f, k in zip(factors[-1], step, strict=True)))
            fine = coarse
        self._describe(factors)

    def _steps(self, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield by how much each level is coarser than the one before: only along the axes of space."""
        place = {axis: i for i, axis in enumerate(self._axes)}
        # a plane is a stack of one slice
        lengths = tuple(shape[place[a]] if a in place else 1 for a in "zyx")
        spacing = tuple(self._world.voxel_size[place[a]] if a in place else 1.0 for a in "zyx")
        for step in pyramid_steps(lengths, spacing):
            along = dict(zip("zyx", step, strict=True))
            yield tuple(along.get(axis, 1) for axis in self._axes)

    def _array(
        self, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype[Any]
    ) -> zarr.Array[Any]:
        new = self._version == "0.5"
        return self._group.create_array(
            name,
            shape=shape,
            chunks=tuple(max(1, min(c, n)) for c, n in zip(chunks, shape, strict=True)),
            dtype=dtype,
            fill_value=0,
            overwrite=True,
            dimension_names=list(self._axes) if new else None,
            chunk_key_encoding=None if new else {"name": "v2", "separator": "/"},
        )

    def _describe(self, factors: Sequence[tuple[int, ...]]) -> None:
        world = self._world
        kinds = {"t": "time", "c": "channel"}
        axes = [
            Axis(name=axis, type=kinds[axis])
            if axis in kinds
            else Axis(name=axis, type="space", unit=world.unit)
            for axis in self._axes
        ]
        datasets = []
        for level, factor in enumerate(factors):
            scale = [s * f for s, f in zip(world.voxel_size, factor, strict=True)]
            # the first coarse voxel's centre lies in the middle of the fine ones that it joins
            shift = [
                t + s * (f - 1) / 2
                for t, s, f in zip(world.translation, world.voxel_size, factor, strict=True)
            ]
            datasets.append(Dataset.build(path=str(level), scale=scale, translation=shift))
        multiscale = Multiscale(
            axes=axes,
            datasets=tuple(datasets),
            name=self._name,
            type=self._mode if len(factors) > 1 else None,
        )
        self._group.attrs.update(self._attributes(multiscale))

    def _attributes(self, multiscale: Multiscale) -> Mapping[str, Any]:
        label: dict[str, Any] = {}
        if self._label_source is not None:
            source = Source(image=self._label_source) if self._label_source else None
            model = Label(version="0.5", source=source)
            # Names and colours that were given meanwhile stay.
            before: dict[str, Any] = dict(self._group.attrs.asdict())
            holder = before.get("ome", {}) if self._version == "0.5" else before
            kept = {**holder.get("image-label", {}), **self._label_metadata}
            label = {"image-label": kept | model.model_dump(by_alias=True, exclude_none=True)}
        if self._version == "0.5":
            metadata = multiscale.model_dump(by_alias=True, exclude_none=True)
            return {"ome": {"version": "0.5", "multiscales": [metadata], **label}}
        older = multiscale.to_version("0.4").model_dump(by_alias=True, exclude_none=True)
        label = {key: {**value, "version": "0.4"} for key, value in label.items()}
        return {"multiscales": [{**older, "version": "0.4"}], **label}
