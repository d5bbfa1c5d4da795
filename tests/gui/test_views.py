from __future__ import annotations

import numpy as np
import pytest

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.live import ViewTeller
from napari_dense_ssl.gui.views import slice_in_view, view_of


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


def seen(viewer, low, high) -> None:
    viewer.layers["em"].corner_pixels = np.array([[0, *low], [0, *high]])


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
    seen(viewer, (10, 20), (99, 219))
    assert view_of(viewer, viewer.layers["em"], 1000).box == Box((2, 10, 20), (3, 100, 220))


def test_of_a_large_view_the_middle_is_taken(viewer):
    viewer.dims.set_current_step(0, 2)
    seen(viewer, (0, 0), (399, 599))
    assert view_of(viewer, viewer.layers["em"], 100).box == Box((2, 150, 250), (3, 250, 350))


def test_in_3d_the_middle_of_the_slice_is_taken(viewer):
    viewer.dims.set_current_step(0, 2)
    viewer.dims.ndisplay = 3
    assert view_of(viewer, viewer.layers["em"], 100).box.shape == (1, 100, 100)


def test_a_coarse_level_is_counted_in_the_finest_voxels(make_napari_viewer):
    viewer = make_napari_viewer()
    levels = [np.zeros((4, 4000, 4000), np.uint8), np.zeros((4, 1000, 1000), np.uint8)]
    layer = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 1))
    layer.locked_data_level = 1
    layer.corner_pixels = np.array([[0, 100, 50], [0, 200, 150]])
    assert layer.data_level == 1
    box = view_of(viewer, layer, 5000).box
    assert box.start[1:] == (400, 200)
    assert box.stop[1:] == (801, 601)


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
