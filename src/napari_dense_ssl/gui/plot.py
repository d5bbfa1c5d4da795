"""Live curves by name, readable in napari's light and dark themes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.gui.curves import Curves

_COLOURS = ("#4e9ae8", "#e8833a", "#3fae5a", "#d1495b", "#9b6ddb", "#8c8c8c")  # seen on black and on white
_REDRAW_MS = 250
_HEIGHT = 165  # px: with the form above it this fits a window of 1280 x 800
_PICTURE_SCALE = 2  # pixels of a saved picture for each of the screen's


@dataclass(frozen=True)
class Quantity:
    """What an axis shows.

    Attributes
    ----------
    label : str
        Written along the axis, with the unit.
    unit : str
        Written behind numbers and in the heads of a table; may be empty.
    limits : tuple of float, or None
        Range of the axis; None to fit it to the values.
    digits : str
        How numbers are written, as Python formats them.
    """

    label: str
    unit: str
    limits: tuple[float, float] | None = None
    digits: str = ".3g"


class CurvePlot(QWidget):
    """Curves over steps: one quantity on the left axis, another on the right one.

    New points are drawn four times a second at most, however fast they come. Names above the plot are
    buttons: a click hides or shows a curve.

    Parameters
    ----------
    left, right : Quantity
    is_right : callable
        Whether a name belongs to the right axis.
    points : bool
        Mark each point: for values that come rarely.
    """

    def __init__(
        self, left: Quantity, right: Quantity, is_right: Callable[[str], bool], *, points: bool = False
    ) -> None:
        super().__init__()
        self._quantities, self._is_right, self._points = (left, right), is_right, points
        self.curves = Curves()
        self.plot = pg.PlotWidget(background=None)
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plot.setToolTip("Wheel: zoom · drag: move · right click: save, log axis, whole range")
        item = self._item = self.plot.getPlotItem()
        item.setLabel("bottom", "step")
        item.setLabel("left", left.label)
        item.setLabel("right", right.label)
        item.showGrid(x=False, y=True, alpha=0.15)
        item.setDownsampling(auto=True, mode="mean")
        item.setMenuEnabled(False)  # our own has what is needed, in plain words
        item.hideButtons()
        item.layout.setContentsMargins(1, 1, 1, 7)  # else the last letters below are cut
        self._over = pg.ViewBox(enableMenu=False)
        item.scene().addItem(self._over)
        item.getAxis("right").linkToView(self._over)
        self._over.setXLink(item)
        item.vb.sigResized.connect(self._fit_over)
        self.plot.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.menu: QMenu | None = None
        self.plot.customContextMenuRequested.connect(self._open_menu)
        self.legend = QWidget()
        flow = QFlowLayout(self.legend)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(2)
        flow.setVerticalSpacing(0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.legend)
        layout.addWidget(self.plot)
        self._drawn: dict[str, Any] = {}
        self.names: dict[str, QToolButton] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REDRAW_MS)
        self._timer.timeout.connect(self.redraw)
        self.show_all()

    @property
    def steps(self) -> list[int]:
        """Steps of the points that are kept."""
        return self.curves.steps

    @property
    def values(self) -> dict[str, list[float]]:
        """Values by name, one a point."""
        return self.curves.values

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add a step's values; a name that is new begins a curve here."""
        self.curves.add(step, values)
        if not self._timer.isActive():
            self._timer.start()

    def clear(self) -> None:
        """Forget all curves."""
        self.curves.clear()
        for name, curve in self._drawn.items():
            (self._over if self._is_right(name) else self._item).removeItem(curve)
        self._drawn.clear()
        for button in self.names.values():
            self.legend.layout().removeWidget(button)
            button.hide()
            button.deleteLater()
        self.names.clear()
        self.show_all()

    def redraw(self) -> None:
        """Draw what has come."""
        steps = np.asarray(self.curves.steps)
        for name, values in self.curves.values.items():
            if name not in self._drawn:
                self._begin(name)
            self._drawn[name].setData(steps, np.asarray(values), connect="finite")
            quantity = self.quantity(name)
            latest = self.curves.latest.get(name, float("nan"))
            unit = f" {quantity.unit}" if quantity.unit else ""
            button = self.names[name]
            button.setText(f"{name} {latest:{quantity.digits}}{unit}")
            button.setMinimumWidth(max(button.minimumWidth(), button.sizeHint().width()))
        self._fit_over()

    def quantity(self, name: str) -> Quantity:
        """Return what a name measures."""
        return self._quantities[self._is_right(name)]

    def _begin(self, name: str) -> None:
        colour = _COLOURS[len(self._drawn) % len(_COLOURS)]
        curve = pg.PlotDataItem(pen=pg.mkPen(colour, width=1.5), name=name)
        if self._points:
            curve.setSymbol("o")
            curve.setSymbolSize(4)
            curve.setSymbolBrush(colour)
            curve.setSymbolPen(None)
        (self._over if self._is_right(name) else self._item).addItem(curve)
        self._drawn[name] = curve
        button = self.names[name] = QToolButton()
        button.setCheckable(True)
        button.setChecked(True)
        button.setAutoRaise(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIconSize(QSize(9, 9))
        button.setIcon(_square(colour))
        button.setAccessibleName(f"Curve {name}")
        button.setToolTip(f"{name}: its newest value ({self.quantity(name).label}). Click to hide or show it")
        button.setStyleSheet("QToolButton { background: transparent; border: none; padding: 1px; }")
        button.toggled.connect(lambda shown, name=name: self._show(name, shown))
        self.legend.layout().addWidget(button)

    def _show(self, name: str, shown: bool) -> None:
        self._drawn[name].setVisible(shown)
        font = self.names[name].font()
        font.setStrikeOut(not shown)
        self.names[name].setFont(font)

    # -- the view --------------------------------------------------------------------------------------

    def set_log(self, on: bool) -> None:
        """Draw the left axis logarithmically; values that are not above 0 are left out then."""
        self._item.setLogMode(y=on)
        self.show_all()

    def show_all(self) -> None:
        """Show the whole range, and follow new points from now on."""
        for box, quantity in zip((self._item.vb, self._over), self._quantities, strict=True):
            box.enableAutoRange()
            if quantity.limits is not None and not (
                box is self._item.vb and self._item.getAxis("left").logMode
            ):
                box.setYRange(*quantity.limits, padding=0.02)

    def _fit_over(self) -> None:
        self._over.setGeometry(self._item.vb.sceneBoundingRect())

    def _open_menu(self, place: Any) -> None:
        if self.menu is not None:
            self.menu.popup(self.plot.mapToGlobal(place))

    def set_colour(self, colour: str) -> None:
        """Draw axes and texts in a colour, such as napari's for text in its present theme."""
        for side in ("left", "bottom", "right"):
            axis = self._item.getAxis(side)
            axis.setPen(pg.mkPen(colour, width=1))
            axis.setTextPen(colour)
        self.plot.resetCachedContent()  # else the background stays that of the theme before
        self.plot.viewport().update()

    # -- saving ----------------------------------------------------------------------------------------

    def save_picture(self, path: Path, ground: str) -> None:
        """Save names, values and curves as they are shown, at twice the screen's resolution.

        Parameters
        ----------
        path : Path
            Ends in ``.png``.
        ground : str
            Colour behind it all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        self.redraw()
        picture = QPixmap(self.size() * _PICTURE_SCALE)
        picture.setDevicePixelRatio(_PICTURE_SCALE)
        picture.fill(QColor(ground))
        self.render(picture, flags=QWidget.RenderFlag.DrawChildren)
        if not picture.save(str(path), "PNG"):
            raise OutputError(f"The picture {path} cannot be written; choose a folder that you may write to.")

    def save_table(self, path: Path) -> None:
        """Save the points that are kept as a table with units in its head.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        units = {name: self.quantity(name).unit for name in self.values}
        try:
            self.curves.write_csv(path, units)
        except OSError as error:
            raise OutputError(
                f"The table {path} cannot be written ({error.strerror}); choose a folder that you may "
                "write to."
            ) from error


def _square(colour: str) -> QIcon:
    pixmap = QPixmap(18, 18)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
