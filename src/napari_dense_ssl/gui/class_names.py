"""Where the names of the classes are kept: beside the run and beside its maps, saved as they change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_dense_ssl.core.class_book import MOST_CLASSES, ClassBook
from napari_dense_ssl.core.errors import ClassesError, DenseSSLError, RunError
from napari_dense_ssl.core.events import Event, Finished
from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.job import Job, Outcome
from napari_dense_ssl.gui.messages import report
from napari_dense_ssl.volume.class_file import NAME, SavedClasses, read_classes, write_classes

_SAVE_MS = 400  # after the last change: a slider changes things often

_FILTER = "Names of classes (*.json)"

Pending = tuple[Path, SavedClasses, list[Path]]
"""A run folder, what is to be kept of its classes, and the maps that it is to be put beside."""


class ClassNames(QObject):
    """Keeps one :class:`ClassModel` a run, and sees to it that what is done to it is on disk.

    Parameters
    ----------
    parent : QObject
        Goes with it.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.models: dict[str, ClassModel] = {}
        self._maps: dict[str, list[Path]] = {}
        self._changed: set[str] = set()
        self._damaged: set[str] = set()
        self._saving: Job | None = None
        self._written: list[Pending] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SAVE_MS)
        self._timer.timeout.connect(self.save)

    def model(self, run: str) -> ClassModel:
        """Return the model of a run, with what is on disk of it when it is first asked for."""
        if run not in self.models:
            self.models[run] = self._made(run)
        model = self.models[run]
        if (
            model.book.classes == MOST_CLASSES
            and model.untouched
            and (known := _classes(run)) != MOST_CLASSES
        ):
            model.begin_with(
                SavedClasses(ClassBook(known))
            )  # the run was not there when it was first asked for
        return model

    def _made(self, run: str) -> ClassModel:
        file = Path(run) / NAME
        saved = None
        if run and file.is_file():
            try:
                saved = read_classes(file)
                known = _classes(run)
                if known not in (saved.book.classes, MOST_CLASSES):
                    raise ClassesError(
                        f"{file} has names of {saved.book.classes} classes, but the run has {known}; they "
                        "are left out. Load those of this run, or begin anew."
                    )
            except DenseSSLError as error:
                report(error, "Reading the names of the classes")
                self._damaged.add(run)
                saved = None
        model = ClassModel(saved.book.classes if saved is not None else _classes(run))
        if saved is not None:
            model.begin_with(saved)
        model.edited.connect(self._edited)
        return model

    def _edited(self) -> None:
        model = self.sender()
        self._changed |= {run for run, other in self.models.items() if other is model}
        self._timer.start()

    # -- maps on disk ----------------------------------------------------------------------------------

    def map_opened(self, run: str, out: Path, saved: SavedClasses | None) -> str:
        """Keep the names of a map on disk up to date from now on; take over those that it has.

        Parameters
        ----------
        run : str
        out : Path
            The OME-Zarr.
        saved : SavedClasses or None
            What lies beside its map.

        Returns
        -------
        str
            A sentence for the user where names were taken over from the map, else empty.
        """
        model = self.model(run)
        if saved is not None and saved.book.classes != model.book.classes:
            return (
                f"The names beside the map are of {saved.book.classes} classes, not this run's; left alone."
            )
        kept = self._maps.setdefault(run, [])
        if out not in kept:
            kept.append(out)
        if saved is None or saved.book == model.book:
            if saved is None and not (model.untouched and model.tree is None):
                self._changed.add(run)
                self._timer.start()
            return ""
        fresh = model.untouched
        model.load(saved)
        return (
            ""
            if fresh
            else "The names and groups that were saved with the map are taken over; Undo brings yours back."
        )

    # -- saving ----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write what has changed, in a worker."""
        if self._saving is not None:
            self._timer.start()  # one at a time, so that the last one lasts
            return
        pending = self._pending()
        if not pending:
            return

        def start() -> Iterator[Event]:
            write_pending(pending)
            yield Finished(None)

        self._written = pending
        self._saving = Job("Saving the names of the classes", start)
        self._saving.ended.connect(self._saved)
        self._saving.start()

    def _saved(self, outcome: Outcome) -> None:
        self._saving = None
        if outcome is not Outcome.FINISHED:  # tried again with the next change, or when the dock goes
            self._changed |= {str(run) for run, _, _ in self._written} & self.models.keys()
        self._written = []

    def _pending(self) -> list[Pending]:
        pending: list[Pending] = []
        for run in sorted(self._changed):
            if run in self._damaged:  # what cannot be read now may be mended by hand
                self._damaged.discard(run)
                file = Path(run) / NAME
                with suppress(OSError):
                    file.replace(file.with_name(f"damaged {NAME}"))
            pending.append((Path(run), self.models[run].saved, list(self._maps.get(run, ()))))
        self._changed.clear()
        return pending

    def finish(self) -> None:
        """Write what has changed, now: the dock or the window goes."""
        self._timer.stop()
        unfinished: list[Pending] = []
        if self._saving is not None:
            self._saving.blockSignals(True)
            self._saving.close()
            self._saving, unfinished = None, self._written  # its thread may not have come to it
        try:
            write_pending([*unfinished, *self._pending()])
        except DenseSSLError as error:
            report(error, "Saving the names of the classes")

    # -- files of the user's own -----------------------------------------------------------------------

    def ask_save(self, parent: QWidget, run: str) -> Path | None:
        """Ask for a file and write names and groups into it; None where the user does not say."""
        text, _ = QFileDialog.getSaveFileName(
            parent, "Save names and groups", str(Path(run) / "names.json"), _FILTER
        )
        if not text:
            return None
        path = Path(text if Path(text).suffix else f"{text}.json")
        write_classes(path, self.model(run).saved)
        return path

    def ask_load(self, parent: QWidget, run: str) -> Path | None:
        """Ask for a file and take over its names and groups; None where the user does not say."""
        text, _ = QFileDialog.getOpenFileName(parent, "Load names and groups", run, _FILTER)
        if not text:
            return None
        self.model(run).load(read_classes(text))
        return Path(text)


def write_pending(pending: list[Pending]) -> None:
    """Write the names of runs beside the run folder's records and beside maps; any thread may.

    All are tried before the first error is raised. What is no folder any more is left out.
    """
    failures: list[DenseSSLError] = []
    for run, saved, maps in pending:
        saved = replace(saved, made_with=_fingerprint(run))
        if run.is_dir():
            try:
                write_classes(run / NAME, saved)
            except DenseSSLError as error:
                failures.append(error)
        for out in maps:
            if (out / "labels" / "classes").is_dir():
                from napari_dense_ssl.volume.class_labels import write_map_classes

                try:
                    write_map_classes(out, saved)
                except DenseSSLError as error:
                    failures.append(error)
    if failures:
        raise failures[0]


def _classes(run: str) -> int:
    """Return K of a run, or as many classes as a map can have where no run can be read."""
    from napari_dense_ssl.model.run_folder import RunFolder  # free of torch

    try:
        classes = RunFolder.open(run).classes if run else 0
    except RunError:
        classes = 0
    return classes if 1 <= classes <= MOST_CLASSES else MOST_CLASSES


def _fingerprint(run: Path) -> str:
    from napari_dense_ssl.model.run_folder import RunFolder

    try:
        return RunFolder.open(run).fingerprint()
    except (RunError, OSError):
        return ""
