"""Class map and equivariance error as two layers over their image, filled slice by slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.colours import class_colormap
from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import KEY, LayerSource
from napari_dense_ssl.gui.live import add_map
from napari_dense_ssl.gui.maps import SparseMap, full_resolution

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


def error_limit(error: np.ndarray[Any, Any]) -> float:
    """Return where the colours of an error map should end, so that its structure is seen."""
    high = float(np.percentile(error, 99)) if error.size else 0.0
    return next((limit for limit in ERROR_LIMITS if high <= limit), 1.0)


class ResultMaps:
    """The maps that one run made of one image, in memory.

    Parameters
    ----------
    viewer : napari.Viewer
    source : LayerSource
        The image.
    run : str
        The run folder, for the layers' metadata.
    """

    def __init__(self, viewer: Viewer, source: LayerSource, run: str) -> None:
        self.viewer, self.source, self.run = viewer, source, run
        z, y, x = source.shape
        self._maps = {"classes": SparseMap((z, y, x), "uint8")}
        self._identities: dict[str, str] = {}
        self._covered: dict[str, list[Box]] = {"classes": [], "error": []}
        self.error_limit = 0.0

    def layer(self, what: str) -> Any:
        """Return the layer of ``"classes"`` or ``"error"``, None where there is none (any more)."""
        return find_layer(self.viewer, self._identities.get(what))

    def show(self, preview: Preview) -> None:
        """Put a computed part into its layers."""
        self._put("classes", preview, preview.classes)
        if preview.error is not None:
            self._put("error", preview, np.asarray(preview.error, np.float32))
            self._widen_colours(error_limit(preview.error))

    def _widen_colours(self, limit: float) -> None:
        """Let the colours of the error end higher, unless the user has set them."""
        layer = self.layer("error")
        if limit > self.error_limit:
            if layer is not None and list(layer.contrast_limits) == [0.0, self.error_limit or 1.0]:
                layer.contrast_limits = (0.0, limit)
            self.error_limit = limit

    def cover(self, box: Box, what: tuple[str, ...]) -> None:
        """Note that a box is computed whole."""
        for name in what:
            self._covered[name].append(box)

    def covers(self, box: Box, what: tuple[str, ...]) -> bool:
        """Whether a box is computed already, as part of one that was computed whole."""
        return all(
            self.layer(name) is not None and any(done.intersect(box) == box for done in self._covered[name])
            for name in what
        )

    def _put(self, what: str, preview: Preview, values: np.ndarray[Any, Any]) -> None:
        if what not in self._maps:
            z, y, x = self.source.shape
            self._maps[what] = SparseMap((z, y, x), "float32")
        self._maps[what].write(preview.box, full_resolution(preview, values))
        layer = self.layer(what)
        if layer is None:
            layer = self._add(what)
        if layer.visible:
            layer.refresh()

    def _add(self, what: str) -> Any:
        metadata = {"run": self.run, "of": self.source.name}
        if what == "classes":
            layer = add_map(
                self.viewer,
                "labels",
                self._maps[what],
                self.source,
                f"{self.source.name} classes",
                metadata | {"values": CLASSES_MEAN},
                colormap=class_colormap(),
                **CLASSES_LOOK,
            )
        else:
            layer = add_map(
                self.viewer,
                "image",
                self._maps[what],
                self.source,
                f"{self.source.name} equivariance error (0 to 1)",
                metadata | {"values": ERROR_MEANS, "unit": "share"},
                contrast_limits=(0.0, self.error_limit or 1.0),
                **ERROR_LOOK,
            )
            layer.contrast_limits_range = (0.0, 1.0)
        self._identities[what] = str(layer.unique_id)
        return layer


def is_result(layer: Any, what: str) -> bool:
    """Whether a layer is a class map (``"classes"``) or an error map (``"error"``) of ours."""
    values = layer.metadata.get(KEY, {}).get("values", "")
    return bool(values == (CLASSES_MEAN if what == "classes" else ERROR_MEANS))
