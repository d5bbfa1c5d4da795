"""Names, colours and groups of classes in an OME-Zarr: for other software, and beside the map for this one.

NGFF keeps what labels mean in the ``image-label`` attributes of a label image: ``colors`` (``label-value``,
``rgba``) and ``properties`` (``label-value`` and whatever one likes: here ``name``, ``class``, ``group``),
the same in https://ngff.openmicroscopy.org/0.4/ and 0.5. The whole book, with the tree and the names of
groups of other cuts, is a ``classes.json`` in the folder of the finest level's array, where no reader looks
for Zarr nodes. The map itself is never written to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr

from napari_dense_ssl.core.class_book import MOST_CLASSES, ClassBook, Look
from napari_dense_ssl.core.errors import ClassesError, OutputError
from napari_dense_ssl.volume.class_file import NAME, SavedClasses, read_classes, write_classes
from napari_dense_ssl.volume.places import output_errors
from napari_dense_ssl.volume.volume import Volume


def label_metadata(book: ClassBook) -> dict[str, Any]:
    """Return ``colors`` and ``properties`` as ``image-label`` has them, one entry a class."""
    colours = [{"label-value": k + 1, "rgba": [*book.colour(k), 255]} for k in range(book.classes)]
    properties = [
        {"label-value": k + 1, "name": book.name(k), "class": k, "group": book.index[k] + 1}
        for k in range(book.classes)
    ]
    return {"colors": colours, "properties": properties}


def book_of_metadata(label: Mapping[str, Any]) -> ClassBook | None:
    """Return the book that ``image-label`` attributes tell of; None where they name no label of one byte.

    Understands those of other software too: labels that share a ``group`` are one group, a ``name`` (or
    ``class-name``) is the group's.
    """
    colours = _by_label(label.get("colors"))
    properties = _by_label(label.get("properties"))
    values = sorted({*colours, *properties})
    if not values:
        return None
    classes = values[-1]
    groups: dict[Any, list[int]] = {}
    for value in range(1, classes + 1):
        number = properties.get(value, {}).get("group")
        groups.setdefault(("g", number) if isinstance(number, int | str) else ("k", value), []).append(
            value - 1
        )
    looks: dict[tuple[int, ...], Look] = {}
    bare = ClassBook(classes, tuple(map(tuple, groups.values())))
    for group in bare.groups:
        entry = properties.get(group[0] + 1, {})
        name = entry.get("name", entry.get("class-name", ""))
        name = name if isinstance(name, str) and name != bare.name(group[0]) else ""
        rgba = colours.get(group[0] + 1, {}).get("rgba")
        colour = None
        if isinstance(rgba, list) and len(rgba) >= 3 and all(_is_byte(v) for v in rgba[:3]):
            colour = (int(rgba[0]), int(rgba[1]), int(rgba[2]))
        if colour == bare.colour(group[0]):
            colour = None
        if name or colour:
            looks[group] = Look(" ".join(name.split()), colour)
    return ClassBook(classes, bare.groups, looks)


def write_map_classes(
    path: str | os.PathLike[str], saved: SavedClasses, dataset: str = "labels/classes"
) -> None:
    """Put a book beside a class map on disk, and into its attributes; the map stays as it is.

    Parameters
    ----------
    path : str or path
        The OME-Zarr.
    saved : SavedClasses
    dataset : str
        Path of the label image in it.

    Raises
    ------
    OutputError
        If there is no label image, or it cannot be written to.
    """
    place = Path(path)
    with output_errors(place):
        try:
            group = zarr.open_group(str(place / dataset), mode="r+")
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise OutputError(
                f"{place} has no label image {dataset}; choose an OME-Zarr of predict."
            ) from error
        if not os.access(place / dataset, os.W_OK):
            raise OutputError(f"You may not write to {place}; save the names to a file of your own.")
        attributes: dict[str, Any] = dict(group.attrs.asdict())
        ome = attributes.get("ome")
        made = label_metadata(saved.book)
        if isinstance(ome, Mapping):
            group.attrs.update({"ome": {**ome, "image-label": {**ome.get("image-label", {}), **made}}})
        else:
            group.attrs.update({"image-label": {**attributes.get("image-label", {}), **made}})
    write_classes(place / dataset / "0" / NAME, saved)


def read_map_classes(
    path: str | os.PathLike[str], dataset: str | None = "labels/classes"
) -> SavedClasses | None:
    """Return what was put beside a class map; from its attributes where the file is not there.

    None where it has neither, or is on no disk of this machine.

    Raises
    ------
    ClassesError
        If the file is there and damaged.
    """
    place = Path(path) / (dataset or "")
    file = place / "0" / NAME
    if file.is_file():
        return read_classes(file)
    return _of_attributes(place)


def _of_attributes(place: Path) -> SavedClasses | None:
    if not place.is_dir():
        return None
    try:
        attributes = zarr.open_group(str(place), mode="r").attrs.asdict()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    ome = attributes.get("ome")
    label = (ome if isinstance(ome, Mapping) else attributes).get("image-label")
    book = book_of_metadata(label) if isinstance(label, Mapping) else None
    return None if book is None else SavedClasses(book)


def found_map_classes(path: str | os.PathLike[str], dataset: str | None) -> SavedClasses | None:
    """Return what :func:`read_map_classes` does; where the file is damaged, what the attributes tell."""
    try:
        return read_map_classes(path, dataset)
    except ClassesError:
        return _of_attributes(Path(path) / (dataset or ""))


def grouped_map(classes: Any, book: ClassBook) -> da.Array:
    """Return a class map in which each label is the number of its group, lazily: nothing is written.

    Parameters
    ----------
    classes : Volume or array-like, integers
        Labels: class + 1, and 0 for 'not predicted', which stays 0. Numpy, dask, Zarr.
    book : ClassBook

    Returns
    -------
    dask.array.Array, uint8
        1 to n, in the order of :attr:`ClassBook.groups`.

    Raises
    ------
    ClassesError
        When a part is computed that has labels beyond the book's classes.
    """
    array = classes.data if isinstance(classes, Volume) else classes
    lazy = array if isinstance(array, da.Array) else da.from_array(array)  # type: ignore[no-untyped-call]
    grouped: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
        _looked_up, lazy, lookup=book.lookup(), dtype=np.uint8, meta=np.empty(0, np.uint8)
    )
    return grouped


def _looked_up(labels: np.ndarray[Any, Any], lookup: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if labels.size and int(labels.max()) >= len(lookup):
        raise ClassesError(
            f"The map has the label {int(labels.max())}, but the names are of {len(lookup) - 1} classes "
            f"(labels 1 to {len(lookup) - 1}); take the names of the run that the map comes from."
        )
    found: np.ndarray[Any, Any] = lookup[labels]
    return found


def _by_label(entries: Any) -> dict[int, Mapping[str, Any]]:
    found = {}
    for entry in entries if isinstance(entries, list) else ():
        value = entry.get("label-value") if isinstance(entry, Mapping) else None
        if isinstance(value, int) and 1 <= value <= MOST_CLASSES:
            found[value] = entry
    return found


def _is_byte(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 255
