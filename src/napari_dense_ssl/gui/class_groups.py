"""How many groups there shall be, and what makes and unmakes them: slider, merge, split, undo, redo."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.class_table import ClassTable
from napari_dense_ssl.gui.fields import paragraph

FEWEST = 2
_TIP = (
    "How many groups the classes make: the tree of classes is cut there. Maps are drawn anew at once, "
    "nothing is computed or written, and names stay with the groups that they were given to"
)


class GroupsField(QWidget):
    """Slider and number of groups, from 2 to K, over a row of buttons that act on the chosen rows of a table.

    Parameters
    ----------
    table : ClassTable
        Whose model is changed, and whose chosen rows.

    Attributes
    ----------
    wanted : Signal()
        The tree is asked for.
    find_button, merge_button, split_button, undo_button, redo_button, more_button : QAbstractButton
    """

    wanted = Signal()

    can_find = False
    """Whether the tree may be asked for; see :meth:`set_can_find`."""

    def __init__(self, table: ClassTable) -> None:
        super().__init__()
        self.table = table
        self._model = table.model
        self._dragged = False
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setPageStep(5)
        self.number = QSpinBox()
        self.number.setKeyboardTracking(False)
        for widget in (self.slider, self.number):
            widget.setAccessibleName("Number of groups")
            widget.setToolTip(_TIP)
        self.find_button = QPushButton("Find groups")
        self.find_button.setToolTip(
            "Order the classes by how alike the run takes them to be, in some squares of the volume; "
            "then the slider groups them. Takes some seconds, once for a run"
        )
        self.merge_button = QPushButton("Merge")
        self.merge_button.setToolTip("Make one group of the chosen ones")
        self.split_button = QPushButton("Split")
        self.split_button.setToolTip(
            "Split the chosen groups in two, where the tree joins them last; without a tree, into single "
            "classes"
        )
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self.undo_button.setToolTip("Take back the last change of groups, names or colours")
        self.redo_button.setToolTip("Take the last undo back")
        self.more_button = QPushButton("More")
        self.more_button.setToolTip("Save or load names and groups, colours, the table as a file")
        self.menu = QMenu(self.more_button)
        self.more_button.setMenu(self.menu)
        self.sentence = paragraph()
        self._arrange()
        self.slider.sliderPressed.connect(self._pressed)
        self.slider.sliderReleased.connect(self._released)
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self.slider.setValue)
        self.find_button.clicked.connect(self.wanted)
        self.merge_button.clicked.connect(self.merge)
        self.split_button.clicked.connect(lambda: self.split())
        self.undo_button.clicked.connect(lambda: self._model.undo())
        self.redo_button.clicked.connect(lambda: self._model.redo())
        table.chosen.connect(self.update_buttons)
        self.use(table.model)

    def _arrange(self) -> None:
        top, bottom = QHBoxLayout(), QHBoxLayout()
        for row, widgets in (
            (top, (QLabel("Groups"), self.slider, self.number, self.find_button)),
            (
                bottom,
                (self.merge_button, self.split_button, self.undo_button, self.redo_button, self.more_button),
            ),
        ):
            row.setSpacing(4)
            for widget in widgets:
                row.addWidget(widget, 0 if isinstance(widget, QLabel | QSpinBox) else 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self.sentence)
        layout.addLayout(bottom)

    def add_action(self, text: str, act: Callable[[], Any]) -> Any:
        """Add an entry to the menu of what is done less often."""
        return self.menu.addAction(text, act)

    def use(self, model: ClassModel) -> None:
        """Act on the classes of another run."""
        for signal in (self._model.edited, self._model.regrouped):
            with suppress(TypeError, RuntimeError):  # not connected yet
                signal.disconnect(self.show_model)
        self._model = model
        for signal in (model.edited, model.regrouped):
            signal.connect(self.show_model)
        self.show_model()

    def set_can_find(self, can: bool) -> None:
        """Say whether there is something to make a tree of, and nothing else is being done."""
        self.can_find = can
        self.update_buttons()

    # -- what is done ----------------------------------------------------------------------------------

    def merge(self) -> None:
        """Make one group of the chosen ones."""
        self._model.merge(self.table.selection())

    def split(self, singly: bool = False) -> None:
        """Split the chosen groups."""
        self._model.split(self.table.selection(), singly)

    def _pressed(self) -> None:
        self._dragged = False

    def _released(self) -> None:
        self._dragged = False

    def _slid(self, groups: int) -> None:
        # What one drag goes through is one step back.
        amend = self.slider.isSliderDown() and self._dragged
        self._dragged = bool(self.slider.isSliderDown())
        self._model.cut(groups, amend=amend)

    # -- what is shown ---------------------------------------------------------------------------------

    def show_model(self) -> None:
        """Show how many groups there are, and what can be done."""
        model = self._model
        book, tree = model.book, model.tree
        for widget in (self.slider, self.number):
            with QSignalBlocker(widget):
                widget.setRange(FEWEST, max(FEWEST, book.classes))
                widget.setValue(len(book.groups))
            widget.setVisible(tree is not None)
        self.find_button.setVisible(tree is None)
        if len(book.groups) == book.classes:
            text = "" if tree is None else f"{book.classes} classes, each by itself."
        else:
            cut = tree is not None and book.groups == tree.cut(len(book.groups))
            text = (
                f"{book.classes} classes in {len(book.groups)} groups, {'by the tree' if cut else 'by hand'}."
            )
        self.sentence.setText(text)
        self.sentence.setVisible(bool(text))
        self.update_buttons()

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        model = self._model
        groups = {model.leader(label) for label in self.table.selection()}
        self.find_button.setEnabled(self.can_find)
        self.merge_button.setEnabled(len(groups) > 1)
        self.split_button.setEnabled(any(len(model.members(leader)) > 1 for leader in groups))
        self.undo_button.setEnabled(model.can_undo)
        self.redo_button.setEnabled(model.can_redo)
