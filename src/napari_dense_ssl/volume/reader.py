"""What a format must offer: the role ``Reader``, and what it finds in a file.

To add a format: write ``<kind>_reader.py`` with a class that has these members, add one instance to
``READERS`` in :mod:`~napari_dense_ssl.volume.registry`, a test, and a line in the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from napari_dense_ssl.volume.pixels import Pixels

SAMPLE_PREFIX = "sample:"


@dataclass(frozen=True)
class Level:
    """One level of a pyramid.

    Attributes
    ----------
    pixels : Pixels
        With the axes of the file.
    scale : mapping
        Edge length of a voxel along ``"z"``, ``"y"``, ``"x"`` where the file gives it: in nm, or relative to
        each other where :attr:`Found.unit_known` is False.
    """

    pixels: Pixels
    scale: Mapping[str, float]


@dataclass(frozen=True)
class Found:
    """What a reader found at a path, before axes are chosen and types checked.

    Attributes
    ----------
    format : str
        Name of the format, for people.
    axes : str
        One letter for each axis: ``z y x``, ``c`` channel, ``t`` time, ``s`` colour, ``?`` unknown.
    levels : tuple of Level
        Finest first.
    unit_known : bool
        Whether the scales are in a unit of length.
    translation : mapping
        Where the centre of voxel 0 lies, nm, by axis letter.
    dataset : str or None
        Which of a container's datasets this is.
    notes : tuple of str
        Sentences that the user should read.
    labels : bool
        Whether the file says that its values are labels.
    """

    format: str
    axes: str
    levels: tuple[Level, ...]
    unit_known: bool
    translation: Mapping[str, float]
    dataset: str | None = None
    notes: tuple[str, ...] = ()
    labels: bool = False


class Reader(Protocol):
    """Reads one format."""

    def accepts(self, path: Path) -> bool:
        """Whether a path is of this format, from its name and its first bytes; must be quick."""
        ...

    def datasets(self, path: Path) -> tuple[str, ...]:
        """Return the names of the volumes in a container; empty for formats that hold one.

        Raises
        ------
        VolumeError
            If the file is damaged.
        """
        ...

    def open(self, path: Path, dataset: str | None) -> Found:
        """Read metadata only and return lazy pixels.

        Raises
        ------
        DatasetChoiceError
            If there are several datasets and none was named.
        VolumeError
            If the file is damaged or holds no image.
        """
        ...
