"""A table of figures that fills as methods are run: a row a figure, a column a run."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

ROWS: Mapping[str, tuple[str, str]] = {
    "knn": ("k-NN", "Held-out points whose component 5 neighbours in the embedding tell, 0 to 1"),
    "knn_rounded": (
        "k-NN at 1 %",
        "The same when the embedding is known to 1 % of its unit: a collapse shows here",
    ),
    "effective_rank": ("rank", "Effective rank: dimensions that the embedding uses, 1 to D"),
    "spread": ("spread", "Root mean square of the embedding about its mean; 0 is collapse"),
    "rank_correlation": (
        "energy ~ -log p",
        "Spearman's rank correlation of energy and -log p on held-out points",
    ),
    "score_error": ("score error", "Relative error of -dE/dx, times the best constant; 1 is as bad as 0"),
    "energy_distance": (
        "sample distance",
        "Energy distance of Langevin samples to fresh data, in data units",
    ),
    "on_data": ("samples on data", "Share of the samples where the data have density"),
    "modes_found": ("modes found", "Components that got a quarter of their weight in samples, or more"),
    "weight_error": ("weight error", "Greatest error of a component's share of the samples"),
}
"""What is shown, by the figure's name: heading and tooltip."""


class FiguresTable(QTableWidget):
    """Newest run first; a run that is repeated takes the place of the one before."""

    def __init__(self) -> None:
        super().__init__(len(ROWS), 0)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        for row, (heading, tip) in enumerate(ROWS.values()):
            item = QTableWidgetItem(heading)
            item.setToolTip(tip)
            self.setVerticalHeaderItem(row, item)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.setToolTip("Figures of the runs of this session; hover over a name for its meaning")
        self.runs: list[str] = []
        self._fit()

    def add(self, run: str, figures: Mapping[str, float]) -> None:
        """Show a run's figures in the first column."""
        if run in self.runs:
            self.removeColumn(self.runs.index(run))
            self.runs.remove(run)
        self.insertColumn(0)
        self.runs.insert(0, run)
        self.setHorizontalHeaderItem(0, QTableWidgetItem(run))
        for row, name in enumerate(ROWS):
            item = QTableWidgetItem(text_of(name, figures[name]))
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(f"{run.replace(chr(10), ' on ')}: {figures[name]:.6g}")
            self.setItem(row, 0, item)
        self._fit()

    def value(self, run: int, name: str) -> str:
        """Return what is shown of a run (0 is the newest)."""
        return str(self.item(list(ROWS).index(name), run).text())

    def _fit(self) -> None:
        """Be as high as the rows: the dock scrolls, not the table."""
        rows = sum(self.rowHeight(row) for row in range(self.rowCount()))
        header = self.horizontalHeader().sizeHint().height() if self.runs else 0
        bar = self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(rows + header + bar + 4)


def text_of(name: str, value: float) -> str:
    """Return a figure as short as it says something."""
    if name == "modes_found":
        return f"{value:.0f}"
    if name.startswith("knn"):
        return f"{value:.4f}"
    return f"{value:.3f}" if abs(value) >= 5e-4 or value == 0 else f"{value:.0e}"
