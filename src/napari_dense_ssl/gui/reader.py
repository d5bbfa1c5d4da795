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

    The label images of an OME-Zarr image come with it. Of a container's datasets those that are no volumes
    (a table, an embedding) are left out, and a warning says so.

    Raises
    ------
    VolumeError
        If nothing can be opened; napari shows the message.
    """
    from napari_dense_ssl.core.errors import DatasetChoiceError
    from napari_dense_ssl.volume import list_labels, open_volume

    source = str(path)
    try:
        volume = open_volume(source)
    except DatasetChoiceError as choice:
        return _read_all(source, choice.datasets)
    more = list_labels(source, volume.dataset)
    return [layer_data(volume), *(_read_all(source, more) if more else [])]


def _read_all(source: str, datasets: Sequence[str]) -> list[LayerData]:
    """Open those datasets that are volumes, and tell of the others."""
    from napari.utils.notifications import show_warning

    from napari_dense_ssl.core.errors import VolumeError
    from napari_dense_ssl.volume import open_volume

    layers: list[LayerData] = []
    failures: list[VolumeError] = []
    for name in datasets:
        try:
            layers.append(layer_data(open_volume(source, dataset=name)))
        except VolumeError as error:
            failures.append(error)
    if failures and not layers:
        raise failures[0]
    for failure in failures:
        show_warning(f"Left out: {failure}")
    return layers
