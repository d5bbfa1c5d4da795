"""Live loss curves by name, readable in napari's light and dark themes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_dense_ssl.gui.fields import paragraph

_COLOURS = ("#4e9ae8", "#e8833a", "#3fae5a", "#d1495b", "#9b6ddb", "#8c8c8c")  # seen on black and on white
_REDRAW_MS = 250


def is_share(name: str) -> bool:
    """Whether a quantity of a step is a share in [0, 1]; all others are in nats."""
    return any(word in name for word in ("agreement", "share", "accuracy", "fraction"))


def _number(name: str, values: list[float], unit: str) -> str:
    newest = next((value for value in reversed(values) if not np.isnan(value)), np.nan)
    if is_share(name):
        return f"{newest:.2f}"
    return f"{newest:.3g}&nbsp;{unit}" if unit else f"{newest:.3g}"


class LossPlot(QWidget):
    """Curves over steps: losses on the left axis, shares from 0 to 1 on the right one.

    New points are drawn four times a second at most, however fast they come.

    Parameters
    ----------
    unit : str
        Of the losses; empty where they have none.
    """

    def __init__(self, unit: str = "nats") -> None:
        super().__init__()
        self.unit = unit
        self.plot = pg.PlotWidget(background=None)
        self.plot.setFixedHeight(175)  # with the form above it this fits a window of 1280 x 800
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plot.setToolTip("Wheel: zoom · drag: move · right click: save as a picture or CSV")
        item = self.plot.getPlotItem()
        self._item = item
        item.setLabel("bottom", "step")
        item.setLabel("left", f"loss ({unit})" if unit else "loss")
        item.setLabel("right", "share (0 to 1)")
        item.showGrid(x=False, y=True, alpha=0.15)
        item.setDownsampling(auto=True, mode="mean")
        item.setClipToView(True)
        self._shares = pg.ViewBox()
        item.scene().addItem(self._shares)
        item.getAxis("right").linkToView(self._shares)
        self._shares.setXLink(item)
        self._shares.setYRange(0, 1, padding=0.02)
        self._shares.setMouseEnabled(y=False)
        item.vb.sigResized.connect(self._fit_shares)
        self.legend = paragraph()
        self.legend.setToolTip("The newest values, in the colours of their curves")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.legend)
        layout.addWidget(self.plot)
        self.steps: list[int] = []
        self.values: dict[str, list[float]] = {}
        self._curves: dict[str, Any] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REDRAW_MS)
        self._timer.timeout.connect(self.redraw)

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        """Add a step's losses; a name that is new begins a curve here."""
        self.steps.append(step)
        for name in losses:  # in their own order, so that each keeps its colour from run to run
            self.values.setdefault(name, [np.nan] * (len(self.steps) - 1))
        for name, values in self.values.items():
            values.append(float(losses.get(name, np.nan)))
        if not self._timer.isActive():
            self._timer.start()

    def clear(self) -> None:
        """Forget all curves."""
        self.steps.clear()
        self.values.clear()
        for name, curve in self._curves.items():
            (self._shares if is_share(name) else self._item).removeItem(curve)
        self._curves.clear()
        self.legend.setText("")

    def redraw(self) -> None:
        """Draw what has come."""
        for name, values in self.values.items():
            if name not in self._curves:
                self._curves[name] = self._new_curve(name)
            self._curves[name].setData(np.asarray(self.steps), np.asarray(values), connect="finite")
        self.legend.setText(
            " &nbsp; ".join(
                f'<span style="color:{_COLOURS[i % len(_COLOURS)]}">■</span>&nbsp;{name}&nbsp;'
                f"{_number(name, values, self.unit)}"
                for i, (name, values) in enumerate(self.values.items())
            )
        )
        self._fit_shares()

    def _new_curve(self, name: str) -> Any:
        pen = pg.mkPen(_COLOURS[len(self._curves) % len(_COLOURS)], width=1.5)
        curve = pg.PlotDataItem(pen=pen, name=name)
        (self._shares if is_share(name) else self._item).addItem(curve)
        return curve

    def _fit_shares(self) -> None:
        self._shares.setGeometry(self._item.vb.sceneBoundingRect())

    def set_colour(self, colour: str) -> None:
        """Draw axes and texts in a colour, such as napari's for text in its present theme."""
        for side in ("left", "bottom", "right"):
            axis = self._item.getAxis(side)
            axis.setPen(pg.mkPen(colour, width=1))
            axis.setTextPen(colour)
        self.plot.resetCachedContent()  # else the background stays that of the theme before
        self.plot.viewport().update()
