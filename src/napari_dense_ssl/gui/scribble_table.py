"""The table of labels: colour and name, how much was scribbled, how much of it there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QItemSelectionModel, QSize, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.gui.class_rows import SWATCH, swatch
from napari_dense_ssl.gui.label_model import LabelModel
from napari_dense_ssl.predict.label_counts import volume_um3

NAME, DRAWN, SLICE, VOLUME = range(4)

_LEAST_ROWS = 3


class LabelTable(QWidget):
    """A row a label: choosing one takes it into the brush; names are edited in place.

    Attributes
    ----------
    chosen : Signal(int)
        A label to paint with.
    """

    chosen = Signal(int)

    def __init__(self, model: LabelModel) -> None:
        super().__init__()
        self.model = model
        self._rows = _LEAST_ROWS
        self._drawn: NDArray[np.int64] = np.zeros(256, np.int64)
        self._slice: NDArray[np.int64] = np.zeros(256, np.int64)
        self._whole: NDArray[np.int64] = np.zeros(256, np.int64)
        self._voxel: VoxelSize | None = None
        self.table = QTableWidget(0, 4)
        self.table.setAccessibleName("Labels")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setIconSize(QSize(SWATCH, SWATCH))
        self.table.setMinimumHeight(136)
        # No higher than it must be: what is below it shall be seen on a small screen.
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.add_button = QPushButton("Add")
        self.add_button.setToolTip("One more label to paint with")
        self.colour_button = QPushButton("Colour …")
        self.colour_button.setToolTip("Another colour for the chosen label")
        self.save_button = QPushButton("Counts …")
        self.save_button.setToolTip(
            "Counts of each label in each slice of what was segmented to disk, as CSV: voxels, share, volume "
            "in µm³"
        )
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.add_button, self.colour_button, self.save_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        self.add_button.clicked.connect(self._add)
        self.colour_button.clicked.connect(self._recolour)
        self.table.itemChanged.connect(self._edited)
        self.table.itemSelectionChanged.connect(self._selected)
        model.changed.connect(self.fill)
        self.fill()

    def label(self) -> int:
        """Return the chosen label; 1 where none is chosen."""
        row = self.table.currentRow()
        return row + 1 if row >= 0 else 1

    def choose(self, label: int) -> None:
        """Choose a label's row, without telling anybody."""
        if 0 < label < 256:
            self._rows = max(self._rows, label)
            self.fill()
            self.table.blockSignals(True)
            self.table.selectionModel().setCurrentIndex(
                self.table.model().index(label - 1, NAME),
                QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows,
            )
            self.table.blockSignals(False)
            self.table.viewport().update()

    def set_drawn(self, pixels: NDArray[np.int64]) -> None:
        """Show how many pixels of each label were scribbled, shape (256,)."""
        self._drawn = pixels
        self.fill()

    def set_slice(self, pixels: NDArray[np.int64]) -> None:
        """Show how much of each label what is in view holds, shape (256,)."""
        self._slice = pixels
        self.fill()

    def set_whole(self, voxels: NDArray[np.int64], voxel_size: VoxelSize | None) -> None:
        """Show how much of each label was segmented to disk, shape (256,); edges of a voxel in nm."""
        self._whole, self._voxel = voxels, voxel_size
        self.fill()

    def text(self, label: int, column: int) -> str:
        """Return what a cell shows."""
        return str(self.table.item(label - 1, column).text())

    def fill(self) -> None:
        """Write all cells."""
        used = [int(k) for k in np.flatnonzero(self._drawn + self._slice + self._whole) if k]
        self._rows = min(255, max([self._rows, *used, *self.model.labels()]))
        unit = "Voxels" if self._voxel is None else "µm³"
        self.table.blockSignals(True)
        self.table.setRowCount(self._rows)
        for column, (title, tip) in enumerate(
            (
                ("Label", "Colour and name; double-click to rename, choose a row to paint with it"),
                ("Drawn", "Scribbled pixels"),
                ("In view", "Share of what is segmented in view"),
                (
                    unit,
                    "Volume of what was segmented to disk; voxels where their size is not known",
                ),
            )
        ):
            heading = QTableWidgetItem(title)
            heading.setToolTip(tip)
            self.table.setHorizontalHeaderItem(column, heading)
        seen = int(self._slice[1:].sum())
        for row in range(self._rows):
            label = row + 1
            words = (
                self.model.name(label),
                f"{int(self._drawn[label]):,}" if self._drawn[label] else "–",
                f"{100 * self._slice[label] / seen:.1f} %" if seen and self._slice[label] else "–",
                self._volume(label),
            )
            for column, text in enumerate(words):
                item = self.table.item(row, column) or QTableWidgetItem()
                item.setText(text)
                if column == NAME:
                    item.setIcon(swatch(self.model.colour(label)))
                    item.setToolTip(f"Label {label} of the scribbles; double-click to rename")
                else:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if self.table.item(row, column) is None:
                    self.table.setItem(row, column, item)
        self.table.blockSignals(False)

    def _volume(self, label: int) -> str:
        voxels = int(self._whole[label])
        if not voxels:
            return "–"
        return f"{voxels:,}" if self._voxel is None else f"{volume_um3(voxels, self._voxel):.4g}"

    def _add(self) -> None:
        self._rows = min(255, self._rows + 1)
        self.fill()
        self.table.selectRow(self._rows - 1)
        self.table.scrollToBottom()

    def _selected(self) -> None:
        self.chosen.emit(self.label())

    def _edited(self, item: QTableWidgetItem) -> None:
        if item.column() == NAME:
            self.model.rename(item.row() + 1, item.text())
            self.fill()

    def _recolour(self) -> None:
        label = self.label()
        colour = QColorDialog.getColor(
            QColor.fromRgbF(*self.model.colour(label)), self, f"Colour of {self.model.name(label)}"
        )
        if colour.isValid():
            self.model.recolour(label, (colour.redF(), colour.greenF(), colour.blueF()))
