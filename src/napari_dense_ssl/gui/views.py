"""What of a layer is in view, in its own voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import View

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image


def slice_in_view(viewer: Viewer, layer: Image) -> int | None:
    """Return the slice (Z, voxels) of a stack that the sliders stand at; None outside of it."""
    z = int(np.rint(layer.world_to_data(viewer.dims.point)[-3]))
    depth = int(_shape(layer)[0])
    return z if 0 <= z < depth else None


def view_of(viewer: Viewer, layer: Image, limit: int) -> View | None:
    """Return the part of a stack that is in view; None where the slider stands outside of it.

    Parameters
    ----------
    limit : int
        Longest edge of the box, px: of larger views the middle is taken.

    Notes
    -----
    Where the window shows other planes than slices (3-D, or turned axes), the middle of the slice that the
    slider stands at is returned.
    """
    z = slice_in_view(viewer, layer)
    if z is None:
        return None
    shape = _shape(layer)
    low, high = [0, 0], [shape[1], shape[2]]
    displayed = tuple(viewer.dims.displayed[-2:]) == (viewer.dims.ndim - 2, viewer.dims.ndim - 1)
    if displayed and viewer.dims.ndisplay == 2 and layer.visible:
        corners = np.asarray(layer.corner_pixels, float)[:, -2:]
        if layer.multiscale:
            corners = corners * np.asarray(layer.downsample_factors)[layer.data_level][-2:]
        # A canvas that was never drawn reports an empty box: then all is taken.
        if np.all(corners[1] > corners[0]):
            low = [max(0, int(c)) for c in corners[0]]
            high = [min(int(n), int(np.ceil(c)) + 1) for c, n in zip(corners[1], shape[1:], strict=True)]
    for axis in (0, 1):
        excess = high[axis] - low[axis] - limit
        if excess > 0:
            low[axis] += excess // 2
            high[axis] = low[axis] + limit
        if high[axis] <= low[axis]:
            return None
    return View(Box((z, low[0], low[1]), (z + 1, high[0], high[1])))


def _shape(layer: Image) -> tuple[int, int, int]:
    data = layer.data[0] if layer.multiscale else layer.data
    z, y, x = (int(n) for n in data.shape[-3:])
    return z, y, x
