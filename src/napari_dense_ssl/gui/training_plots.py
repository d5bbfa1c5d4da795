"""The curves of a training: its losses, and what the audit sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMenu, QTabWidget, QToolButton

from napari_dense_ssl.core.events import Audited, Step
from napari_dense_ssl.gui.plot import CurvePlot, Quantity

NATS = Quantity("loss (nats)", "nats")
SHARE = Quantity("share (0 to 1)", "", (0.0, 1.0), ".2f")
CLASSES = Quantity("effective classes", "", None, ".1f")

AUDITED = {
    "leak": "leak",
    "content": "content",
    "place": "place",
    "effective_classes": "effective classes",
}
"""Figures of the audit that are drawn, and what they are called."""


def is_share(name: str) -> bool:
    """Whether a quantity of a step is a share in [0, 1]; all others are in nats."""
    return any(word in name for word in ("agreement", "share", "accuracy", "fraction"))


class TrainingPlots(QTabWidget):
    """Losses and audit, each in its tab; both can be zoomed, and saved as a picture or a table.

    Parameters
    ----------
    theme : str
        Name of napari's present theme.
    attempt : callable
        Called with what is being done and a function; tells the user where that fails.
    """

    def __init__(self, theme: str, attempt: Callable[[str, Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._attempt, self._theme = attempt, theme
        self.losses = CurvePlot(NATS, SHARE, is_share)
        self.audit = CurvePlot(SHARE, CLASSES, lambda name: name == AUDITED["effective_classes"], points=True)
        self.addTab(self.losses, "Losses")
        self.addTab(self.audit, "Audit")
        self.setTabToolTip(0, "Loss terms by name, in nats; agreement and other shares on the right axis")
        self.setTabToolTip(
            1,
            "Do the classes follow the image? leak and place: good is 0; content: good is 1; effective "
            "classes: 1 (collapsed) to K, on the right axis",
        )
        self.tabBar().setDrawBase(False)
        self.menu = QMenu(self)
        self.picture_action = self.menu.addAction("Save as a picture (PNG) …", self.save_picture)
        self.table_action = self.menu.addAction("Save as a table (CSV) …", self.save_table)
        self.menu.addSeparator()
        self.log_action = self.menu.addAction("Logarithmic loss axis")
        self.log_action.setCheckable(True)
        self.log_action.toggled.connect(self.losses.set_log)
        self.range_action = self.menu.addAction("Whole range", self._whole_range)
        self.losses.menu = self.audit.menu = self.menu
        self.button = QToolButton()
        self.button.setText("Curves")
        self.button.setToolTip("Save the curves, a logarithmic axis, back to the whole range")
        self.button.setMenu(self.menu)
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.setCornerWidget(self.button, Qt.Corner.TopRightCorner)
        self.set_theme(theme)

    @property
    def shown(self) -> CurvePlot:
        """The plot whose tab is in front."""
        return self.losses if self.currentIndex() == 0 else self.audit

    def clear_curves(self) -> None:
        """Forget all curves."""
        self.losses.clear()
        self.audit.clear()

    def add(self, event: Step | Audited) -> None:
        """Add a step's losses, or an audit's figures."""
        match event:
            case Step(index=index, losses=losses) if losses:
                self.losses.add(index, losses)
            case Audited(step=int(step), figures=figures):
                self.audit.add(step, {AUDITED[k]: v for k, v in figures.items() if k in AUDITED})
            case _:
                pass

    def set_theme(self, theme: str) -> None:
        """Follow a change of theme."""
        self._theme = theme
        for plot in (self.losses, self.audit):
            plot.set_colour(get_theme(theme).text.as_hex())

    def _whole_range(self) -> None:
        self.shown.show_all()

    def save_picture(self) -> None:
        """Ask for a file and save the curves in front as a picture."""
        path = self._ask("PNG (*.png)", ".png")
        if path is not None:
            ground = get_theme(self._theme).background.as_hex()
            self._attempt("Saving the curves", lambda: self.shown.save_picture(path, ground))

    def save_table(self) -> None:
        """Ask for a file and save the curves in front as a table."""
        path = self._ask("CSV (*.csv)", ".csv")
        if path is not None:
            self._attempt("Saving the curves", lambda: self.shown.save_table(path))

    def _ask(self, kind: str, ending: str) -> Path | None:
        name = self.tabText(self.currentIndex()).lower() + ending
        text, _ = QFileDialog.getSaveFileName(self, "Save the curves", str(Path.home() / name), kind)
        return Path(text).with_suffix(ending) if text else None
