"""A table of columns of numbers: sortable, of any length, with a swatch of colour before the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_dense_ssl.gui.class_rows import SWATCH, swatch

ROW_HEIGHT = 22  # px
_MEASURED = 100  # rows whose texts decide how wide a column is
_MARGIN = 10  # px, of a cell, left and right together
_LEAST_FIRST = 64  # px: as narrow the first column may be, whose words are elided


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes
    ----------
    heading, tip : str
        Title with its unit, and what it means.
    values : ndarray, shape (N,)
        What is sorted by.
    text : callable
        How a value is written.
    left : bool
        Whether it is words, which begin at the left, or numbers, which end at the right.
    """

    heading: str
    tip: str
    values: NDArray[Any]
    text: Callable[[Any], str]
    left: bool = False


class ColumnsModel(QAbstractTableModel):
    """Columns of one length, in an order that sorting changes."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: Sequence[Column] = ()
        self.order: NDArray[np.intp] = np.zeros(0, np.intp)
        self._colour: Callable[[int], tuple[float, float, float]] | None = None
        self._tip: Callable[[int], str] = lambda _: ""

    def show(
        self,
        columns: Sequence[Column],
        colour: Callable[[int], tuple[float, float, float]] | None = None,
        tip: Callable[[int], str] = lambda _: "",
    ) -> None:
        """Show other columns; `colour` and `tip` are asked with the number of a row as it was given."""
        self.beginResetModel()
        self.columns, self._colour, self._tip = columns, colour, tip
        self.order = np.arange(len(columns[0].values) if columns else 0)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 - as above
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        """Return a column's title and what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].heading
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.columns[section].tip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if self.columns[section].left else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = int(self.order[index.row()]), self.columns[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return column.text(column.values[row])
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignLeft if column.left else Qt.AlignmentFlag.AlignRight
                return side | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.DecorationRole if index.column() == 0 and self._colour is not None:
                return swatch(self._colour(row))
            case Qt.ItemDataRole.ToolTipRole:
                return self._tip(row) or f"{column.heading}: {column.text(column.values[row])}"
            case _:
                return None

    @property
    def coloured(self) -> bool:
        """Whether rows have a swatch."""
        return self._colour is not None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column."""
        if not 0 <= column < len(self.columns):
            return
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()
        rows = [int(self.order[index.row()]) for index in held]
        values = self.columns[column].values
        self.order = np.argsort(values, kind="stable")
        if order == Qt.SortOrder.DescendingOrder:
            self.order = self.order[::-1]
        if held:
            place = np.empty(len(self.order), np.intp)
            place[self.order] = np.arange(len(self.order))
            moved = [self.index(int(place[r]), i.column()) for r, i in zip(rows, held, strict=True)]
            self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()


class ColumnsTable(QTableView):
    """The table.

    Parameters
    ----------
    name : str
        For screen readers.
    most : int
        As many rows are seen without scrolling.

    Attributes
    ----------
    row_chosen : Signal(int)
        The number of the row that was chosen last, as it was given.
    """

    row_chosen = Signal(int)

    def __init__(self, name: str, most: int) -> None:
        super().__init__()
        self.rows = ColumnsModel()
        self.setModel(self.rows)
        self._most = most
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)  # Tab leaves the table, arrows move in it
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setIconSize(QSize(SWATCH, SWATCH))
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setMinimumSectionSize(28)
        self.selectionModel().currentRowChanged.connect(self._current)
        self._fit()

    def show_columns(
        self,
        columns: Sequence[Column],
        colour: Callable[[int], tuple[float, float, float]] | None = None,
        tip: Callable[[int], str] = lambda _: "",
    ) -> None:
        """Show columns; none empties the table."""
        self.setSortingEnabled(False)
        self.rows.show(columns, colour, tip)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self._fit()

    def choose(self, row: int) -> None:
        """Choose a row by its number as it was given, and bring it into view."""
        (place,) = np.flatnonzero(self.rows.order == row)
        self.selectRow(int(place))
        self.scrollTo(self.rows.index(int(place), 0))

    def _current(self, current: QModelIndex, before: QModelIndex) -> None:
        if current.isValid():
            self.row_chosen.emit(int(self.rows.order[current.row()]))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Take the room that the rows need as they are styled now."""
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        header, metrics = self.horizontalHeader(), self.fontMetrics()
        some = self.rows.order[:_MEASURED]  # there may be a million rows
        widths = []
        for number, column in enumerate(self.rows.columns):
            texts = [column.heading, *(column.text(column.values[row]) for row in some)]
            swatch = SWATCH + 6 if number == 0 and self.rows.coloured else 0
            widths.append(max(map(metrics.horizontalAdvance, texts)) + _MARGIN + swatch)
        room = self.viewport().width()
        if widths and sum(widths) < room:  # what is over goes to words, else to all alike
            words = [i for i, column in enumerate(self.rows.columns) if column.left] or range(len(widths))
            for i in words:
                widths[i] += (room - sum(widths)) // len(words) if i != words[-1] else room - sum(widths)
        elif widths:
            first = max(_LEAST_FIRST, widths[0] - (sum(widths) - room))
            widths[0] = min(widths[0], first)
        for number, width in enumerate(widths):
            header.resizeSection(number, width)
        count = min(self._most, max(1, self.rows.rowCount()))
        bar = self.horizontalScrollBar().sizeHint().height() if sum(widths) > room else 0
        self.setFixedHeight(header.sizeHint().height() + count * ROW_HEIGHT + bar + 4)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Share out the room anew."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._fit()
