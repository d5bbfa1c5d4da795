"""The live class map of the slice in view, as a Labels layer over its image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_dense_ssl.core.events import Preview
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


class ViewTeller(QObject):
    """Tells a :class:`Watch` what is in view of a layer, whenever a slider or the camera has moved.

    Parameters
    ----------
    viewer : napari.Viewer
    identity : str
        Unique id of the image layer.
    watch : Watch
    """

    def __init__(self, viewer: Viewer, identity: str, watch: Watch) -> None:
        super().__init__()
        self.viewer, self.identity, self.watch = viewer, identity, watch
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
        layer = find_layer(self.viewer, self.identity)
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


class LiveMap:
    """Shows previews; makes its layer with the first, and again where the user deleted it.

    Parameters
    ----------
    viewer : napari.Viewer
    source : LayerSource
        The image that is trained on.
    run : str
        The run folder, for the layer's metadata.
    """

    def __init__(self, viewer: Viewer, source: LayerSource, run: str) -> None:
        self.viewer, self.source, self.run = viewer, source, run
        z, y, x = source.shape
        self._map = SparseMap((z, y, x), "uint8")
        self._identity: str | None = None
        self._z: int | None = None

    @property
    def name(self) -> str:
        """Name of the layer."""
        return f"{self.source.name} classes (live)"

    def show(self, preview: Preview) -> None:
        """Show the map of a slice in place of the one before."""
        if find_layer(self.viewer, self.source.identity) is None:
            return
        if self._z is not None and self._z != preview.z:
            self._map.clear(self._z)  # an old step's map must not pass for the present one's
        self._z = preview.z
        self._map.write(preview.box, full_resolution(preview, preview.classes))
        layer = find_layer(self.viewer, self._identity)
        if layer is None:
            self._remove_leftover()
            layer = add_map(
                self.viewer,
                "labels",
                self._map,
                self.source,
                self.name,
                {"run": self.run, "values": "class + 1; 0 is not predicted", "of": self.source.name},
                opacity=0.45,
                colormap=class_colormap(),
            )
            self._identity = str(layer.unique_id)
        layer.metadata[KEY]["step"] = preview.step
        layer.refresh()

    def _remove_leftover(self) -> None:
        """Remove the live map of an earlier training on the same image."""
        for layer in list(self.viewer.layers):
            if layer.name == self.name and "run" in layer.metadata.get(KEY, {}):
                self.viewer.layers.remove(layer)
