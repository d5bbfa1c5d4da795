"""The table of classes: to search, sort, choose, hide, name and colour them, a row a group."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from qtpy.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    QTimer,
    Signal,
)
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.class_rows import COLOUR, ERROR, GREY, NAME, SHARE, SORT, SWATCH, ClassRows
from napari_dense_ssl.predict.class_figures import ClassFigures

_SWATCH_COLUMN = 26  # px
_WIDEST = {SHARE: "100.0 %", GREY: "65535.0", ERROR: "0.123"}
_CELL_MARGIN = 12  # px, left and right of a cell's text together
_LEAST_WIDTH = 48  # px


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
        self.sorted.setSortRole(SORT)
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
        self.view.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.view.setTabKeyNavigation(False)  # Tab leaves the table, arrows move in it
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.setIconSize(QSize(SWATCH, SWATCH))
        self.view.setMinimumHeight(190)
        self.view.setAccessibleName("Classes")
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(22)
        header = self.view.horizontalHeader()
        # Of one width for good: columns that fit their contents are measured anew, row by row, whenever a
        # figure changes, and figures change all the time while one scrolls.
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(_SWATCH_COLUMN)
        header.resizeSection(COLOUR, _SWATCH_COLUMN)
        header.moveSection(COLOUR, 0)
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
        self._filtering = self._missed = False
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._selected)
        self.search.textChanged.connect(self._filter)
        self.view.selectionModel().selectionChanged.connect(self._selected)
        self.isolate_button.clicked.connect(lambda: self.model.isolate(self.selection()))
        self.hide_button.clicked.connect(self._hide)
        self.all_button.clicked.connect(self._show_all)
        self.view.doubleClicked.connect(self._double_clicked)
        model.regrouped.connect(self._regrouped)
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
            with suppress(TypeError, RuntimeError):  # not connected yet
                self.model.regrouped.disconnect(self._regrouped)
            self.rows.use(model)
            model.regrouped.connect(self._regrouped)
            self.select(model.chosen)

    def selection(self) -> list[int]:
        """Return the labels of the chosen groups."""
        rows = self.view.selectionModel().selectedRows(NAME)
        return sorted(self.model.widened(self.rows.labels[self.sorted.mapToSource(i).row()] for i in rows))

    def select(self, labels: Iterable[int]) -> None:
        """Choose the groups of labels and bring the first into view; what the search left out comes back."""
        leaders = dict.fromkeys(self.model.leader(label) for label in labels)
        wanted = [label for label in leaders if label in self.rows.labels]
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
        # Names need the room that numbers do not.
        self.view.setColumnHidden(ERROR, not np.isfinite(figures.total_error()))
        longest = max(map(self.rows.word, range(self.rows.rowCount())), key=len, default="")
        room = self.view.fontMetrics().horizontalAdvance(longest) + _CELL_MARGIN
        if room > self.view.horizontalHeader().sectionSize(GREY):
            self.view.horizontalHeader().resizeSection(GREY, room)

    def _filter(self, text: str) -> None:
        self._filtering, self._missed = True, False
        try:
            self.sorted.setFilterFixedString(text)
        finally:
            self._filtering = False
        if self._missed:
            self._selected()

    def _selected(self, *_: Any) -> None:
        """Take over what is chosen; once rows are where they belong, where they are being filtered.

        Rows that go while they are chosen change the selection before Qt is done with them. Whatever made
        the rows tell of a change then (another look, for one) would tear the proxy's tables of rows.
        """
        if self._filtering:
            self._missed = True  # until it ends
            return
        if self.rows.telling:
            self._later.start()
            return
        self.model.choose(self.selection())
        self._update_buttons()
        self.chosen.emit()

    def _regrouped(self) -> None:
        """Keep chosen what was chosen: the rows are others now."""
        self.select(sorted(self.model.chosen))

    def _double_clicked(self, index: QModelIndex) -> None:
        if index.column() == COLOUR:
            self.ask_colour(self.rows.labels[self.sorted.mapToSource(index).row()])

    def ask_colour(self, label: int) -> None:
        """Let the user choose the colour of a label's group."""
        now = QColor.fromRgbF(*(float(c) for c in self.model.colours[label][:3]))
        chosen = QColorDialog.getColor(now, self, f"Colour of {self.model.name(label)}")
        if chosen.isValid():
            self.model.recolour(label, (chosen.red(), chosen.green(), chosen.blue()))

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
