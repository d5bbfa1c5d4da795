"""What of a layer is in view, in its own voxels."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pint

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import View

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image


def shows_slices(viewer: Viewer) -> bool:
    """Whether the window shows slices along Z, not volumes (3-D) or planes that cut across the slices."""
    dims = viewer.dims
    return dims.ndisplay == 2 and set(dims.displayed) == {dims.ndim - 2, dims.ndim - 1}


def to_voxels(viewer: Viewer, layer: Image, point: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a point of the window's world in voxels of a layer, whose units may be others."""
    position = np.asarray(point, float)[-layer.ndim :]
    world = viewer.dims.units
    if world is not None and len(world) >= layer.ndim:
        registry: Any = pint.application_registry
        units = zip(world[-layer.ndim :], layer.units, strict=True)
        if all(a.dimensionality == b.dimensionality for a, b in units):
            factors = [
                registry.get_base_units(a)[0] / registry.get_base_units(b)[0]
                for a, b in zip(world[-layer.ndim :], layer.units, strict=True)
            ]
            position = position * np.asarray(factors, float)
    return np.asarray(layer.world_to_data(position), float)


def slice_in_view(viewer: Viewer, layer: Image) -> int | None:
    """Return the slice (Z, voxels) of a stack that the sliders stand at; None outside of it."""
    z = int(np.rint(to_voxels(viewer, layer, viewer.dims.point)[-3]))
    depth = int(stack_shape(layer)[0])
    return z if 0 <= z < depth else None


def view_of(viewer: Viewer, layer: Image, limit: int) -> View | None:
    """Return the part of a slice that is in view; None where there is none.

    Parameters
    ----------
    limit : int
        Longest edge of the box, px: of larger views the middle is taken.

    Notes
    -----
    Computed from the camera, since layers learn what is in view only when the window is drawn again. Where
    the window shows other planes than slices (3-D, or turned axes), the middle of the slice that the
    slider stands at is returned.
    """
    z = slice_in_view(viewer, layer)
    if z is None:
        return None
    low, high = [0, 0], list(stack_shape(layer)[1:])
    if shows_slices(viewer):
        box = box_in_view(viewer, layer)
        if box is None:
            return None
        low, high = list(box.start[1:]), list(box.stop[1:])
    for axis in (0, 1):
        excess = high[axis] - low[axis] - limit
        if excess > 0:
            low[axis] += excess // 2
            high[axis] = low[axis] + limit
    return View(Box((z, low[0], low[1]), (z + 1, high[0], high[1])))


def box_in_view(viewer: Viewer, layer: Image) -> Box | None:
    """Return the voxels between the window's edges in a 2-D view, of any order of axes; None where none are.

    In 3-D, the whole volume.
    """
    shape = stack_shape(layer)
    dims = viewer.dims
    if dims.ndisplay == 3:
        return Box.whole(shape)
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    zoom = viewer.scene.camera.zoom
    middle = viewer.scene.camera.center[-2:]
    corners = []
    for down, right in product((-0.5, 0.5), repeat=2):
        point = np.array(dims.point, float)
        point[list(dims.displayed)] = middle[0] + down * height / zoom, middle[1] + right * width / zoom
        corners.append(to_voxels(viewer, layer, point)[-3:])
    across = dims.ndim - 3  # the layer's axes are the window's last ones
    shown = [axis - across for axis in dims.displayed if axis >= across]
    low, high = [0, 0, 0], list(shape)
    for axis in range(3):
        if axis in shown:
            low[axis] = max(0, int(np.floor(np.min(corners, 0)[axis] + 0.5)))
            high[axis] = min(shape[axis], int(np.floor(np.max(corners, 0)[axis] + 0.5)) + 1)
        else:
            low[axis] = int(np.rint(corners[0][axis]))
            high[axis] = low[axis] + 1
            if not 0 <= low[axis] < shape[axis]:
                return None
    if any(b <= a for a, b in zip(low, high, strict=True)):
        return None
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def slice_box(viewer: Viewer, layer: Any) -> Box:
    """Return the slice that the sliders stand at.

    Raises
    ------
    RegionError
        If they stand outside of the image.
    """
    z = slice_in_view(viewer, layer)
    if z is None:
        raise RegionError(f"The slider stands outside of {layer.name}; move it into the image.")
    return Box.whole(stack_shape(layer)).plane(z)


def view_box(viewer: Viewer, layer: Any) -> Box:
    """Return what :func:`box_in_view` does.

    Raises
    ------
    RegionError
        If nothing of the image is in view.
    """
    box = box_in_view(viewer, layer)
    if box is None:
        raise RegionError(f"{layer.name} is out of view; move it into the window.")
    return box


def stack_shape(layer: Any) -> tuple[int, int, int]:
    """Return the finest level's numbers of voxels along Z, Y and X."""
    data = layer.data[0] if layer.multiscale else layer.data
    shape = (1, 1, 1, *(int(n) for n in data.shape))
    return shape[-3], shape[-2], shape[-1]


def to_world(viewer: Viewer, layer: Image, place: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return where a voxel of a layer lies in the window's world; the inverse of :func:`to_voxels`."""
    point = np.asarray(layer.data_to_world(np.asarray(place, float)), float)
    world = viewer.dims.units
    if world is None or len(world) < layer.ndim:
        return point
    registry: Any = pint.application_registry
    units = list(zip(world[-layer.ndim :], layer.units, strict=True))
    if all(a.dimensionality == b.dimensionality for a, b in units):
        factors = [registry.get_base_units(b)[0] / registry.get_base_units(a)[0] for a, b in units]
        point = point * np.asarray(factors, float)
    return point


def go_to(viewer: Viewer, layer: Image, place: tuple[int, int, int], near: int = 400) -> None:
    """Bring a voxel of a stack into the middle of a view of slices, which shows `near` px at most."""
    point = to_world(viewer, layer, place)
    axis = viewer.dims.ndim - 3
    viewer.dims.set_point(axis, float(point[-3]))
    camera = viewer.scene.camera
    centre = list(camera.center)
    centre[-2:] = [float(point[-2]), float(point[-1])]
    camera.center = tuple(centre)
    beside = to_world(viewer, layer, (place[0], place[1], place[2] + near))
    camera.zoom = max(camera.zoom, min(viewer.canvas.size) / max(1e-9, float(np.abs(beside - point).max())))
