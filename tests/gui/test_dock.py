"""What all docks have in common: keys that act inside a dock only."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QLineEdit, QPushButton

from napari_dense_ssl.gui.dock import Dock


class Example(Dock):
    """A dock with a field and a button."""

    def __init__(self, napari_viewer) -> None:
        super().__init__(napari_viewer)
        self.pressed: list[str] = []
        self.field, self.button = QLineEdit(), QPushButton("Go")
        self.button.setToolTip("Go there")
        self.button.clicked.connect(lambda: self.pressed.append("button"))
        self.body.addWidget(self.field)
        self.body.addWidget(self.button)
        self.shortcut("Ctrl+Return", self.button, "Go")
        self.shortcut("Ctrl+L", lambda: self.pressed.append("look"), "Look")


@pytest.fixture
def shown(qtbot, make_napari_viewer):
    """A shown window with two docks of the same kind, and the first of them."""
    viewer = make_napari_viewer(show=True)
    docks = [Example(viewer) for _ in range(2)]
    for dock in docks:
        viewer.window.add_dock_widget(dock)
    viewer.window.activate()
    return viewer, docks


def test_keys_act_in_the_dock_that_has_the_keyboard(qtbot, shown):
    viewer, (first, second) = shown
    first.field.setFocus()
    qtbot.waitUntil(first.field.hasFocus)
    qtbot.keyClick(first.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(first.field, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert (first.pressed, second.pressed) == (["button", "look"], [])
    first.button.setEnabled(False)
    qtbot.keyClick(first.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert first.pressed == ["button", "look"]
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    qtbot.keyClick(canvas, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert (first.pressed, second.pressed) == (["button", "look"], [])


def test_the_tooltip_names_the_keys(shown):
    _, (dock, _) = shown
    native = QKeySequence("Ctrl+Return").toString(QKeySequence.SequenceFormat.NativeText)
    assert dock.button.toolTip() == f"Go there ({native})"
