"""A label image that is written, read again and renumbered before it is done: of objects, for example."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import zarr

from napari_dense_ssl.volume.multiscale import MultiscaleImage, World
from napari_dense_ssl.volume.output import ATTRIBUTE, FORMAT, is_ours
from napari_dense_ssl.volume.places import claim, output_errors


class LabelOutput:
    """An OME-Zarr 0.5 label image under way; made by :meth:`create`.

    Attributes
    ----------
    path : Path
        The Zarr folder.
    array : zarr.Array
        Level 0, ``(Z, Y, X)``, uint32; 0 where nothing was written.
    """

    def __init__(self, path: Path, group: zarr.Group, image: MultiscaleImage, array: zarr.Array[Any]) -> None:
        self.path, self.array = path, array
        self._group, self._image = group, image

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        shape: tuple[int, int, int],
        world: World,
        *,
        source: str | None = None,
        chunk: tuple[int, int, int] = (1, 512, 512),
        overwrite: bool = False,
    ) -> LabelOutput:
        """Make an empty one.

        Parameters
        ----------
        path : str or path
            The Zarr folder to be made.
        shape : tuple of int
            Along Z, Y and X.
        world : World
            Where its voxels lie.
        source : str, optional
            Path of what it is made from, which it must not replace.
        chunk : tuple of int
            Along Z, Y and X.
        overwrite : bool
            Whether an older output of this program at the same path may be removed.

        Raises
        ------
        OutputError
            If the path exists (without `overwrite`), is the source or inside it, or cannot be written to.
        """
        place = Path(path).expanduser()
        claim(place, source, overwrite=overwrite, ours=is_ours(place))
        with output_errors(place):
            group = zarr.create_group(str(place), zarr_format=3)
            group.attrs.update({ATTRIBUTE: {"format": FORMAT, "kind": "labels", "complete": False}})
            image = MultiscaleImage(group, world, "0.5", name=place.stem, mode="mode", label_source="")
            array = image.create(shape, chunk, "uint32")
        return cls(place, group, image, array)

    def completing(
        self, facts: Mapping[str, Any], properties: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[tuple[int, int]]:
        """Build the pyramid and flag the output as complete, yielding chunks done and chunks in all.

        Parameters
        ----------
        facts : mapping
            Kept among the attributes under this program's name; as JSON has it.
        properties : sequence of mapping
            NGFF's properties of labels, each with its ``label-value``.

        Raises
        ------
        OutputError
            If the disk is full or the place is read-only.
        """
        with output_errors(self.path):
            total = self._image.pyramid_chunks()
            for done, _ in enumerate(self._image.build_pyramid(), start=1):
                yield done, total
            described = dict(cast("Mapping[str, Any]", self._group.attrs["ome"]))
            if properties:
                label = dict(described.get("image-label", {}))
                described["image-label"] = {**label, "properties": [dict(p) for p in properties]}
                self._group.attrs.update({"ome": described})
            done_facts = {"format": FORMAT, "kind": "labels", "complete": True, **facts}
            self._group.attrs.update({ATTRIBUTE: done_facts})

    def discard(self) -> None:
        """Remove what was written: half a label image is of no use."""
        shutil.rmtree(self.path, ignore_errors=True)
