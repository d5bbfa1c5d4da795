"""napari's reader: any volume that :func:`open_volume` opens, as a layer with its place in the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_dense_ssl.gui.layers import layer_data

LayerData = tuple[Any, dict[str, Any], str]
Path_ = str | Sequence[str]


def get_reader(path: Path_) -> Callable[[Path_], list[LayerData]] | None:
    """Return the function that reads a path; None for what is surely no volume.

    Several paths are left to other readers: napari means a stack of files by them, and ours takes the
    folder that holds them.
    """
    if not isinstance(path, str):
        return None
    place = Path(path)
    if place.is_dir() and not any(place.iterdir()):
        return None
    return read


def read(path: Path_) -> list[LayerData]:
    """Open a path as one layer, or one for each volume of a container that holds several.

    Raises
    ------
    VolumeError
        If it cannot be opened; napari shows the message.
    """
    from napari_dense_ssl.core.errors import DatasetChoiceError
    from napari_dense_ssl.volume import open_volume

    source = str(path)
    try:
        return [layer_data(open_volume(source))]
    except DatasetChoiceError as choice:
        return [layer_data(open_volume(source, dataset=name)) for name in choice.datasets]
