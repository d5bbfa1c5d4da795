"""The live class map of the slice in view, as a Labels layer over its image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.colours import class_colormap
from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import KEY, LayerSource
from napari_dense_ssl.gui.maps import SparseMap, full_resolution
from napari_dense_ssl.gui.views import view_of

if TYPE_CHECKING:
    from napari import Viewer

_DELAY_MS = 80  # after the last movement of a slider or the camera
_LIMIT = 1536  # px, longest edge of the part that is computed: more would take too much of the training
_MOST_IN_3D = 1 << 26  # voxels: in 3-D napari reads a whole map again whenever a part of it is new


class ViewTeller(QObject):
    """Tells a :class:`Watch` what is in view of a layer, whenever a slider or the camera has moved.

    Parameters
    ----------
    viewer : napari.Viewer
    identity : str
        Unique id of the image layer.
    watch : Watch
    wanted : callable, optional
        Whether anybody looks; while nobody does, nothing is said to be in view.
    """

    def __init__(
        self, viewer: Viewer, identity: str, watch: Watch, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        super().__init__()
        self.viewer, self.identity, self.watch, self._wanted = viewer, identity, watch, wanted
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self.tell)
        for signal in self._signals():
            signal.connect(self._moved)
        self.tell()

    def _signals(self) -> tuple[Any, ...]:
        camera = self.viewer.scene.camera.events
        return self.viewer.dims.events.point, self.viewer.dims.events.ndisplay, camera.zoom, camera.center

    def _moved(self, event: Any = None) -> None:
        self._timer.start()

    def tell(self) -> None:
        """Tell it now."""
        layer = find_layer(self.viewer, self.identity) if self._wanted() else None
        self.watch.look(None if layer is None else view_of(self.viewer, layer, _LIMIT))

    def close(self) -> None:
        """Stop following the viewer."""
        self._timer.stop()
        for signal in self._signals():
            signal.disconnect(self._moved)


def add_map(
    viewer: Viewer, kind: str, data: SparseMap, source: LayerSource, name: str, metadata: Any, **keywords: Any
) -> Any:
    """Add a map's layer in its image's place; camera, sliders and selection stay where they are.

    Parameters
    ----------
    kind : {"labels", "image"}
    name : str
    metadata : mapping
        What is kept under our key: run, source, what the values mean.
    **keywords
        Further ones of the layer.
    """
    selected = set(viewer.layers.selection)
    point = viewer.dims.point
    add = viewer.add_labels if kind == "labels" else viewer.add_image
    layer = add(
        data.data,
        name=name,
        multiscale=data.multiscale,
        metadata={KEY: dict(metadata)},
        **source.placement,
        **keywords,
    )
    viewer.dims.point = point
    viewer.layers.selection = selected or {layer}
    return layer


class LiveMap(QObject):
    """Shows previews in a Labels layer of its own, which is known by its identity, never by its name.

    The layer is made with the first preview, right above its image. From then on only its pixels change:
    name, order, visibility, opacity and contour stay as a person sets them. Where a person deletes it, no
    more is shown until :meth:`switch` is called; where it is hidden, or shows other data than ours, or the
    image's data were replaced, nothing is computed.

    Parameters
    ----------
    viewer : napari.Viewer
    source : LayerSource
        The image that is trained on.
    run : str
        The run folder, for the layer's metadata.
    changed : callable
        Called when what is :attr:`wanted` may have changed.
    on : bool
        Whether to show maps at all.
    """

    def __init__(
        self,
        viewer: Viewer,
        source: LayerSource,
        run: str,
        changed: Callable[[], None] = lambda: None,
        on: bool = True,
    ) -> None:
        super().__init__()
        self.viewer, self.source, self.run, self.on = viewer, source, run, on
        self._changed = changed
        z, y, x = source.shape
        self._map = SparseMap((z, y, x), "uint8")
        self._layer: Any = None
        self._shown: Box | None = None
        self.replaced = False
        self._image = find_layer(viewer, source.identity)
        if self._image is not None:
            self._image.events.data.connect(self._image_replaced)
        viewer.layers.events.removed.connect(self._removed)

    # -- what is looked at -----------------------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        """Whether a map would be seen if it were computed."""
        if not self.on or self.replaced:
            return False
        if self.viewer.dims.ndisplay == 3 and math.prod(self.source.shape) > _MOST_IN_3D:
            return False
        return self._layer is None or bool(self._layer.visible)

    @property
    def layer(self) -> Any:
        """The layer; None before the first preview, and after it was deleted."""
        return self._layer

    def switch(self, on: bool) -> None:
        """Show maps, or no more: then the layer goes."""
        if on == self.on:
            return
        self.on = on
        if not on and self._layer is not None:
            layer = self._layer
            self._let_go()
            self.viewer.layers.remove(layer)
        self._changed()

    def _image_replaced(self, event: Any = None) -> None:
        self.replaced = True
        self._changed()

    def _removed(self, event: Any) -> None:
        if self._layer is not None and str(event.value.unique_id) == str(self._layer.unique_id):
            self._let_go()
            self.on = False
            self._changed()

    def _visible_changed(self, event: Any = None) -> None:
        self._changed()

    def _data_changed(self, event: Any = None) -> None:
        """Give a layer up whose data somebody replaced: it is theirs now."""
        self._let_go()
        self._changed()

    # -- what is shown ---------------------------------------------------------------------------------

    def show(self, preview: Preview) -> None:
        """Show the map of a part of a slice in place of the one before."""
        if not self.wanted or find_layer(self.viewer, self.source.identity) is None:
            return
        if self._shown is not None and self._shown != preview.box:
            self._map.clear(self._shown.start[0])  # an old step's map must not pass for the present one's
        self._shown = preview.box
        self._map.write(preview.box, full_resolution(preview, preview.classes))
        if self._layer is None:
            self._take_layer()
        else:
            # Neither its extent nor its place has changed: only what is displayed is read again.
            self._layer.refresh(extent=False, thumbnail=False, highlight=False)
        self._layer.metadata[KEY]["step"] = preview.step

    def _take_layer(self) -> None:
        name = f"{self.source.name} classes (live)"
        facts = {
            "run": self.run,
            "values": "class + 1; 0 is not predicted",
            "of": self.source.name,
            "live": self.source.identity,
        }
        layer = self._leftover(name)
        if layer is not None:
            layer.data = self._map.data
            layer.metadata[KEY] = facts
        else:
            layer = add_map(
                self.viewer,
                "labels",
                self._map,
                self.source,
                name,
                facts,
                opacity=0.45,
                colormap=class_colormap(),
            )
            layers = list(self.viewer.layers)
            image = find_layer(self.viewer, self.source.identity)
            self.viewer.layers.move(layers.index(layer), layers.index(image) + 1)
        layer.events.visible.connect(self._visible_changed)
        layer.events.data.connect(self._data_changed)
        self._layer = layer

    def _leftover(self, name: str) -> Any:
        """Return the live layer of an earlier training on the same image, unless it was given a new name."""
        z, y, x = self.source.shape
        for layer in self.viewer.layers:
            live = layer.metadata.get(KEY, {}).get("live") == self.source.identity
            if live and layer.name == name and layer.multiscale == self._map.multiscale:
                data = layer.data[0] if layer.multiscale else layer.data
                if np.array_equal(data.shape, (z, y, x)):
                    return layer
        return None

    def _let_go(self) -> None:
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.events.visible.disconnect(self._visible_changed)
            layer.events.data.disconnect(self._data_changed)

    def close(self) -> None:
        """Stop following the viewer; the layer stays, with the last map."""
        self._let_go()
        if self._image is not None:
            self._image.events.data.disconnect(self._image_replaced)
            self._image = None
        self.viewer.layers.events.removed.disconnect(self._removed)
