"""Class map and equivariance error of an image by a run, as two layers over it that fill while one looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import KEY, LayerSource, layer_source
from napari_dense_ssl.gui.map_array import MapArray, Threshold, TrustedMap, level_shapes
from napari_dense_ssl.gui.views import shows_slices, slice_in_view
from napari_dense_ssl.predict.map_cache import Map, MapCache

if TYPE_CHECKING:
    from napari import Viewer

CLASSES_MEAN = "class + 1; 0 is not predicted"
ERROR_MEANS = "equivariance error: mean total variation distance, 0 (trust) to 1"

CLASSES_LOOK: dict[str, Any] = {"opacity": 0.5}
ERROR_LOOK: dict[str, Any] = {
    "colormap": "magma",
    "blending": "translucent",
    "opacity": 0.8,
}

ERROR_LIMITS = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Where the colours of an error map may end: the first that 99 % of the pixels stay below."""

_REFRESH_MS = 20  # tiles that arrive closer together are drawn together
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def error_limit(error: np.ndarray[Any, Any]) -> float:
    """Return where the colours of an error map should end, so that its structure is seen."""
    high = float(np.percentile(error, 99)) if error.size else 0.0
    return next((limit for limit in ERROR_LIMITS if high <= limit), 1.0)


class Computed:
    """What a run has computed of an image so far; lives as long as a layer or a dock shows it.

    Attributes
    ----------
    cache : MapCache
    threshold : Threshold
    fingerprint : str or None
        Of the checkpoint that it was computed with.
    layers : dict of str
        Unique ids of the layers that show it, by what they show.
    """

    def __init__(self, shape: tuple[int, int, int], limit: int) -> None:
        self.cache = MapCache(shape, limit)
        self.threshold = Threshold()
        self.fingerprint: str | None = None
        self.layers: dict[str, str] = {}
        self.error_limit = 0.0

    def renew(self) -> None:
        """Drop all maps; jobs that still fill the old cache fill nothing that is shown."""
        self.cache = MapCache(self.cache.shape, self.cache.limit, counted=self.cache.counted)
        self.fingerprint = None

    def made_with(self, fingerprint: str) -> bool:
        """Say which checkpoint computes from now on; what another one computed is dropped. True then."""
        stale = self.fingerprint not in (None, fingerprint)
        if stale:
            self.renew()
        self.fingerprint = fingerprint
        return stale


_computed: WeakValueDictionary[tuple[str, str], Computed] = WeakValueDictionary()


def computed_of(identity: str, run: str) -> Computed | None:
    """Return what a run has computed of the image with that unique id, where anything shows it."""
    return _computed.get((identity, run))


