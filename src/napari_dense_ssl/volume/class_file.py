"""Names, colours, groups and tree of classes in a small JSON file, beside the map or wherever one likes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_dense_ssl.core.class_book import ClassBook, Colour, Look
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import ClassesError, OutputError
from napari_dense_ssl.core.files import write_text_whole

FORMAT: Final = 1
"""Version of the file; raised when older programs could not read it."""

NAME = "classes.json"
"""What the file is called in a run folder, and beside a class map."""

_KIND: Final = "napari-dense-ssl classes"
_LARGEST = 1 << 24  # bytes; what is larger was never written by this program

Class = Annotated[int, Field(ge=0, le=254)]


class _Look(BaseModel):
    model_config = ConfigDict(extra="forbid")

    classes: tuple[Class, ...] = Field(min_length=1)
    name: str = ""
    colour: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] | None = None


class _Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")

    way: str = ""
    merges: tuple[tuple[int, int, float], ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["napari-dense-ssl classes"] = _KIND
    format: Literal[1] = FORMAT
    software: str = ""
    made_with: str = ""
    classes: Annotated[int, Field(ge=1, le=255)]
    groups: tuple[tuple[Class, ...], ...]
    looks: tuple[_Look, ...] = ()
    tree: _Tree | None = None


@dataclass(frozen=True)
class SavedClasses:
    """What a file holds.

    Attributes
    ----------
    book : ClassBook
        Names, colours, groups.
    tree : ClassTree or None
    made_with : str
        Fingerprint of the checkpoint whose classes these are; empty where it is not known.
    """

    book: ClassBook
    tree: ClassTree | None = None
    made_with: str = ""


def write_classes(path: str | os.PathLike[str], saved: SavedClasses) -> None:
    """Write a file in one step: whoever reads it sees the old one or the new one.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    place = Path(path)
    book, tree = saved.book, saved.tree
    looks = tuple(
        _Look(classes=group, name=look.name, colour=None if look.colour is None else _hex(look.colour))
        for group, look in sorted(book.looks.items())
    )
    file = _File(
        software=f"napari-dense-ssl {version('napari-dense-ssl')}",
        made_with=saved.made_with,
        classes=book.classes,
        groups=book.groups,
        looks=looks,
        tree=None if tree is None else _Tree(way=tree.way, merges=tree.merges),
    )
    try:
        write_text_whole(place, json.dumps(file.model_dump(mode="json")) + "\n")
    except OSError as error:
        raise OutputError(
            f"The names of the classes cannot be written to {place} ({error.strerror}); choose a place where "
            "you may write and where there is room."
        ) from error


def read_classes(path: str | os.PathLike[str]) -> SavedClasses:
    """Read a file.

    Raises
    ------
    ClassesError
        If it is missing, is none of this program, of another version, or damaged.
    """
    place = Path(path)
    try:
        if place.stat().st_size > _LARGEST:
            raise ValueError("too large")
        content = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise ClassesError(
            f"The names of classes {place} cannot be read ({error.strerror}); choose a file that Save names "
            "wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ClassesError(
            f"{place} holds no names of classes (it is no JSON text); choose a file that Save names wrote."
        ) from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise ClassesError(
            f"{place} holds no names of classes; choose a file that Save names wrote, or the {NAME} of a run."
        )
    if content.get("format") != FORMAT:
        raise ClassesError(
            f"{place} has format {content.get('format')!r}, this version reads format {FORMAT}; use the "
            f"version that wrote it ({content.get('software') or 'unknown'})."
        )
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ClassesError(
            f"The names of classes {place} are damaged ({where}: {first['msg']}); take them from a copy."
        ) from error
    try:
        looks = {
            tuple(sorted(set(look.classes))): Look(
                " ".join(look.name.split()), None if look.colour is None else _colour(look.colour)
            )
            for look in file.looks
        }
        book = ClassBook(file.classes, file.groups, {group: look for group, look in looks.items() if look})
        tree = None if file.tree is None else ClassTree(file.tree.merges, file.tree.way)
        if tree is not None and tree.classes != book.classes:
            raise ClassesError(f"its tree is of {tree.classes} classes, its names of {book.classes}")
    except ClassesError as error:
        raise ClassesError(f"The names of classes {place} are damaged: {error}") from error
    return SavedClasses(book, tree, file.made_with)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _colour(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
