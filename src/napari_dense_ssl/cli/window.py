"""Opens napari through our plugin's manifest: only the room ``gui`` may import napari and Qt."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from napari_dense_ssl.core.errors import DeviceError

PLUGIN = "napari-dense-ssl"
_READER = f"{PLUGIN}.read"


@dataclass(frozen=True, slots=True)
class Shown:
    """A volume to be shown: what our reader opens, and how it is to look where the reader cannot know."""

    source: str
    kind: Literal["image", "labels"] | None = None
    voxel_size: tuple[float, float, float] | None = None
    name: str | None = None
    visible: bool = True


def has_display() -> bool:
    """Whether a window can be expected to open here."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def show(volumes: Sequence[Shown]) -> None:
    """Open napari with volumes and our docks in place, and wait until it is closed.

    Raises
    ------
    DeviceError
        If there is no display, or napari or Qt are missing.
    """
    if not has_display():
        raise DeviceError(
            "There is no display to open napari on (neither DISPLAY nor WAYLAND_DISPLAY is set); work on a "
            "desktop, forward one with ssh -X, or use the commands info, train and predict."
        )
    try:
        napari = import_module("napari")
        import_module("qtpy.QtWidgets")
    except ImportError as error:
        raise DeviceError(
            f'napari cannot open a window here ({error}); get a Qt binding with: pip install "napari[pyqt6]".'
        ) from error
    manager = import_module("npe2").PluginManager.instance()
    # The title keeps napari's own name, which desktops group windows by.
    viewer = napari.Viewer(title="napari - Dense SSL")
    for volume in volumes:
        # The manifest's reader command, not viewer.open: samples and folders match no file name pattern.
        read = manager.commands.execute(_READER, (volume.source,))
        for data, keywords, kind in read(volume.source):
            viewer.add_layer(_layer(napari, volume, data, dict(keywords), kind))
    viewer.reset_view()
    for widget in manager.get_manifest(PLUGIN).contributions.widgets:
        viewer.window.add_plugin_dock_widget(PLUGIN, widget.display_name, tabify=True)
    napari.run()


def _layer(napari: Any, volume: Shown, data: Any, keywords: dict[str, Any], kind: str) -> Any:
    if volume.kind == "labels" and kind == "image":
        for name in ("contrast_limits", "colormap"):
            keywords.pop(name, None)
        kind = "labels"
    if volume.voxel_size is not None:
        keywords |= {"scale": volume.voxel_size, "units": ("nm", "nm", "nm")}
    if volume.name is not None:
        keywords["name"] = volume.name
    return napari.layers.Layer.create(data, keywords | {"visible": volume.visible}, kind)
