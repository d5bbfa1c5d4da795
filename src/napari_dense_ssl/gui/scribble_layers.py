"""The layers of the Scribble dock: scribbles to paint on, the segmentation, and how uncertain it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.label_model import LabelModel
from napari_dense_ssl.gui.layers import KEY, LayerSource
from napari_dense_ssl.gui.map_array import MapArray, level_shapes
from napari_dense_ssl.gui.results import Computed, ResultMaps, add_over
from napari_dense_ssl.gui.views import shows_slices, slice_in_view
from napari_dense_ssl.predict.map_cache import Map, MapCache
from napari_dense_ssl.predict.sparse_labels import SparseLabels

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

UNCERTAINTY_MEANS = "uncertainty: 1 - greatest probability, 0 (sure) to 1"
LABELS_MEAN = "the scribbles' labels; 0 is not segmented"

_BRUSH = 6  # px
_KINDS = {"classes": "segmentation", "error": "uncertainty"}
_LOOK: dict[str, Any] = {"colormap": "magma", "blending": "translucent", "opacity": 0.6}


def is_scribbles(layer: Any) -> bool:
    """Whether a layer holds scribbles of ours."""
    return isinstance(getattr(layer, "data", None), SparseLabels)


def add_scribbles(viewer: Viewer, source: LayerSource, data: SparseLabels, model: LabelModel) -> Labels:
    """Add a layer to paint on over an image, at its full resolution, with the brush in the hand."""
    layer = add_over(
        viewer,
        "labels",
        [data],
        source,
        f"{source.name} scribbles",
        {"of": source.name, "of_id": source.identity, "kind": "scribbles"},
        colormap=model.colormap(),
        opacity=0.9,
    )
    # Plugins get napari's proxies of layers: one within a set is not unwrapped, and a selection that holds
    # it is deaf to the layer, so that a drag of the brush would move the view as well.
    viewer.layers.selection.active = layer
    layer.brush_size = _BRUSH
    layer.selected_label = 1
    layer.mode = "paint"
    return layer


class ScribbleMaps(ResultMaps):
    """Segmentation and uncertainty of one image under one layer of scribbles.

    Parameters
    ----------
    viewer : napari.Viewer
    source : LayerSource
        The image.
    scribbles : str
        Unique id of the layer of scribbles.
    run : str
        The run folder.
    model : LabelModel
    limit : int
        Bytes that the maps may take in memory.
    parent : QObject, optional
        Goes with it.
    """

    def __init__(
        self,
        viewer: Viewer,
        source: LayerSource,
        scribbles: str,
        run: str,
        model: LabelModel,
        limit: int,
        parent: QObject | None = None,
    ) -> None:
        self._scribbles = scribbles
        self.labels = model
        super().__init__(viewer, source, run, model, limit, parent)

    @property
    def key(self) -> tuple[str, str]:
        """Unique id of the image, and of the scribbles with the run folder."""
        return self.source.identity, f"{self._scribbles} {self.run}"

    def _find(self, limit: int) -> Computed:
        found = super()._find(limit)
        if found.cache.counted:
            found.cache = MapCache(found.cache.shape, limit, counted=False)
        return found

    def demand(self) -> None:
        """Bring back what the user has deleted, with the next part."""
        for what in list(self.computed.layers):
            if self.layer(what) is None:
                del self.computed.layers[what]

    def happened(self, preview: Preview) -> None:
        """Show a segmented part, which is in the cache already."""
        image = find_layer(self.viewer, self.source.identity)
        if image is None:
            return
        self._make("classes")
        self._make("error")
        if not shows_slices(self.viewer) or slice_in_view(self.viewer, image) == preview.z:
            self._dirty.start()

    def recolour(self) -> None:
        """Draw the segmentation in the colours of the labels."""
        layer = self.layer("classes")
        if layer is not None:
            layer.colormap = self.labels.colormap()
            layer.features = self.labels.features()

    def _make(self, what: Map) -> None:
        if what in self.computed.layers:
            return
        levels = [tuple(int(n) for n in level.shape) for level in self.source.levels]
        shapes = levels if len(levels) > 1 else level_shapes(levels[0])
        data = [MapArray(self.computed, what, shape) for shape in shapes]
        kind = _KINDS[what]
        facts = {"run": self.run, "of": self.source.name, "of_id": self.source.identity, "kind": kind}
        above = set(self.viewer.layers.selection)
        if what == "classes":
            layer = add_over(
                self.viewer,
                "labels",
                data,
                self.source,
                f"{self.source.name} segmentation",
                facts | {"values": LABELS_MEAN},
                colormap=self.labels.colormap(),
                features=self.labels.features(),
                opacity=0.4,
                visible=what in self.shown,
            )
            layer.editable = False
        else:
            layer = add_over(
                self.viewer,
                "image",
                data,
                self.source,
                f"{self.source.name} uncertainty (0 to 1)",
                facts | {"values": UNCERTAINTY_MEANS, "unit": "share"},
                contrast_limits=(0.0, 0.8),
                visible=what in self.shown,
                **_LOOK,
            )
            layer.contrast_limits_range = (0.0, 1.0)
        self._put_below(layer)
        self.viewer.layers.selection = above
        self.computed.layers[what] = str(layer.unique_id)

    def _put_below(self, layer: Any) -> None:
        """Keep the scribbles on top."""
        scribbles = find_layer(self.viewer, self._scribbles)
        if scribbles is not None:
            place, own = self.viewer.layers.index(scribbles), self.viewer.layers.index(layer)
            if own > place:
                self.viewer.layers.move(own, place)


def add_whole(
    viewer: Viewer, found: dict[str, Any], source: LayerSource, run: str, out: Path, model: LabelModel
) -> None:
    """Show a segmentation on disk over its image; an earlier one of the same file is replaced.

    Parameters
    ----------
    found : dict
        Data and keywords, as :func:`~napari_dense_ssl.gui.scribble_jobs.segmentation_layers` returns them.
    """
    for kind in ("confidence", "segmentation"):
        data, keywords = found[kind]
        before = [
            layer
            for layer in viewer.layers
            if layer.metadata.get(KEY, {}).get("out") == str(out)
            and layer.metadata[KEY].get("kind") == f"whole {kind}"
        ]
        for layer in before:
            viewer.layers.remove(layer)
        facts = {
            **keywords["metadata"][KEY],
            "run": run,
            "of": source.name,
            "of_id": source.identity,
            "kind": f"whole {kind}",
            "out": str(out),
        }
        levels = list(data) if isinstance(data, list) else [data]
        if kind == "segmentation":
            layer = add_over(
                viewer,
                "labels",
                levels,
                source,
                f"{source.name} segmentation ({out.stem})",
                facts | {"values": LABELS_MEAN},
                colormap=model.colormap(),
                features=model.features(),
                opacity=0.4,
            )
            layer.editable = False
        else:
            layer = add_over(
                viewer,
                "image",
                levels,
                source,
                f"{source.name} confidence ({out.stem}, 0 to 1)",
                facts | {"values": "greatest probability, 0 to 1", "unit": "share"},
                contrast_limits=(0.0, 1.0),
                visible=False,
                colormap="gray",
                blending="additive",
            )
