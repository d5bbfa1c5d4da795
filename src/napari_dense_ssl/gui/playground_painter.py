"""Puts pictures on the canvas while a method learns, and lets the window answer in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_dense_ssl.gui.canvas_guard import central_widget

if TYPE_CHECKING:
    from napari_dense_ssl.gui.playground_layers import PlaygroundLayers

_SHOW_MS = 250  # between two updates of the canvas at least
_STROKE_MS = 20  # between two of its layers: the window answers in between


class PlaygroundPainter(QObject):
    """Sets the layers one at a time, and has the canvas drawn once for all of them.

    Drawing takes longer than setting a layer does, several times longer without a graphics card.

    Parameters
    ----------
    dock : QWidget
        Whose window has the canvas; the painter's parent.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._layers: PlaygroundLayers | None = None
        self._strokes: Iterator[None] | None = None
        self._held: QWidget | None = None
        self._often, self._brush = QTimer(self), QTimer(self)
        self._often.setInterval(_SHOW_MS)
        self._often.timeout.connect(self._begin)
        self._brush.setInterval(_STROKE_MS)
        self._brush.timeout.connect(self._go_on)

    def start(self, layers: PlaygroundLayers) -> None:
        """Show what these layers are given, from now on."""
        self._layers = layers
        self._often.start()

    def show_all(self) -> None:
        """Show at once what there is."""
        while self._strokes is not None:
            self._go_on()
        if self._layers is not None and self._layers.frames:
            self._layers.show()

    def stop(self) -> None:
        """Show nothing more; what is half shown stays so."""
        self._often.stop()
        self._end()
        self._layers = None

    def _begin(self) -> None:
        if self._strokes is None and self._layers is not None and self._layers.frames:
            self._strokes = self._layers.showing()
            self._held = central_widget(self._dock)
            if self._held is not None:
                self._held.setUpdatesEnabled(False)
            self._brush.start()

    def _go_on(self) -> None:
        if self._strokes is None or next(self._strokes, True):  # what is left to paint is None
            self._end()

    def _end(self) -> None:
        self._strokes = None
        self._brush.stop()
        if self._held is not None and isalive(self._held):
            self._held.setUpdatesEnabled(True)
        self._held = None
