"""What the classes of a run look like in one window: groups, names, colours, what is hidden or chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, Signal

from napari_dense_ssl.core.class_book import MOST_CLASSES, ClassBook, Colour
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import ClassesError
from napari_dense_ssl.core.history import History
from napari_dense_ssl.volume.class_file import SavedClasses

LABELS = range(1, 256)

_FADED = 0.25  # of the opacity, for classes beside a chosen one


class ClassModel(QObject):
    """Groups, names, colours, visibility of classes by label (class + 1): what maps are drawn by.

    Parameters
    ----------
    classes : int
        K; where it is not known, as many as a map can have.

    Attributes
    ----------
    changed : Signal()
        The look of a class has changed: its colour, whether it is hidden or chosen.
    renamed : Signal()
        A name has changed.
    regrouped : Signal()
        Classes were merged or split.
    edited : Signal()
        Something has changed that is kept on disk: groups, names, colours, the tree.
    """

    changed = Signal()
    renamed = Signal()
    regrouped = Signal()
    edited = Signal()

    def __init__(self, classes: int = MOST_CLASSES) -> None:
        super().__init__()
        self.hidden: frozenset[int] = frozenset()
        self.chosen: frozenset[int] = frozenset()
        self._history = History(ClassBook(classes))
        self._tree: ClassTree | None = None
        self._colours = self.book.table()

    # -- the book --------------------------------------------------------------------------------------

    @property
    def book(self) -> ClassBook:
        """Groups, names and colours as they are now."""
        return self._history.now

    @property
    def tree(self) -> ClassTree | None:
        """The tree that groups are cut from, once it is known."""
        return self._tree

    @property
    def saved(self) -> SavedClasses:
        """What is kept on disk."""
        return SavedClasses(self.book, self._tree)

    @property
    def can_undo(self) -> bool:
        """Whether there is something to be undone."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether something was undone."""
        return self._history.can_redo

    @property
    def untouched(self) -> bool:
        """Whether nothing was named, coloured or grouped so far, nor undone."""
        return self._history == History(ClassBook(self.book.classes))

    def begin_with(self, saved: SavedClasses) -> None:
        """Take over what is on disk, as the beginning: nothing before it can be undone to."""
        self._tree = saved.tree
        self._take(History(saved.book), edited=False)

    def load(self, saved: SavedClasses) -> None:
        """Take over another book, and its tree; can be undone.

        Raises
        ------
        ClassesError
            If it is of another number of classes.
        """
        if saved.book.classes != self.book.classes:
            raise ClassesError(
                f"These are names of {saved.book.classes} classes, the run has {self.book.classes}; choose "
                "the names of this run."
            )
        self._tree = saved.tree or self._tree
        self.do(saved.book)
        self.edited.emit()

    def set_tree(self, tree: ClassTree) -> None:
        """Take over a tree; groups stay as they are."""
        self._tree = tree
        self.edited.emit()

    def do(self, book: ClassBook, amend: bool = False) -> None:
        """Go on to another book.

        Parameters
        ----------
        book : ClassBook
        amend : bool
            In the place of the last one, as a step of a slider that is still being dragged.
        """
        self._take(self._history.amend(book) if amend else self._history.do(book))

    def undo(self) -> None:
        """Go back a step."""
        self._take(self._history.undo())

    def redo(self) -> None:
        """Take an undo back."""
        self._take(self._history.redo())

    def merge(self, labels: Iterable[int]) -> None:
        """Make one group of the groups of these labels."""
        self.do(self.book.merge(label - 1 for label in labels))

    def split(self, labels: Iterable[int], singly: bool = False) -> None:
        """Split the groups of these labels: in two where the tree joins them last, or into single classes."""
        book = self.book
        for group in {self.book.group_of(label - 1) for label in labels}:
            book = book.split(group[0], None if singly else self._tree)
        self.do(book)

    def cut(self, groups: int, amend: bool = False) -> None:
        """Group all classes by the tree; see :meth:`do`."""
        if self._tree is not None:
            self.do(self.book.cut(self._tree, groups), amend)

    def _take(self, history: History[ClassBook], edited: bool = True) -> None:
        before, self._history = self.book, history
        now = self.book
        if before == now:
            return
        self._colours = now.table()
        if before.groups != now.groups:
            shown = {self.leader(label) for label in LABELS if label not in self.hidden}
            self.hidden = frozenset(label for label in LABELS if self.leader(label) not in shown)
            self.chosen = self.widened(self.chosen)
            self.regrouped.emit()
        else:
            self.renamed.emit()
        self.changed.emit()
        if edited:
            self.edited.emit()

    # -- by label --------------------------------------------------------------------------------------

    @property
    def colours(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Colour of each label, RGBA in [0, 1], shape (256, 4)."""
        return self._colours

    def _known(self, label: int) -> bool:
        return 1 <= label <= self.book.classes

    def leader(self, label: int) -> int:
        """Return the least label of a label's group, which stands for it."""
        return self.book.group_of(label - 1)[0] + 1 if self._known(label) else label

    def members(self, label: int) -> tuple[int, ...]:
        """Return the labels of a label's group."""
        return tuple(k + 1 for k in self.book.group_of(label - 1)) if self._known(label) else (label,)

    def widened(self, labels: Iterable[int]) -> frozenset[int]:
        """Return labels, and all that are in a group with one of them."""
        return frozenset(member for label in labels for member in self.members(label))

    def name(self, label: int) -> str:
        """Return the name of a class's group: its number, counted from 0, until it is given another."""
        return self.book.name(label - 1) if self._known(label) else str(label - 1)

    def title(self, label: int) -> str:
        """Return the name, and of how many classes it is."""
        count = len(self.members(label))
        return (
            f"{self.name(label)} ({count})"
            if count > 1 and self.book.is_named(label - 1)
            else self.name(label)
        )

    def rename(self, label: int, name: str) -> None:
        """Give a class's group a name; an empty one takes it back."""
        if self._known(label) and name.strip() != self.name(label):
            self.do(self.book.rename(label - 1, name))

    def recolour(self, label: int, colour: Colour | None) -> None:
        """Give a class's group a colour; None takes it back."""
        if self._known(label):
            self.do(self.book.recolour(label - 1, colour))

    def hide(self, labels: Iterable[int]) -> None:
        """Hide classes with their groups, besides those that are hidden already."""
        self._set(hidden=self.hidden | self.widened(labels))

    def show(self, labels: Iterable[int]) -> None:
        """Show classes again."""
        self._set(hidden=self.hidden - self.widened(labels))

    def isolate(self, labels: Iterable[int]) -> None:
        """Hide all classes but these and their groups."""
        self._set(hidden=frozenset(LABELS) - self.widened(labels))

    def show_all(self) -> None:
        """Hide none."""
        self._set(hidden=frozenset())

    def choose(self, labels: Iterable[int]) -> None:
        """Let classes stand out: all others are drawn fainter; none chosen, all are drawn alike."""
        self._set(chosen=self.widened(labels))

    def _set(self, **sets: frozenset[int]) -> None:
        before = self.hidden, self.chosen
        for name, labels in sets.items():
            setattr(self, name, labels)
        if (self.hidden, self.chosen) != before:
            self.changed.emit()

    def table(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return what each label is drawn with, RGBA in [0, 1], shape (256, 4)."""
        table = self.colours.copy()
        chosen = self.chosen - self.hidden
        if chosen:
            others = np.array(sorted(set(LABELS) - chosen))
            table[others, 3] *= _FADED
        table[sorted(self.hidden), 3] = 0
        return table

    def colormap(self) -> DirectLabelColormap:
        """Return the colours of a Labels layer: of the labels that there are, since napari checks each."""
        colours: dict[int | None, Any] = {None: np.zeros(4)}
        colours |= dict(enumerate(self.table()[: self.book.classes + 1]))
        return DirectLabelColormap(color_dict=colours)
