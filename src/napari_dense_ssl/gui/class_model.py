"""What the classes of a run look like in one window: their names, colours, which are hidden, which chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, Signal

from napari_dense_ssl.core.colours import class_colours

LABELS = range(1, 256)

_FADED = 0.25  # of the opacity, for classes beside a chosen one


class ClassModel(QObject):
    """Names, colours and visibility of classes by label (class + 1); maps are drawn by it, never rewritten.

    Attributes
    ----------
    changed : Signal()
        The look of a class has changed: its colour, whether it is hidden or chosen.
    renamed : Signal()
        A name has changed.
    """

    changed = Signal()
    renamed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.hidden: frozenset[int] = frozenset()
        self.chosen: frozenset[int] = frozenset()
        self._names: dict[int, str] = {}

    @property
    def colours(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Colour of each label, RGBA in [0, 1], shape (256, 4)."""
        return class_colours()

    def name(self, label: int) -> str:
        """Return a class's name: its number, counted from 0, until it is given another."""
        return self._names.get(label, str(label - 1))

    def rename(self, label: int, name: str) -> None:
        """Give a class a name; an empty one takes it back."""
        self._names.pop(label, None)
        if name.strip():
            self._names[label] = name.strip()
        self.renamed.emit()

    def hide(self, labels: Iterable[int]) -> None:
        """Hide classes, besides those that are hidden already."""
        self._set(hidden=self.hidden | frozenset(labels))

    def show(self, labels: Iterable[int]) -> None:
        """Show classes again."""
        self._set(hidden=self.hidden - frozenset(labels))

    def isolate(self, labels: Iterable[int]) -> None:
        """Hide all classes but these."""
        self._set(hidden=frozenset(LABELS) - frozenset(labels))

    def show_all(self) -> None:
        """Hide none."""
        self._set(hidden=frozenset())

    def choose(self, labels: Iterable[int]) -> None:
        """Let classes stand out: all others are drawn fainter; none chosen, all are drawn alike."""
        self._set(chosen=frozenset(labels))

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
        """Return the colours of a Labels layer."""
        colours: dict[int | None, Any] = {None: np.zeros(4)}
        colours |= dict(enumerate(self.table()))
        return DirectLabelColormap(color_dict=colours)
