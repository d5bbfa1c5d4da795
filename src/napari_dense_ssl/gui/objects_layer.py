"""Objects that were found as a Labels layer with their figures, and the way to each of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.columns_table import Column
from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import LayerSource

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.evaluate.objects import Objects

_MOST_FEATURES = 200_000
"""Objects whose figures go into the layer's features too; napari copies and shows them whole."""


class ObjectsLayer:
    """The layer of the objects that were found last.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._source: LayerSource | None = None
        self._box: Box | None = None
        self._name = ""
        self._found: Objects | None = None
        self._identity: str | None = None

    def begin(self, source: LayerSource, box: Box, name: str) -> None:
        """Say what the next objects are of: the layer of the map, the region, and the layer's name."""
        self._source, self._box, self._name = source, box, name

    def layer(self) -> Any:
        """Return the layer, None where there is none (any more)."""
        return find_layer(self.viewer, self._identity)

    def show(self, found: Objects) -> Any:
        """Add objects as a layer in the place of their map; return it."""
        from napari_dense_ssl.gui.results import add_over

        source, box = self._source, self._box
        if source is None or box is None:
            raise RuntimeError("begin() tells what the objects are of, and was not called")
        metadata = {
            "kind": "objects",
            "of": source.name,
            "of_id": source.identity,
            "values": "number of an object, by size",
        }
        if found.path is not None:
            metadata["out"] = str(found.path)
        keywords: dict[str, Any] = {}
        if len(found) <= _MOST_FEATURES:
            table = found.table()
            keywords["features"] = {"index": table.pop("label"), **table}
        levels, flat = self._levels(found), len(source.shape) == 2
        placed = _shifted(source, box)
        if flat:
            levels = [np.asarray(level)[0] for level in levels]
        layer = add_over(self.viewer, "labels", levels, placed, self._name, metadata, **keywords)
        layer.editable = False
        self._found, self._identity = found, str(layer.unique_id)
        return layer

    def _levels(self, found: Objects) -> list[Any]:
        if found.path is None:
            return [found.labels]
        from napari_dense_ssl.volume import open_volume

        return list(open_volume(found.path).levels)

    def go_to(self, row: int) -> None:
        """Bring the object of a row of the table into the middle of the view, and select its number."""
        layer, found = self.layer(), self._found
        if layer is None or found is None:
            return
        point = np.asarray(layer.data_to_world(_centre(found, row)[-layer.ndim :]), float)
        dims = self.viewer.dims
        place = np.array(dims.point, float)
        place[-len(point) :] = point
        dims.point = tuple(place)
        shown = [axis for axis in dims.displayed if axis >= dims.ndim - len(point)]
        centre = list(self.viewer.scene.camera.center)
        for slot, axis in zip(range(-len(shown), 0), shown, strict=True):
            centre[slot] = place[axis]
        self.viewer.scene.camera.center = tuple(centre)
        layer.selected_label = row + 1


def _centre(found: Objects, row: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the centre of an object, voxels along Z, Y and X, in the middle of a slice."""
    z, y, x = found.centroids[row]
    return np.array([np.rint(z), y, x])


def _shifted(source: LayerSource, box: Box) -> LayerSource:
    """Return where a region of a layer lies."""
    start = np.asarray(box.start, float)[-len(source.shape) :]
    if not start.any():
        return source
    placement = dict(source.placement)
    own = Affine(
        scale=placement["scale"],
        translate=placement["translate"],
        rotate=placement["rotate"],
        shear=placement["shear"],
    )
    placement["translate"] = tuple(float(t) for t in own(start))
    return replace(source, placement=placement)


def object_columns(found: Objects) -> list[Column]:
    """Return the columns of the table of objects."""
    columns = [Column("Object", "Its number in the layer", np.arange(1, len(found) + 1), str, left=True)]
    if found.volumes is not None:
        columns.append(Column("µm³", "Volume in µm³", found.volumes, lambda v: f"{v:.3g}"))
    columns.append(Column("Voxels", "Size in voxels", found.voxels, lambda v: f"{int(v):,}"))
    table = found.table()
    unit = "nm" if found.voxel_size else "px"
    scale = 1e-3 if found.voxel_size else 1.0
    shown = "µm" if found.voxel_size else "px"
    columns += [
        Column(
            f"{axis.upper()} {shown}",
            f"Centre along {axis.upper()}, {shown}",
            table[f"centroid_{axis}_{unit}"] * scale,
            (lambda v: f"{v:.2f}") if found.voxel_size else (lambda v: f"{v:.1f}"),
        )
        for axis in "zyx"
    ]
    cut = Column(
        "Cut", "Whether it reaches an end of the volume, so that it may go on", table["cut_by_edge"], _yes
    )
    return [*columns, cut]


def _yes(value: Any) -> str:
    return "yes" if value else ""
