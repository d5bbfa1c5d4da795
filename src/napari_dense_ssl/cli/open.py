"""``open``: napari with a volume, and the docks in place."""

from __future__ import annotations

import contextlib

from napari_dense_ssl.cli.arguments import VolumeArgument, VoxelSizeOption, opened, parse_voxel_size
from napari_dense_ssl.cli.window import Shown, show
from napari_dense_ssl.core.errors import DatasetChoiceError


def open_in_napari(volume: VolumeArgument, voxel_size: VoxelSizeOption = None) -> None:
    """Open napari with a volume and the docks in place."""
    size = parse_voxel_size(voxel_size)
    # Looked at first: a sentence in the terminal is better than an empty window. Of a container with
    # several datasets napari shows all.
    with contextlib.suppress(DatasetChoiceError):
        opened(volume)
    show([Shown(volume, voxel_size=size)])
