"""Finding objects as a generator of events: pieces, what is one, numbers, and the OME-Zarr."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import OutputError, ScoreError
from napari_dense_ssl.core.events import Event, Finished, Noted, Pictured, Saved, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.clock import Clock
from napari_dense_ssl.evaluate.label_sources import LabelSource, label_source
from napari_dense_ssl.evaluate.objects.assembly import Assembled, Pieces, blocks
from napari_dense_ssl.evaluate.objects.cells import cell_slabs, cells
from napari_dense_ssl.evaluate.objects.components import components
from napari_dense_ssl.evaluate.objects.measured import Objects, write_objects_table
from napari_dense_ssl.evaluate.objects.settings import ObjectSettings
from napari_dense_ssl.volume import LabelOutput, World

MOST_IN_MEMORY = 1 << 30
"""Voxels of a result without an output: 4 GB."""

MOST_PROPERTIES = 10_000
"""Objects whose sizes are kept among the attributes of the OME-Zarr too, not in the table alone."""


def finding_objects(
    source: Any,
    classes: int | tuple[int, ...],
    out: os.PathLike[str] | str | None = None,
    *,
    cells_between: bool = False,
    settings: ObjectSettings | None = None,
    region: Box | None = None,
    label: str = "classes",
    table: os.PathLike[str] | str | None = None,
    overwrite: bool = False,
) -> Generator[Event]:
    """Find the objects of a class, or the cells between membranes, in three dimensions.

    Parameters
    ----------
    source : path, Volume or array
        Class map or segmentation, axes Z, Y, X; see :func:`~napari_dense_ssl.evaluate.evaluate`.
    classes : int or tuple of int
        Labels (class + 1 in maps of ours) that objects are made of, taken together; or the membranes.
    out : path, optional
        OME-Zarr 0.5 label image to be made; without it the numbers stay in memory. Closed before the end, the
        job leaves nothing.
    cells_between : bool
        Cut the space between membranes into cells, in place of taking the class itself.
    settings : ObjectSettings, optional
    region : Box, optional
        Only here; the result has the region's shape and place.
    label : str
        Which label image of an OME-Zarr.
    table : path, optional
        CSV to be written; by default `out` with the ending ``.csv``.
    overwrite : bool
        Whether an older output of this program may be replaced.

    Yields
    ------
    Event
        ``Started``, ``Step`` after each block, ``Noted`` where there is something to know, ``Saved`` with the
        table, ``Pictured`` with the :class:`~napari_dense_ssl.evaluate.objects.Objects`, ``Finished``.

    Raises
    ------
    ScoreError
        If the class does not occur, the values are no labels, or there are too many pieces.
    RegionError
        If the region lies outside, or cells do not fit into memory.
    OutputError
        If the output exists, cannot be written, or is needed because the result is too large for memory.
    VolumeError
        If a path cannot be opened.
    """
    settings = settings or ObjectSettings()
    wanted = (classes,) if isinstance(classes, int) else tuple(classes)
    labels = label_source(source, label, "the class map")
    _check(labels, wanted)
    whole = Box.whole(labels.shape)
    box = whole if region is None else region
    box.check(labels.shape)
    parts = cell_slabs(box, settings) if cells_between else blocks(box)
    place = None if out is None else Path(out).expanduser()
    sheet = Path(table).expanduser() if table is not None else place and place.with_suffix(".csv")
    if sheet is not None and sheet.exists() and not overwrite:
        raise OutputError(
            f"The table {sheet} exists already; choose another path, or allow it to be replaced."
        )
    if place is None and box.size > MOST_IN_MEMORY:
        raise OutputError(
            f"The objects of {box.size:,} voxels would take {4 * box.size / 1e9:.0f} GB of memory; give an "
            "output (OUT.zarr), or choose a region."
        )
    begun = Started("objects", 2 * len(parts), "block", {"source": labels.name, "region": str(box)})
    translation = tuple(
        t + s * b
        for t, s, b in zip(labels.translation, labels.voxel_size or (1, 1, 1), box.start, strict=True)
    )
    z, y, x = translation
    output: LabelOutput | None = None
    if place is not None:
        size = tuple(labels.voxel_size or (1.0, 1.0, 1.0))
        world = World(size, (z, y, x), "nanometer" if labels.voxel_size else None)
        output = LabelOutput.create(place, box.shape, world, source=labels.file, overwrite=overwrite)
    finished = False
    try:
        yield begun
        target: Any = output.array if output is not None else np.zeros(box.shape, np.uint32)
        read = _Reader(labels)
        # making pieces takes longest; then numbering, then the pyramid
        clock = Clock(2 * len(parts) + (1 if output is not None else 0))
        if cells_between:
            pieces = yield from cells(read, wanted, target, parts, settings, labels.voxel_size, clock)
        else:
            pieces = yield from components(read, wanted, target, parts, settings, clock)
        found = pieces.assemble(settings.min_voxels, settings.max_voxels)
        _check_found(pieces, found, wanted, read, cells_between)
        yield from _numbered(target, found, parts, box, clock)
        result = Objects(
            labels=target,
            voxels=found.voxels,
            centroids=found.centroids,
            low=found.low,
            high=found.high,
            voxel_size=labels.voxel_size,
            translation=(z, y, x),
            left_out=found.left_out,
            path=place,
        )
        if output is not None:
            facts = {
                "source": labels.name,
                "classes": list(wanted),
                "kind_of_objects": "cells" if cells_between else "components",
                "settings": settings.model_dump(mode="json"),
                "region": str(box),
            }
            for _, total in output.completing(facts, _properties(result)):
                yield clock.step(1 / total)
        yield clock.step(clock.total)
        if not len(result):
            yield Noted(
                f"None of {found.left_out:,} objects has the size that was asked for; lower the least size."
            )
        if sheet is not None:
            write_objects_table(result, sheet)
            yield Saved(sheet)
        finished = True
        yield Pictured(clock.total, result)
        yield Finished(place, {"objects": len(result), "left_out": result.left_out})
    finally:
        if output is not None and not finished:
            output.discard()


def find_objects(source: Any, classes: int | tuple[int, ...], *args: Any, **keywords: Any) -> Objects:
    """Find objects to the end and return them; see :func:`finding_objects`.

    Examples
    --------
    >>> import numpy as np
    >>> map = np.zeros((3, 8, 8), np.uint8)
    >>> map[:, 1:3, 1:3], map[1, 5:7, 5:8] = 4, 4
    >>> from napari_dense_ssl.evaluate.objects import ObjectSettings
    >>> found = find_objects(map, 4, settings=ObjectSettings(min_voxels=1))
    >>> found.voxels.tolist(), found.centroids[0].tolist()
    ([12, 6], [1.0, 1.5, 1.5])
    """
    for event in finding_objects(source, classes, *args, **keywords):
        if isinstance(event, Pictured):
            result: Objects = event.picture
    return result


class _Reader:
    """Reads boxes of labels, and knows which labels it has met."""

    def __init__(self, labels: LabelSource) -> None:
        self._labels = labels
        self.met: set[int] = set()

    def __call__(self, box: Box) -> NDArray[Any]:
        block = np.asarray(self._labels.array[box.slices])
        if len(self.met) < 256:
            self.met.update(int(v) for v in np.unique(block[:1])[:256])
        return block


def _numbered(target: Any, found: Assembled, parts: list[Box], box: Box, clock: Clock) -> Generator[Step]:
    for part in parts:
        index = tuple(slice(a - b, e - b) for a, e, b in zip(part.start, part.stop, box.start, strict=True))
        target[index] = found.lookup[np.asarray(target[index])]
        yield clock.step(1)


def _check(labels: LabelSource, classes: tuple[int, ...]) -> None:
    dtype = np.dtype(labels.array.dtype)
    if dtype.kind not in "iu":
        raise ScoreError(
            f"{labels.name} holds {dtype.name} values, but objects are made of labels, which are whole "
            "numbers; give a class map or a segmentation (of a prediction of ours: its labels/classes)."
        )
    if not classes or min(classes) < 1:
        raise ScoreError(
            f"The class {', '.join(map(str, classes)) or '(none)'} cannot be taken: give labels of 1 or "
            "more; in class maps the label is the class + 1, and 0 is what is not predicted."
        )


def _check_found(
    pieces: Pieces, found: Assembled, classes: tuple[int, ...], read: _Reader, cells_between: bool
) -> None:
    if pieces.count or found.left_out:
        return
    what = "no cell is wide enough, or nothing lies between them" if cells_between else "it occurs nowhere"
    some = ", ".join(map(str, sorted(read.met)[:20])) or "none"
    raise ScoreError(
        f"No object of class {', '.join(map(str, classes))} was found: {what}. Labels that occur are, for "
        f"example: {some}."
    )


def _properties(objects: Objects) -> list[dict[str, Any]]:
    if len(objects) > MOST_PROPERTIES:
        return []
    columns = {"voxels": objects.voxels.tolist()}
    if objects.volumes is not None:
        columns["volume_um3"] = [float(f"{v:.8g}") for v in objects.volumes]
    return [
        {"label-value": number, **{name: values[number - 1] for name, values in columns.items()}}
        for number in range(1, len(objects) + 1)
    ]