class ResultMaps(QObject):
    """The two layers of what one run computed of one image; made when there is something to show.

    A dock that is opened again finds the layers of the one before. A layer that the user deleted comes back
    only when it is asked for.

    Parameters
    ----------
    viewer : napari.Viewer
    source : LayerSource
        The image.
    run : str
        The run folder.
    model : ClassModel
        How its classes look.
    limit : int
        Bytes that the maps may take in memory.
    parent : QObject, optional
        Goes with it.

    Attributes
    ----------
    moved : Signal()
        The image lies elsewhere in the world now; the layers were moved with it.
    replaced : Signal()
        The image's data are others now; the maps of the old ones are gone.
    """

    moved = Signal()
    replaced = Signal()

    def __init__(
        self,
        viewer: Viewer,
        source: LayerSource,
        run: str,
        model: ClassModel,
        limit: int,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.source, self.run, self.model = viewer, source, run, model
        self.computed = self._find(limit)
        self.shown: tuple[str, ...] = ("classes", "error")
        self._dirty = QTimer(self)
        self._dirty.setSingleShot(True)
        self._dirty.setInterval(_REFRESH_MS)
        self._dirty.timeout.connect(self.refresh)
        image = find_layer(viewer, source.identity)
        self._placed = [getattr(image.events, name) for name in _PLACEMENT]
        self._data = image.events.data
        for event in self._placed:
            event.connect(self._moved)
        self._data.connect(self._replaced)

    def _find(self, limit: int) -> Computed:
        z, y, x = self.source.shape
        found = _computed.get(self.key)
        if found is None or found.cache.shape != (z, y, x):
            found = _computed[self.key] = Computed((z, y, x), limit)
        found.cache.limit = limit
        return found

    def close(self) -> None:
        """Look after the image no more; the layers stay."""
        self._dirty.stop()
        for event in self._placed:
            event.disconnect(self._moved)
        self._data.disconnect(self._replaced)

    def _moved(self, event: Any = None) -> None:
        self.place(layer_source(find_layer(self.viewer, self.source.identity)))
        self.moved.emit()

    def _replaced(self, event: Any = None) -> None:
        before = self.source
        self.source = layer_source(find_layer(self.viewer, before.identity))
        self.computed.renew()
        if self.source.shape != before.shape or len(self.source.levels) != len(before.levels):
            self.remove()
            if len(self.source.shape) == 3:
                self.computed = self._find(self.cache.limit)
        self.refresh()
        self.replaced.emit()

    @property
    def cache(self) -> MapCache:
        """What is computed."""
        return self.computed.cache

    @property
    def key(self) -> tuple[str, str]:
        """Unique id of the image, and the run folder."""
        return self.source.identity, self.run

    def layer(self, what: str) -> Any:
        """Return the layer of ``"classes"`` or ``"error"``, None where there is none (any more)."""
        return find_layer(self.viewer, self.computed.layers.get(what))

    def demand(self) -> None:
        """Bring back what the user has deleted: at once what is computed, the rest with its first part."""
        for what in list(self.computed.layers):
            if self.layer(what) is None:
                del self.computed.layers[what]
        figures = self.cache.figures()
        if figures.pixels:
            self._make("classes")
        if figures.errors.sum() > 0.5:
            self._make("error")

    def happened(self, preview: Preview) -> None:
        """Show a computed part, which is in the cache already."""
        if find_layer(self.viewer, self.source.identity) is None:
            return
        self._make("classes")
        if preview.error is not None:
            self._make("error")
            self._widen_colours(error_limit(preview.error))
        image = find_layer(self.viewer, self.source.identity)
        # In a slice view, what was computed ahead is not seen yet.
        if not shows_slices(self.viewer) or slice_in_view(self.viewer, image) == preview.z:
            self._dirty.start()

    def refresh(self) -> None:
        """Draw the layers anew."""
        for what in ("classes", "error"):
            layer = self.layer(what)
            if layer is not None and layer.visible:
                # Its thumbnail is made anew with the next slice.
                layer.refresh(extent=False, highlight=False, thumbnail=False)

    def place(self, source: LayerSource) -> None:
        """Move the layers to where the image is now."""
        self.source = source
        for what in ("classes", "error"):
            layer = self.layer(what)
            if layer is not None:
                place_layer(layer, source)

    def remove(self, kinds: Iterable[str] = ("classes", "error")) -> None:
        """Remove layers: of an image that is no more, or because others take their place."""
        for what in kinds:
            layer = self.layer(what)
            self.computed.layers.pop(what, None)
            if layer is not None:
                self.viewer.layers.remove(layer)

    def _widen_colours(self, limit: float) -> None:
        """Let the colours of the error end higher, unless the user has set them."""
        layer, before = self.layer("error"), self.computed.error_limit
        if limit > before:
            if layer is not None and list(layer.contrast_limits) == [0.0, before or 1.0]:
                layer.contrast_limits = (0.0, limit)
            self.computed.error_limit = limit

    def _make(self, what: Map) -> None:
        if what in self.computed.layers:
            return
        levels = [tuple(int(n) for n in level.shape) for level in self.source.levels]
        shapes = levels if len(levels) > 1 else level_shapes(levels[0])
        computed = self.computed
        data: list[Any] = [MapArray(computed, what, shape) for shape in shapes]
        metadata = {"run": self.run, "of": self.source.name, "of_id": self.source.identity, "kind": what}
        if what == "classes":
            errors = [MapArray(computed, "error", shape) for shape in shapes]
            data = [TrustedMap(c, e, computed.threshold) for c, e in zip(data, errors, strict=True)]
            layer = add_over(
                self.viewer,
                "labels",
                data,
                self.source,
                f"{self.source.name} classes",
                metadata | {"values": CLASSES_MEAN, "classes": self.model.saved},
                colormap=self.model.colormap(),
                visible=what in self.shown,
                **CLASSES_LOOK,
            )
            layer.editable = False
        else:
            layer = add_over(
                self.viewer,
                "image",
                data,
                self.source,
                f"{self.source.name} equivariance error (0 to 1)",
                metadata | {"values": ERROR_MEANS, "unit": "share"},
                contrast_limits=(0.0, computed.error_limit or 1.0),
                visible=what in self.shown,
                **ERROR_LOOK,
            )
            layer.contrast_limits_range = (0.0, 1.0)
        computed.layers[what] = str(layer.unique_id)


def add_over(
    viewer: Viewer,
    kind: str,
    levels: list[Any],
    source: LayerSource,
    name: str,
    metadata: dict[str, Any],
    **keywords: Any,
) -> Any:
    """Add a layer in an image's place; sliders and selection stay as they are.

    Parameters
    ----------
    kind : {"labels", "image"}
    levels : list of array-like
        Finest first.
    name : str
    metadata : dict
        Kept under our key.
    **keywords
        Further ones of the layer.
    """
    selected = set(viewer.layers.selection)
    point = viewer.dims.point
    add = viewer.add_labels if kind == "labels" else viewer.add_image
    many = len(levels) > 1
    layer = add(
        levels if many else levels[0],
        name=name,
        multiscale=many,
        metadata={KEY: metadata},
        **source.placement,
        **keywords,
    )
    viewer.dims.point = point
    viewer.layers.selection = selected or {layer}
    return layer


def place_layer(layer: Any, source: LayerSource) -> None:
    """Put a layer where an image is in the world, with its units and axis labels."""
    for name in _PLACEMENT:
        before, wanted = getattr(layer, name), source.placement[name]
        if name == "affine":
            before = before.affine_matrix
        same = (
            tuple(map(str, before)) == tuple(map(str, wanted))
            if name in ("units", "axis_labels")
            else (np.array_equal(before, wanted))
        )
        if not same:
            setattr(layer, name, wanted)


def is_result(layer: Any, what: str, run: str | None = None, of: str | None = None) -> bool:
    """Whether a layer is a class map (``"classes"``) or an error map (``"error"``) of ours.

    Parameters
    ----------
    layer : napari.layers.Layer
    what : {"classes", "error"}
    run : str, optional
        Only of this run folder.
    of : str, optional
        Only of the image with this unique id.
    """
    facts = layer.metadata.get(KEY, {})
    return bool(
        facts.get("kind") == what
        and (run is None or facts.get("run") == run)
        and (of is None or facts.get("of_id") == of)
    )
