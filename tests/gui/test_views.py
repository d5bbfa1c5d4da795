from __future__ import annotations

import numpy as np
import pytest

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.live import ViewTeller
from napari_dense_ssl.gui.views import box_in_view, shows_slices, slice_in_view, view_of


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(
        np.zeros((10, 400, 600), np.uint8),
        name="em",
        scale=(50, 5, 5),
        translate=(1000, 0, 0),
        units=("nm",) * 3,
    )
    return viewer


def look_at(viewer, middle, height, length=5.0) -> float:
    """Put voxel `middle` of the plane in the middle, `height` voxels from top to bottom; return the width."""
    rows, columns = viewer.canvas.size
    viewer.scene.camera.center = (0, middle[0] * length, middle[1] * length)
    viewer.scene.camera.zoom = rows / (height * length)
    return height * columns / rows


def test_the_slice_that_the_slider_stands_at(viewer):
    viewer.dims.set_current_step(0, 7)
    assert slice_in_view(viewer, viewer.layers["em"]) == 7


def test_a_slider_outside_of_the_stack(viewer):
    viewer.add_image(np.zeros((40, 8, 8), np.uint8), name="deeper", scale=(50, 5, 5), units=("nm",) * 3)
    viewer.dims.point = (0, 0, 0)
    assert slice_in_view(viewer, viewer.layers["em"]) is None
    assert view_of(viewer, viewer.layers["em"], 100) is None


def test_the_box_in_view(viewer):
    viewer.dims.set_current_step(0, 2)
    width = look_at(viewer, (54.5, 119.5), 89.8)
    box = view_of(viewer, viewer.layers["em"], 1000).box
    assert box.start[:2] == (2, 10)
    assert box.stop[:2] == (3, 100)
    assert box.start[2] == max(0, round(119.5 - width / 2))
    assert box.stop[2] == min(600, round(119.5 + width / 2) + 1)


def test_a_moved_and_rescaled_image_is_seen_elsewhere(viewer):
    layer = viewer.layers["em"]
    look_at(viewer, (54.5, 119.5), 20)
    before = view_of(viewer, layer, 1000).box
    layer.translate = (1000, 50, 100)
    moved = view_of(viewer, layer, 1000).box
    assert np.subtract(before.start, moved.start)[1:].tolist() == [10, 20]
    layer.scale = (50, 10, 10)
    assert abs(view_of(viewer, layer, 1000).box.shape[1] - before.shape[1] / 2) <= 1
    layer.translate = (1000, 10**6, 0)
    assert view_of(viewer, layer, 1000) is None, "out of sight"


def test_of_a_large_view_the_middle_is_taken(viewer):
    viewer.dims.set_current_step(0, 2)
    look_at(viewer, (199.5, 299.5), 2000)
    assert view_of(viewer, viewer.layers["em"], 100).box == Box((2, 150, 250), (3, 250, 350))


def test_turned_axes(viewer):
    layer = viewer.layers["em"]
    viewer.dims.order = (0, 2, 1)
    assert shows_slices(viewer), "a plane on its side is the same slice"
    rows = viewer.canvas.size[0]
    viewer.scene.camera.center = (0, 300.5 * 5, 100.5 * 5)
    viewer.scene.camera.zoom = rows / (59.8 * 5)
    box = view_of(viewer, layer, 1000).box
    assert (box.start[2], box.stop[2]) == (271, 331)
    viewer.dims.order = (1, 0, 2)
    assert not shows_slices(viewer)
    viewer.dims.set_current_step(1, 77)
    viewer.scene.camera.center = (0, 1000 + 4 * 50, 300 * 5)
    viewer.scene.camera.zoom = rows / (4.8 * 50)
    box = box_in_view(viewer, layer)
    assert (box.start[0], box.stop[0]) == (2, 7)
    assert (box.start[1], box.stop[1]) == (77, 78)
    viewer.dims.ndisplay = 3
    assert not shows_slices(viewer)
    assert box_in_view(viewer, layer) == Box.whole((10, 400, 600))


def test_units_of_another_layer(viewer):
    layer = viewer.layers["em"]
    layer.scale, layer.translate, layer.units = (0.05, 0.005, 0.005), (1, 0, 0), ("um",) * 3
    viewer.add_image(np.zeros((10, 40, 60), np.uint8), scale=(50, 50, 50), units=("nm",) * 3, name="other")
    assert [str(unit) for unit in viewer.dims.units] == ["nanometer"] * 3
    viewer.dims.point = (1000 + 4 * 50, 0, 0)
    assert slice_in_view(viewer, layer) == 4


def test_in_3d_the_middle_of_the_slice_is_taken(viewer):
    viewer.dims.set_current_step(0, 2)
    viewer.dims.ndisplay = 3
    assert view_of(viewer, viewer.layers["em"], 100).box.shape == (1, 100, 100)


def test_movements_are_told_and_nothing_after_closing(viewer, qtbot):
    watch = Watch()
    teller = ViewTeller(viewer, str(viewer.layers["em"].unique_id), watch)
    assert watch.view() is not None
    viewer.dims.set_current_step(0, 9)
    qtbot.waitUntil(lambda: watch.view().z == 9)
    teller.close()
    viewer.dims.set_current_step(0, 1)
    qtbot.wait(200)
    assert watch.view().z == 9
    viewer.layers.remove("em")
    teller.tell()
    assert watch.view() is None
