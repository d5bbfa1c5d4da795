"""Fields for real numbers: one of any size, and three lengths."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSizePolicy, QWidget


class NumberBox(QDoubleSpinBox):
    """Any real number, shown as short as it can be written: ``0.0003``, ``2e-06``."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(12)
        self.setRange(-1e300, 1e300)
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Return the number as text."""
        return f"{value:.9g}"

    def valueFromText(self, text: str) -> float:  # noqa: N802 - Qt's name
        """Return the number that was typed; the one before where it is none."""
        try:
            return float(text.removesuffix(self.suffix()).strip())
        except ValueError:
            return float(self.value())

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let scientific notation through while it is typed."""
        try:
            number = float(text.removesuffix(self.suffix()).strip())
        except ValueError:
            return QValidator.State.Intermediate, text, position
        inside = self.minimum() <= number <= self.maximum()
        return (QValidator.State.Acceptable if inside else QValidator.State.Intermediate), text, position


class TripleField(QWidget):
    """Three lengths, Z Y X, in nm."""

    changed = Signal()

    def __init__(self, tip: str) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.boxes = []
        for axis in "ZYX":
            box = NumberBox()
            box.setRange(1e-4, 1e7)
            box.setValue(1.0)
            box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            box.setToolTip(f"{axis}: {tip}")
            box.setAccessibleName(f"{axis}, nm")
            box.setStyleSheet("min-width: 44px")  # napari's style asks for 90, too much for three
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.valueChanged.connect(self.changed)
            layout.addWidget(box)
            self.boxes.append(box)
        self.setFocusProxy(self.boxes[0])
        layout.addWidget(QLabel("nm"))

    def values(self) -> tuple[float, float, float]:
        """Return the three, nm."""
        z, y, x = (float(box.value()) for box in self.boxes)
        return z, y, x

    def set_values(self, values: tuple[float, float, float]) -> None:
        """Show three, nm."""
        for box, value in zip(self.boxes, values, strict=True):
            box.setValue(value)
