"""A picture in a dock, drawn in the colours of napari's theme; a click shows it large."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.theme import get_theme
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QMouseEvent, QPixmap, QResizeEvent
from qtpy.QtWidgets import QDialog, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate.comparison_pictures import Look

Draw = Callable[["Look", float], NDArray[np.uint8]]
"""Draws a picture, RGBA of shape (height, width, 4), in a look, at so many dots per inch."""

SMALL, LARGE = 200.0, 150.0  # dots per inch: small ones are shown at half size, sharp on dense screens


def look_of(theme: str) -> Look:
    """Return the colours of pictures in a napari theme."""
    from napari_dense_ssl.evaluate.comparison_pictures import Look

    colours = get_theme(theme)
    ground = colours.background.as_hex(format="long")
    bright = sum(int(ground[i : i + 2], 16) for i in (1, 3, 5)) > 384
    return Look(
        ink=colours.text.as_hex(format="long"),
        faint=colours.secondary.as_hex(format="long"),
        ground=ground,
        deep="#1565c0" if bright else "#4e9ae8",
    )


class Picture(QLabel):
    """As wide as the dock; empty and hidden until there is something to show.

    Parameters
    ----------
    name : str
        For screen readers, and the title of the large one.
    theme : str
        Name of napari's present theme.
    """

    def __init__(self, name: str, theme: str) -> None:
        super().__init__()
        self._name, self._theme = name, theme
        self._draw: Draw | None = None
        self._large: Draw | None = None
        self._pixmap = QPixmap()
        self.dialog: QDialog | None = None
        self.setAccessibleName(name)
        self.setToolTip(f"{name}; click to see it large")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.hide()

    def show_drawn(self, draw: Draw | None, large: Draw | None = None) -> None:
        """Show what `draw` draws, and `large` when it is clicked; None hides the picture."""
        self._draw, self._large = draw, large or draw
        self.setVisible(draw is not None)
        self._redraw()

    def set_theme(self, theme: str) -> None:
        """Draw it in the colours of another theme."""
        if theme != self._theme:
            self._theme = theme
            self._redraw()

    @property
    def pixels(self) -> QPixmap:
        """The picture as it was drawn."""
        return self._pixmap

    def _redraw(self) -> None:
        if self._draw is not None:
            self._pixmap = pixmap_of(self._draw(look_of(self._theme), SMALL))
            self._scale()

    def _scale(self) -> None:
        if self._pixmap.isNull() or self.width() < 8:
            return
        ratio = self.devicePixelRatioF()
        width = min(self.width(), self._pixmap.width() // 2)
        height = round(width * self._pixmap.height() / self._pixmap.width())
        scaled = self._pixmap.scaled(
            QSize(round(width * ratio), round(height * ratio)),
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        scaled.setDevicePixelRatio(ratio)
        self.setFixedHeight(height)
        self.setPixmap(scaled)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fit the picture into the new width."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._scale()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Show it large."""
        super().mouseReleaseEvent(event)
        self.enlarge()

    def enlarge(self) -> None:
        """Show the picture in a window of its own."""
        if self._large is None:
            return
        self.dialog = large_picture(self, self._name, self._large(look_of(self._theme), LARGE))
        self.dialog.show()


def pixmap_of(pixels: NDArray[np.uint8]) -> QPixmap:
    """Return a pixmap of RGBA pixels, shape (height, width, 4)."""
    height, width, _ = pixels.shape
    held = np.ascontiguousarray(pixels)
    image = QImage(held.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
    return QPixmap.fromImage(image.copy())  # a copy that does not need the array


def large_picture(parent: QWidget, title: str, pixels: NDArray[np.uint8]) -> QDialog:
    """Return a window that shows pixels, with bars where it is too small for them."""
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    shown = QLabel()
    shown.setPixmap(pixmap_of(pixels))
    area = QScrollArea()
    area.setWidget(shown)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(area)
    dialog.resize(min(1180, pixels.shape[1] + 24), min(740, pixels.shape[0] + 24))
    return dialog
