"""Clicks on the canvas, told from drags, that pick the class under the mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dense_ssl.gui.map_array import TrustedMap
from napari_dense_ssl.gui.views import to_voxels

if TYPE_CHECKING:
    from napari import Viewer

_STILL = 4  # px that a click may move


class Picker:
    """Calls back with the label under a click; does nothing while a tool of napari's has the mouse.

    Parameters
    ----------
    viewer : napari.Viewer
    layers : callable
        Returns the class maps that are picked from, topmost first.
    picked : callable
        Called with the label, 0 where there is none.
    """

    def __init__(
        self, viewer: Viewer, layers: Callable[[], list[Any]], picked: Callable[[int], None]
    ) -> None:
        self.viewer, self._layers, self._picked = viewer, layers, picked
        # On the viewer, since a layer hears only while it is the active one.
        viewer.mouse_drag_callbacks.append(self._press)

    def close(self) -> None:
        """Listen no more."""
        if self._press in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._press)

    def _press(self, viewer: Any, event: Any) -> Iterator[None]:
        active = viewer.layers.selection.active
        if event.button != 1 or event.modifiers or (active is not None and str(active.mode) != "pan_zoom"):
            return
        start = np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos, float) - start).max() > _STILL:
                return
            yield
        layers = self._layers()
        if layers:
            labels = (label_at(self.viewer, layer, event) for layer in layers)
            self._picked(next((label for label in labels if label), 0))


def label_at(viewer: Viewer, layer: Any, event: Any) -> int:
    """Return the label of a class map under the mouse, also where the threshold hides it; 0 for none."""
    if viewer.dims.ndisplay == 3:
        found = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        found = found[1] if isinstance(found, tuple) else found
        return int(found or 0)
    data = layer.data[0] if layer.multiscale else layer.data
    data = data.classes if isinstance(data, TrustedMap) else data
    place = np.rint(to_voxels(viewer, layer, event.position)).astype(int)[-3:]
    if any(not 0 <= i < n for i, n in zip(place, data.shape, strict=True)):
        return 0
    return int(np.asarray(data[tuple(int(i) for i in place)]))
