"""The threshold of the equivariance error beyond which classes are not shown."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from napari_dense_ssl.gui.fields import paragraph
from napari_dense_ssl.predict.class_figures import ERROR_STEPS, ClassFigures

_TIP = (
    "Classes are shown only where the equivariance error (0: the map stays the same when the image is "
    "turned, flipped and moved; 1: it does not) is at most this. Nothing is computed anew, and the map "
    "itself stays; "
    "what you save of the layer is what it shows"
)


class TrustField(QWidget):
    """A slider from 0 to 1, its number, and a sentence about what it leaves."""

    changed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, ERROR_STEPS)
        self.slider.setPageStep(10)
        self.slider.setAccessibleName("Greatest equivariance error shown, 0 to 1")
        self.number = QDoubleSpinBox()
        self.number.setRange(0, 1)
        self.number.setSingleStep(1 / ERROR_STEPS)
        self.number.setDecimals(2)
        self.number.setAccessibleName("Greatest equivariance error shown, 0 to 1")
        for widget in (self.slider, self.number):
            widget.setToolTip(_TIP)
        self.sentence = paragraph()
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.sentence)
        self._figures = ClassFigures()
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self._typed)
        self.set_value(1.0)
        self.set_figures(self._figures)

    def value(self) -> float:
        """Return the threshold, a multiple of 0.01."""
        return int(self.slider.value()) / ERROR_STEPS

    def set_value(self, value: float) -> None:
        """Show a threshold."""
        self.slider.setValue(round(value * ERROR_STEPS))
        self._slid(self.slider.value())

    def set_figures(self, figures: ClassFigures) -> None:
        """Show how many of these pixels the threshold leaves; without any error there is nothing to set."""
        self._figures = figures
        known = bool(figures.errors.sum() > 0.5)
        self.slider.setEnabled(known)
        self.number.setEnabled(known)
        self._describe()

    def _slid(self, value: int) -> None:
        self.number.blockSignals(True)
        self.number.setValue(value / ERROR_STEPS)
        self.number.blockSignals(False)
        self._describe()
        self.changed.emit(value / ERROR_STEPS)

    def _typed(self, value: float) -> None:
        self.slider.setValue(round(value * ERROR_STEPS))

    def _describe(self) -> None:
        kept, error = self._figures.kept(self.value()), self._figures.total_error()
        if not np.isfinite(kept):
            self.sentence.setText("No equivariance error is computed yet.")
            return
        text = "all pixels" if self.value() == 1 else f"{100 * kept:.1f} % of the pixels"
        self.sentence.setText(f"Shows {text}; mean error {error:.3f} (0 to 1).")
