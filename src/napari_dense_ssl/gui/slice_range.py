"""A range of slices to choose, or all of them."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.gui.fields import shrinkable

_MOST = 1_000_000


class SliceRange(QWidget):
    """Everything, or slices from the first to the last, both included.

    Parameters
    ----------
    everything : str
        What no range means, such as ``"all slices"``.
    what : str
        Begins tooltips, such as ``"slices that are scored"``.
    """

    def __init__(self, everything: str, what: str) -> None:
        super().__init__()
        self.choice = shrinkable(QComboBox())
        self.choice.addItems([everything, "slices"])
        self.choice.setAccessibleName(what)
        self.choice.setToolTip(what)
        self.first, self.last = QSpinBox(), QSpinBox()
        self.between = QLabel("to")
        layout = QVBoxLayout(self)  # beside each other they would need more than a dock's width
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.choice)
        row = QHBoxLayout()
        row.setSpacing(4)
        layout.addLayout(row)
        for box, tip in ((self.first, "First slice"), (self.last, "Last slice, included")):
            box.setRange(0, _MOST)
            box.setToolTip(f"{tip}, counted from 0")
            box.setAccessibleName(tip)
            box.setStyleSheet("min-width: 36px")
        for widget, stretch in ((self.first, 1), (self.between, 0), (self.last, 1)):
            row.addWidget(widget, stretch)
        self.choice.currentIndexChanged.connect(self._show)
        self._show()

    def _show(self) -> None:
        for widget in (self.first, self.between, self.last):
            widget.setVisible(self.choice.currentIndex() == 1)

    def set_depth(self, depth: int | None) -> None:
        """Offer the slices of a volume with that many; None where it is not known yet."""
        most = _MOST if depth is None else depth - 1
        for box in (self.first, self.last):
            box.setMaximum(most)
        if depth is not None and self.choice.currentIndex() == 0:
            self.last.setValue(most)

    def chosen(self) -> slice | None:
        """Return the slices, None for everything.

        Raises
        ------
        ScoreError
            If the last comes before the first.
        """
        if self.choice.currentIndex() == 0:
            return None
        first, last = self.first.value(), self.last.value()
        if last < first:
            raise ScoreError(
                f"The slices {first} to {last} are none; choose a last slice that is not before the first."
            )
        return slice(first, last + 1)
