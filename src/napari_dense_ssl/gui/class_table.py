"""The table of classes: colour and name, share, mean grey value, mean error; to search, sort, choose from."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from qtpy.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.predict.class_figures import ClassFigures

NAME, SHARE, GREY, ERROR = range(4)

_SORT = Qt.ItemDataRole.UserRole
_SWATCH = 14  # px
_WIDEST = {SHARE: "100.0 %", GREY: "-1.23e+05", ERROR: "0.123"}
_CELL_MARGIN = 12  # px, left and right of a cell's text together
_LEAST_WIDTH = 64  # px


class ClassRows(QAbstractTableModel):
    """The classes that occur, one a row.

    Parameters
    ----------
    model : ClassModel
        Names, colours, and which are hidden: the check box of a row.
    """

    def __init__(self, model: ClassModel) -> None:
        super().__init__()
        self.model = model
        self.labels: list[int] = []
        self.whole = False
        self._share = self._grey = self._error = np.zeros(256)
        self.use(model)

    def use(self, model: ClassModel) -> None:
        """Show the classes of another run."""
        for signal in (self.model.changed, self.model.renamed):
            with suppress(TypeError, RuntimeError):  # not connected yet
                signal.disconnect(self._look_changed)
        self.model = model
        for signal in (model.changed, model.renamed):
            signal.connect(self._look_changed)
        self._look_changed()

    def set_figures(self, figures: ClassFigures, whole: bool) -> None:
        """Show figures; `whole` says that they are those of the whole volume."""
        labels = [int(label) for label in figures.labels]
        before = self._words() if labels == self.labels else None
        self._share, self._grey, self._error = figures.share(), figures.mean_grey(), figures.mean_error()
        if whole != self.whole:
            self.whole = whole
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, SHARE, SHARE)
        if labels != self.labels:
            self.layoutAboutToBeChanged.emit()
            kept = self.persistentIndexList()
            held = [self.labels[index.row()] for index in kept]
            self.labels = labels
            rows = {label: row for row, label in enumerate(labels)}
            moved = [
                self.index(rows[label], index.column()) if label in rows else QModelIndex()
                for label, index in zip(held, kept, strict=True)
            ]
            self.changePersistentIndexList(kept, moved)
            self.layoutChanged.emit()
        elif labels and self._words() != before:
            self.dataChanged.emit(self.index(0, SHARE), self.index(len(labels) - 1, ERROR))

    def _words(self) -> list[tuple[str, str, str]]:
        """Return what the rows show of the figures: what looks the same need not be drawn again."""
        return [
            (_text(SHARE, self._share[i]), _text(GREY, self._grey[i]), _text(ERROR, self._error[i]))
            for i in self.labels
        ]

    def _look_changed(self) -> None:
        if self.labels:
            self.dataChanged.emit(self.index(0, NAME), self.index(len(self.labels) - 1, ERROR))

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Return the number of classes."""
        return 0 if parent.isValid() else len(self.labels)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 - as above
        """Return the number of columns."""
        return 0 if parent.isValid() else 4

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let rows be chosen, and classes be hidden by their check box."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == NAME else flags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        """Return a column's title and what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return ("Class", "Share", "Grey", "Error")[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            of = "of the volume" if self.whole else "of what is computed so far"
            return (
                "Colour and name; untick it to hide the class",
                f"Share {of}",
                f"Mean grey value of the image, in its own units, {of}",
                f"Mean equivariance error, 0 (trust) to 1, {of}",
            )[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:  # the arrow of the sorted column stands at the right
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        label, column = self.labels[index.row()], index.column()
        value = (label, self._share[label], self._grey[label], self._error[label])[column]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self.model.name(label) if column == NAME else _text(column, value)
            case _ if role == _SORT:
                return float(value) if np.isfinite(value) else -1.0
            case Qt.ItemDataRole.TextAlignmentRole if column != NAME:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.DecorationRole if column == NAME:
                return _swatch(tuple(float(c) for c in self.model.colours[label][:3]))
            case Qt.ItemDataRole.CheckStateRole if column == NAME:
                shown = label not in self.model.hidden
                return Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked
            case Qt.ItemDataRole.ToolTipRole if column == NAME:
                return f"Class {label - 1}, label {label} in the layer"
            case _:
                return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Hide a class or show it again."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        change = self.model.show if Qt.CheckState(value) == Qt.CheckState.Checked else self.model.hide
        change([self.labels[index.row()]])
        return True


class ClassTable(QWidget):
    """The table with its search field and buttons.

    Parameters
    ----------
    model : ClassModel
        What buttons and rows act on.
    """

    chosen = Signal()

    def __init__(self, model: ClassModel) -> None:
        super().__init__()
        self.rows = ClassRows(model)
        self.sorted = QSortFilterProxyModel(self)
        self.sorted.setSourceModel(self.rows)
        self.sorted.setSortRole(_SORT)
        self.sorted.setFilterKeyColumn(NAME)
        self.sorted.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.search = QLineEdit()
        self.search.setPlaceholderText("find a class")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Find a class")
        self.search.setToolTip("Show only classes whose name or number has this in it")
        self.view = QTableView()
        self.view.setModel(self.sorted)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(SHARE, Qt.SortOrder.DescendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setTabKeyNavigation(False)  # Tab leaves the table, arrows move in it
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.setIconSize(QSize(_SWATCH, _SWATCH))
        self.view.setMinimumHeight(190)
        self.view.setAccessibleName("Classes")
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(22)
        header = self.view.horizontalHeader()
        # Of one width for good: columns that fit their contents are measured anew, row by row, whenever a
        # figure changes, and figures change all the time while one scrolls.
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.isolate_button = QPushButton("Isolate")
        self.hide_button = QPushButton("Hide")
        self.all_button = QPushButton("Show all")
        self.isolate_button.setToolTip("Hide all classes but the chosen ones")
        self.hide_button.setToolTip("Hide the chosen classes")
        self.all_button.setToolTip("Show all classes again, and choose none")
        row = QHBoxLayout()
        row.setSpacing(6)
        for button in (self.isolate_button, self.hide_button, self.all_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.search)
        layout.addWidget(self.view, 1)
        layout.addLayout(row)
        self.search.textChanged.connect(self.sorted.setFilterFixedString)
        self.view.selectionModel().selectionChanged.connect(self._selected)
        self.isolate_button.clicked.connect(lambda: self.model.isolate(self.selection()))
        self.hide_button.clicked.connect(self._hide)
        self.all_button.clicked.connect(self._show_all)
        self.rows.layoutChanged.connect(self._update_buttons)
        self.rows.dataChanged.connect(self._update_buttons)
        self._update_buttons()

    def event(self, event: QEvent) -> bool:
        """Give the columns the room that they need in the window's font."""
        if event.type() in (QEvent.Type.Show, QEvent.Type.StyleChange, QEvent.Type.FontChange):
            header = self.view.horizontalHeader()
            for column, widest in _WIDEST.items():
                room = self.view.fontMetrics().horizontalAdvance(widest) + _CELL_MARGIN
                header.resizeSection(column, max(room, header.sectionSizeHint(column), _LEAST_WIDTH))
        return bool(super().event(event))

    @property
    def model(self) -> ClassModel:
        """What buttons and rows act on."""
        return self.rows.model

    def use(self, model: ClassModel) -> None:
        """Show the classes of another run."""
        if model is not self.model:
            self.rows.use(model)
            self.select(model.chosen)

    def selection(self) -> list[int]:
        """Return the labels of the chosen rows."""
        rows = self.view.selectionModel().selectedRows(NAME)
        return sorted(self.rows.labels[self.sorted.mapToSource(index).row()] for index in rows)

    def select(self, labels: Iterable[int]) -> None:
        """Choose the rows of labels and bring the first into view; what the search left out comes back."""
        wanted = [label for label in labels if label in self.rows.labels]
        indices = [self.rows.index(self.rows.labels.index(label), NAME) for label in wanted]
        if any(not self.sorted.mapFromSource(index).isValid() for index in indices):
            self.search.clear()
        selection = QItemSelection()
        for index in indices:
            place = self.sorted.mapFromSource(index)
            selection.select(place, place)
        mode = QItemSelectionModel.SelectionFlag
        self.view.selectionModel().select(selection, mode.ClearAndSelect | mode.Rows)
        if indices:
            first = self.sorted.mapFromSource(indices[0])
            self.view.selectionModel().setCurrentIndex(first, mode.NoUpdate)
            self.view.scrollTo(first)

    def set_figures(self, figures: ClassFigures, whole: bool) -> None:
        """Show figures; rows stay chosen."""
        self.rows.set_figures(figures, whole)

    def _selected(self, *_: Any) -> None:
        self.model.choose(self.selection())
        self._update_buttons()
        self.chosen.emit()

    def _hide(self) -> None:
        self.model.hide(self.selection())
        self.view.clearSelection()

    def _show_all(self) -> None:
        self.view.clearSelection()
        self.model.show_all()

    def _update_buttons(self, *_: Any) -> None:
        some = bool(self.view.selectionModel().hasSelection())
        self.isolate_button.setEnabled(some)
        self.hide_button.setEnabled(some)
        self.all_button.setEnabled(some or bool(self.model.hidden))


def _text(column: int, value: float) -> str:
    if not np.isfinite(value):
        return "–"
    if column == SHARE:
        return f"{100 * value:.1f} %" if value >= 0.0005 else "< 0.1 %"
    if column == ERROR:
        return f"{value:.3f}"
    return f"{value:.1f}" if 10 <= abs(value) < 1e6 else f"{value:.3g}"


@lru_cache(maxsize=512)
def _swatch(colour: tuple[float, float, float]) -> QIcon:
    picture = QPixmap(_SWATCH, _SWATCH)
    picture.fill(QColor.fromRgbF(*colour))
    painter = QPainter(picture)
    painter.setPen(QColor(128, 128, 128))
    painter.drawRect(0, 0, _SWATCH - 1, _SWATCH - 1)
    painter.end()
    return QIcon(picture)
