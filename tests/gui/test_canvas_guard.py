"""Removing layers frees what they had on the graphics card in the canvas's own context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QCursor, QOpenGLContext
from qtpy.QtOpenGLWidgets import QOpenGLWidget


def _canvas(viewer: Any) -> QOpenGLWidget:
    found = viewer.window._qt_window.centralWidget().findChild(QOpenGLWidget)
    assert found is not None
    return found


REMOVALS: dict[str, Callable[[Any], object]] = {
    "one": lambda layers: layers.remove(layers[0]),
    "by place": lambda layers: layers.pop(1),
    "several": lambda layers: layers.__delitem__(slice(0, 2)),
    "all": lambda layers: layers.clear(),
    "chosen": lambda layers: (layers.select_all(), layers.remove_selected()),
}


@pytest.mark.parametrize("way", REMOVALS)
def test_the_canvas_is_what_opengl_means_when_layers_go(qtbot, make_napari_viewer, way):
    viewer = make_napari_viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-dense-ssl", "Volume")
    for _ in range(3):
        viewer.add_image(np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8))
    qtbot.wait(100)
    canvas = _canvas(viewer)
    canvas.doneCurrent()
    found = []
    viewer.layers.events.removed.connect(lambda: found.append(QOpenGLContext.currentContext()))
    REMOVALS[way](viewer.layers)
    assert found
    assert QOpenGLContext.currentContext() is canvas.context()
    assert all(context is canvas.context() for context in found)


def test_the_status_bar_speaks_of_class_maps_when_the_view_is_turned_to_3d_under_the_mouse(
    qtbot, make_napari_viewer
):
    viewer = make_napari_viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-dense-ssl", "Volume")
    labels = np.full((8, 64, 64), 2, np.uint8)
    viewer.add_labels(labels, features={"class": ["not predicted", "0", "membrane"]})
    canvas = _canvas(viewer)
    qtbot.waitUntil(lambda: canvas.width() > 100)
    qtbot.wait(200)
    QCursor.setPos(canvas.mapToGlobal(canvas.rect().center()))
    qtbot.waitUntil(lambda: viewer.mouse_over_canvas)
    qtbot.wait(200)
    viewer.dims.ndisplay = 3
    status, _ = viewer._calc_status_from_cursor()
    assert "membrane" in status["value"]
