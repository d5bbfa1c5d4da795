"""What the Classes dock does with groups and names: finds the tree, saves, loads, writes tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.events import Event, Noted, Pictured, Started, Step
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import LayerSource
from napari_dense_ssl.gui.prediction import PredictorKeeper
from napari_dense_ssl.predict.class_csv import write_class_csv

if TYPE_CHECKING:
    from napari_dense_ssl.gui.class_model import ClassModel
    from napari_dense_ssl.gui.classes_dock import ClassesDock


class ClassNaming(QObject):
    """The buttons and menu of groups and names.

    Parameters
    ----------
    dock : ClassesDock
    keeper : PredictorKeeper
        Keeps the network.
    """

    def __init__(self, dock: ClassesDock, keeper: PredictorKeeper) -> None:
        super().__init__(dock)
        self.dock, self._keeper = dock, keeper
        dock.groups.wanted.connect(self.find)
        add = dock.groups.add_action
        self.singly_action = add("Split into single classes", lambda: dock.groups.split(singly=True))
        self.colour_action = add("Colour of the chosen …", self.colour)
        dock.groups.menu.addSeparator()
        self.save_action = add("Save names …", self.save)
        self.load_action = add("Load names …", self.load)
        self.table_action = add("Table as CSV …", self.table)
        dock.groups.menu.addSeparator()
        self.anew_action = add("Find groups anew", self.find)
        self.reset_action = add("Forget names and groups", self.reset)
        dock.groups.menu.aboutToShow.connect(self._offer)

    @property
    def model(self) -> ClassModel:
        """Of the chosen run."""
        return self.dock.look.model

    def _offer(self) -> None:
        self.singly_action.setEnabled(self.dock.groups.split_button.isEnabled())
        self.colour_action.setEnabled(bool(self.dock.table.selection()))
        self.table_action.setEnabled(bool(self.dock.table.rows.labels))
        self.anew_action.setEnabled(self.dock.groups.can_find)
        self.reset_action.setEnabled(not self.model.untouched)

    # -- the tree --------------------------------------------------------------------------------------

    def find(self) -> None:
        """Order the classes of the chosen run, in a job; the slider is there at its end."""
        dock = self.dock
        begun = dock.attempt("Finding groups", dock.chosen)
        if begun is None:
            return
        source, run, model = begun.source, begun.run, self.model
        found: list[ClassTree] = []
        keeper, device = self._keeper, dock.device.kind()

        def happened(event: Event) -> None:
            match event:
                case Started():
                    dock.status.setText("Looking which classes are alike.")
                case Step():
                    dock.progress.advance(event)
                case Noted(message=message):
                    dock.status.setText(message)

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                model.set_tree(found[0])
                dock.done("The classes are in order: move the slider to group them.")
            else:
                dock.over(outcome, "Stopped; the classes are not in order yet.")

        dock.progress.begin("starting …")
        dock.run(
            "Finding groups",
            lambda: grown(keeper, source, run, device, found),
            happened=happened,
            ended=ended,
            source=source.identity,
        )

    # -- files -----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Save names and groups to a file of the user's choice."""
        self._told(
            "Saving the names",
            lambda: self.dock.look.names.ask_save(self.dock, self.dock.look.run),
            "saved as",
        )

    def load(self) -> None:
        """Load names and groups from a file; can be undone."""
        self._told(
            "Loading the names",
            lambda: self.dock.look.names.ask_load(self.dock, self.dock.look.run),
            "loaded from",
        )

    def table(self) -> None:
        """Write the table of classes, with their groups and figures, as CSV."""

        def write() -> Path | None:
            start = str(Path(self.dock.look.run) / "classes.csv")
            text, _ = QFileDialog.getSaveFileName(self.dock, "Table of classes", start, "Table (*.csv)")
            if not text:
                return None
            path = Path(text if Path(text).suffix else f"{text}.csv")
            try:
                write_class_csv(path, self.model.book, self.dock.table.rows.figures)
            except OSError as error:
                raise OutputError(
                    f"{path} cannot be written ({error.strerror}); choose another place."
                ) from error
            return path

        self._told("Saving the table", write, "saved as")

    def _told(self, doing: str, act: Callable[[], Path | None], verb: str) -> None:
        path: Any = self.dock.attempt(doing, act)
        if path is not None:
            self.dock.status.setText(f"{doing.split()[-1].capitalize()} {verb} {path}.")

    # -- by hand ---------------------------------------------------------------------------------------

    def colour(self) -> None:
        """Ask for the colour of the first chosen group."""
        labels = self.dock.table.selection()
        if labels:
            self.dock.table.ask_colour(labels[0])

    def reset(self) -> None:
        """Forget all names, colours and groups; can be undone."""
        self.model.do(ClassBook(self.model.book.classes))


def grown(
    keeper: PredictorKeeper, source: LayerSource, run: str, device: str, found: list[ClassTree]
) -> Iterator[Event]:
    """Grow the tree of a run's classes (in a worker) and put it into a list."""
    from napari_dense_ssl.predict import grow_tree

    for event in grow_tree(keeper.volume(source), keeper.open(run, device)):
        if isinstance(event, Pictured):
            found.append(event.picture)
        yield event
