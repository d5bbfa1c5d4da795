"""The rows of the table of classes, a group each: name, share, mean grey value, mean error, colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap

from napari_dense_ssl.gui.class_model import LABELS, ClassModel
from napari_dense_ssl.predict.class_figures import ClassFigures

NAME, SHARE, GREY, ERROR, COLOUR = range(5)

SORT = Qt.ItemDataRole.UserRole
"""Role of what a column is sorted by."""

SWATCH = 14
"""Edge of a colour, px."""


class ClassRows(QAbstractTableModel):
    """The groups of classes that occur, one a row; each goes by its least label.

    Parameters
    ----------
    model : ClassModel
        Names, colours, and which are hidden: the check box of a row.

    Attributes
    ----------
    telling : bool
        Whether views are being told of a change: nothing may be changed by what they do then.
    """

    def __init__(self, model: ClassModel) -> None:
        super().__init__()
        self.model = model
        self.labels: list[int] = []
        self.whole = False
        self.figures = ClassFigures()
        self._share = self._grey = self._error = np.zeros(256)
        self.telling = False
        self.use(model)

    def use(self, model: ClassModel) -> None:
        """Show the classes of another run."""
        for signal, slot in (
            (self.model.changed, self._look_changed),
            (self.model.renamed, self._look_changed),
            (self.model.regrouped, self._regrouped),
        ):
            with suppress(TypeError, RuntimeError):  # not connected yet
                signal.disconnect(slot)
        self.model = model
        for signal in (model.changed, model.renamed):
            signal.connect(self._look_changed)
        model.regrouped.connect(self._regrouped)
        self._regrouped()
        self._look_changed()

    def set_figures(self, figures: ClassFigures, whole: bool) -> None:
        """Show figures, by class; `whole` says that they are those of the whole volume."""
        self.figures = figures
        leaders = np.array([0, *(self.model.leader(label) for label in LABELS)])
        figures = figures.grouped(leaders)
        labels = [int(label) for label in figures.labels]
        before = self._words() if labels == self.labels else None
        self._share, self._grey, self._error = figures.share(), figures.mean_grey(), figures.mean_error()
        if whole != self.whole:
            self.whole = whole
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, SHARE, SHARE)
        if labels != self.labels:
            with self._telling():
                self._take_rows(labels)
        elif labels and self._words() != before:
            self._tell(SHARE, ERROR)

    def _take_rows(self, labels: list[int]) -> None:
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

    def _tell(self, first: int, last: int) -> None:
        """Tell views that columns have changed."""
        with self._telling():
            self.dataChanged.emit(self.index(0, first), self.index(len(self.labels) - 1, last))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        before, self.telling = self.telling, True
        try:
            yield
        finally:
            self.telling = before

    def _words(self) -> list[tuple[str, str, str]]:
        """Return what the rows show of the figures: what looks the same need not be drawn again."""
        return [
            (_text(SHARE, self._share[i]), _text(GREY, self._grey[i]), _text(ERROR, self._error[i]))
            for i in self.labels
        ]

    def word(self, row: int) -> str:
        """Return what a row's mean grey value is shown as."""
        return _text(GREY, self._grey[self.labels[row]])

    def _look_changed(self) -> None:
        if self.labels:
            self._tell(NAME, COLOUR)

    def _regrouped(self) -> None:
        self.set_figures(self.figures, self.whole)

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Return the number of classes."""
        return 0 if parent.isValid() else len(self.labels)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008 - as above
        """Return the number of columns."""
        return 0 if parent.isValid() else 5

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Let rows be chosen, and groups be named, and hidden by their check box."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        own = Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEditable
        return flags | own if index.column() == NAME else flags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        """Return a column's title and what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return ("Class", "Share", "Grey", "Error", "")[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            of = "of the volume" if self.whole else "of what is computed so far"
            return (
                "Name of the class, or of a group and how many classes it has; double click (or F2) to "
                "change it, untick it to hide them",
                f"Share {of}",
                f"Mean grey value of the image, in its own units, {of}",
                f"Mean equivariance error, 0 (trust) to 1, {of}",
                "Double click a colour to change it",
            )[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:  # the arrow of the sorted column stands at the right
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        label, column = self.labels[index.row()], index.column()
        value = (label, self._share[label], self._grey[label], self._error[label], label)[column]
        match role:
            case Qt.ItemDataRole.DisplayRole if column != COLOUR:
                return self.model.title(label) if column == NAME else _text(column, value)
            case Qt.ItemDataRole.EditRole if column == NAME:
                return self.model.name(label)
            case _ if role == SORT:
                return float(value) if np.isfinite(value) else -1.0
            case Qt.ItemDataRole.TextAlignmentRole if column != NAME:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.DecorationRole if column == COLOUR:
                return swatch(tuple(float(c) for c in self.model.colours[label][:3]))
            case Qt.ItemDataRole.CheckStateRole if column == NAME:
                shown = label not in self.model.hidden
                return Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked
            case Qt.ItemDataRole.ToolTipRole if column == NAME:
                return self._members(label)
            case Qt.ItemDataRole.ToolTipRole if column == COLOUR:
                return "Double click to change the colour"
            case _:
                return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Hide a group or show it again, or name it."""
        if role == Qt.ItemDataRole.EditRole and index.column() == NAME:
            self.model.rename(self.labels[index.row()], str(value))
            return True
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        change = self.model.show if Qt.CheckState(value) == Qt.CheckState.Checked else self.model.hide
        change([self.labels[index.row()]])
        return True

    def _members(self, label: int) -> str:
        members = self.model.members(label)
        if len(members) == 1:
            return f"{self.model.name(label)}: class {label - 1}, label {label} in the layer"
        numbers = ", ".join(str(member - 1) for member in members)
        return f"{self.model.name(label)}: classes {numbers}; their labels in the layer are one more"


def _text(column: int, value: float) -> str:
    if not np.isfinite(value):
        return "–"
    if column == SHARE:
        return f"{100 * value:.1f} %" if value >= 0.0005 else "< 0.1 %"
    if column == ERROR:
        return f"{value:.3f}"
    return f"{value:.1f}" if 10 <= abs(value) < 1e6 else f"{value:.3g}"


@lru_cache(maxsize=512)
def swatch(colour: tuple[float, float, float]) -> QIcon:
    """Return a little square of a colour, RGB from 0 to 1."""
    picture = QPixmap(SWATCH, SWATCH)
    picture.fill(QColor.fromRgbF(*colour))
    painter = QPainter(picture)
    painter.setPen(QColor(128, 128, 128))
    painter.drawRect(0, 0, SWATCH - 1, SWATCH - 1)
    painter.end()
    return QIcon(picture)
