"""What the Volume dock finds at a path: the work of its thread, without Qt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dense_ssl import (
    volume as volumes,
)  # by attribute: what is behind it takes half a second to import
from napari_dense_ssl.core.errors import DenseSSLError
from napari_dense_ssl.core.events import Beat, Event, Finished, Started

if TYPE_CHECKING:
    from napari_dense_ssl.volume import Volume

_FILES = 20_000  # of a folder that are counted at most
_BEAT = 200  # files between two events, at which the count may be stopped


@dataclass(frozen=True)
class Wish:
    """Which volume is asked for.

    Attributes
    ----------
    path : str
        As it was typed.
    dataset : str or None
        Which of a container's.
    planes : dict
        ``channel`` and ``timepoint``, where there are several.
    """

    path: str
    dataset: str | None = None
    planes: dict[str, int] = field(default_factory=dict)

    def open(self, voxel_size: tuple[float, float, float] | None = None) -> Volume:
        """Open it.

        Raises
        ------
        DenseSSLError
            What ``open_volume`` raises.
        """
        return volumes.open_volume(
            self.path,
            dataset=self.dataset,
            voxel_size=voxel_size,
            channel=self.planes.get("channel"),
            timepoint=self.planes.get("timepoint"),
        )


@dataclass
class Findings:
    """What was found so far; filled by :func:`look`, read by the window.

    Attributes
    ----------
    error : DenseSSLError or None
        Why it cannot be opened, or what has to be chosen first.
    volume : Volume or None
        What it is.
    datasets : tuple of str
        What else its container holds.
    labels : tuple of str
        Label images that belong to it, as datasets.
    bytes_on_disk : int or None
        None where it is not known (yet).
    """

    error: DenseSSLError | None = None
    volume: Volume | None = None
    datasets: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    bytes_on_disk: int | None = None


def look(wish: Wish, findings: Findings) -> Iterator[Event]:
    """Open a volume, say ``Started`` once it is known what it is, and count its bytes on disk."""
    try:
        findings.volume = wish.open()
        findings.datasets = volumes.list_datasets(wish.path)
        findings.labels = volumes.list_labels(wish.path, findings.volume.dataset)
    except DenseSSLError as error:
        findings.error = error
        yield Finished(None)
        return
    yield Started("look", None, "file", {})
    for count in counted(wish.path):
        findings.bytes_on_disk = count
        yield Beat()
    yield Finished(None)


def counted(path: str, limit: int = _FILES) -> Iterator[int | None]:
    """Yield None while counting how much room a path takes, then the sum, bytes.

    The sum stays None where the path is no file on this machine, or has more than `limit` files.
    """
    place = Path(path).expanduser()
    if place.is_file():
        yield place.stat().st_size
        return
    if not place.is_dir():
        return
    total, count = 0, 0
    for folder, _, names in os.walk(place):
        for name in names:
            try:
                total += (Path(folder) / name).stat().st_size
            except OSError:  # somebody else tidies up meanwhile
                continue
            count += 1
            if count > limit:
                return
            if count % _BEAT == 0:
                yield None
    yield total
