"""Messages that stay in a dock, in the colours of napari's theme."""

from __future__ import annotations

from typing import Literal

from napari.utils.theme import get_theme
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_dense_ssl.gui.fields import paragraph

Level = Literal["plain", "info", "warning", "error"]

_WEIGHT = 0.16  # of the colour in the ground behind the text, which stays readable on it


def tint(label: QLabel, level: Level, theme: str) -> None:
    """Give a label the look of a level: a bar at its left, a ground of the same hue; ``plain`` for none.

    Parameters
    ----------
    label : QLabel
    level : {"plain", "info", "warning", "error"}
    theme : str
        Name of napari's present theme.
    """
    if level == "plain":
        label.setStyleSheet("")
        return
    colours = get_theme(theme)
    named = {"info": colours.current, "warning": colours.warning, "error": colours.error}
    bar = QColor(named[level].as_hex())
    ground = QColor(colours.background.as_hex())
    mixed = [
        round(_WEIGHT * a + (1 - _WEIGHT) * b)
        for a, b in zip(bar.getRgb()[:3], ground.getRgb()[:3], strict=True)
    ]
    label.setStyleSheet(
        f"QLabel {{ background-color: {QColor(*mixed).name()}; color: {colours.text.as_hex()};"
        f" border: 0px; border-left: 4px solid {bar.name()}; padding: 5px 6px; }}"
    )


class Banners(QWidget):
    """A column of messages, each under a key, that stay until they are taken away.

    Parameters
    ----------
    theme : str
        Name of napari's present theme.
    """

    def __init__(self, theme: str) -> None:
        super().__init__()
        self._theme = theme
        self._labels: dict[str, QLabel] = {}
        self._levels: dict[str, Level] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.hide()

    def put(self, key: str, level: Level, text: str) -> None:
        """Show a message, in place of the one that stood under the same key."""
        label = self._labels.get(key)
        if label is None:
            label = self._labels[key] = paragraph()
            self._column.addWidget(label)
        self._levels[key] = level
        label.setText(text)
        label.setAccessibleName(f"{level}: {text}")
        tint(label, level, self._theme)
        self.show()

    def take(self, key: str) -> None:
        """Take a message away; nothing where there is none."""
        label = self._labels.pop(key, None)
        if label is None:
            return
        del self._levels[key]
        self._column.removeWidget(label)
        label.hide()
        label.deleteLater()
        self.setVisible(bool(self._labels))

    def text(self, key: str) -> str:
        """Return the message under a key; empty where there is none."""
        return str(self._labels[key].text()) if key in self._labels else ""

    def clear(self) -> None:
        """Take all messages away."""
        for key in list(self._labels):
            self.take(key)

    def set_theme(self, theme: str) -> None:
        """Follow a change of theme."""
        self._theme = theme
        for key, label in self._labels.items():
            tint(label, self._levels[key], theme)
