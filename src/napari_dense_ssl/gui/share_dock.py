"""The Share dock: a run out as a model package, a package or another machine's run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from pydantic import ValidationError
from qtpy.QtWidgets import QFileDialog, QGroupBox, QLineEdit, QPushButton, QVBoxLayout

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.events import Event, Finished, Noted, Step
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import PathField, ProgressRow, form, paragraph, size_text
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.messages import explain
from napari_dense_ssl.gui.remember import add_recent, new_run_folder, recent, remember, remembered
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.share.settings import ExportSettings

if TYPE_CHECKING:
    from napari import Viewer

_LISTS = frozenset({"authors", "tags"})


class ShareDock(Dock):
    """Two groups, a button each; one job at a time, with its progress below."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._add_export()
        self._add_import()
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("Stop; nothing is left behind")
        self.progress = ProgressRow()
        for widget in (self.progress, self.stop_button, self.status):
            self.body.addWidget(widget)
        self.body.addStretch(1)
        self._note = ""
        self.export_button.clicked.connect(self.export_run)
        self.import_button.clicked.connect(self.import_run)
        self.stop_button.clicked.connect(self.stop)
        for field in (self.run_field, self.source):
            field.changed.connect(lambda _: self.update_buttons())
        self.shortcut("Ctrl+Return", self.export_button, "Export the run")
        self.shortcut("Ctrl+.", self.stop_button, "Stop")
        runs_of_session().added.connect(self._run_added)
        self.run_field.set_path(runs_of_session().latest or next(iter(recent("runs")), ""))
        self.update_buttons()

    def _add_export(self) -> None:
        group = QGroupBox("Export a run")
        self.run_field = PathField("runs", "folder", "run folder")
        self.run_field.setToolTip("A folder that training wrote; the latest of this session comes first")
        self.form = SettingsForm(ExportSettings, leave_out=_LISTS)
        self.form.set_values(ExportSettings(license=remembered("share/licence", ExportSettings().license)))
        self.authors = QLineEdit(remembered("share/authors"))
        self.authors.setPlaceholderText("Name (Affiliation); Name …")
        self.authors.setToolTip("Who made the model, with a semicolon between them; none: Anonymous")
        self.tags = QLineEdit()
        self.tags.setPlaceholderText("words to find it by")
        self.tags.setToolTip("Such as the species or the tissue; blanks between them")
        self.export_button = QPushButton("Export model …")
        self.export_button.setToolTip(
            "Write a bioimage.io package (zip): TorchScript for other tools, weights and settings for this"
        )
        self._lay_out(group, [("Run", self.run_field)], [("Authors", self.authors), ("Tags", self.tags)])

    def _add_import(self) -> None:
        group = QGroupBox("Import a model")
        self.source = PathField("packages", "package", "package or run folder")
        self.source.setToolTip("What Export wrote, a run folder from another machine, or a zip file of one")
        self.target = PathField("imported runs", "folder", "a new folder is made")
        self.target.setToolTip("Run folder to make; empty: beside the runs of this program")
        self.import_button = QPushButton("Import model")
        self.import_button.setToolTip("Make a run of it, for the Classes dock; no code in it is run")
        rows = form()
        rows.addRow("From", self.source)
        rows.addRow("To", self.target)
        column = QVBoxLayout(group)
        column.addLayout(rows)
        column.addWidget(
            paragraph("Weights are read as numbers; what holds code or leads out of its folder is refused.")
        )
        column.addWidget(self.import_button)
        self.body.addWidget(group)

    def _lay_out(self, group: QGroupBox, before: list[tuple[str, Any]], after: list[tuple[str, Any]]) -> None:
        column = QVBoxLayout(group)
        for part in (before, after):
            rows = form()
            for title, field in part:
                rows.addRow(title, field)
            column.addLayout(rows)
            if part is before:
                column.addWidget(self.form)
        column.addWidget(self.export_button)
        self.body.addWidget(group)

    # -- what is done ----------------------------------------------------------------------------------

    def settings(self) -> ExportSettings:
        """Return what the fields say.

        Raises
        ------
        SettingsError
            If one is out of its limits.
        """
        names = [name.strip() for name in self.authors.text().split(";")]
        said = {
            "authors": tuple(name for name in names if name),
            "tags": tuple(self.tags.text().replace(",", " ").split()),
        }
        try:
            return ExportSettings.model_validate(self.form.values() | said)
        except ValidationError as error:
            raise SettingsError(explain(error)) from error

    def export_run(self) -> None:
        """Ask for the package to write, and write it."""
        settings = self.attempt("Exporting", self.settings)
        if settings is None or self.busy:
            return
        run = Path(self.run_field.path()).expanduser()
        text, _ = QFileDialog.getSaveFileName(
            self, "Package to write", str(run.parent / f"{run.name}.zip"), "bioimage.io package (*.zip)"
        )
        if not text:
            return
        out = Path(text if text.lower().endswith(".zip") else f"{text}.zip")
        remember("share/licence", settings.license)
        remember("share/authors", self.authors.text())

        def start() -> Iterator[Event]:
            from napari_dense_ssl.share import export_model

            # The dialog has asked whether a file that exists may be replaced.
            return export_model(run, out, settings, overwrite=True)

        self._begin("Exporting", "reading the run …", start)

    def import_run(self) -> None:
        """Make a run folder of what the field names."""
        if self.busy:
            return
        source = Path(self.source.path()).expanduser()
        chosen = self.target.path()
        out = Path(chosen).expanduser() if chosen else new_run_folder(source.stem)

        def start() -> Iterator[Event]:
            from napari_dense_ssl.share import import_model

            return import_model(source, out)

        self._begin("Importing", "looking at it …", start)

    def stop(self) -> None:
        """End at the next event."""
        self.stop_job()

    def _begin(self, title: str, text: str, start: Callable[[], Iterator[Event]]) -> None:
        self._note = ""
        self.progress.begin(text)
        self.status.setText("")
        self.run(title, start, happened=self._happened, ended=self._ended)

    def _happened(self, event: Event) -> None:
        match event:
            case Step():
                self.progress.advance(event)
            case Noted(message=message):
                self._note = f" {message}"
                self.status.setText(message)
            case Finished(path=Path() as path, summary=summary):
                self._done(path, dict(summary))
            case _:
                pass

    def _done(self, path: Path, summary: dict[str, Any]) -> None:
        if "bytes" in summary:
            text = f"Exported to {path} ({size_text(summary['bytes'])}, licence {summary['licence']})."
            brief = f"Exported to {path.name}, licence {summary['licence']}."
        else:
            licence = f", licence {summary['licence']}" if summary.get("licence") else ""
            text = f"Imported as the run {path} ({summary['classes']} classes{licence})."
            brief = f"Imported; the Classes dock has the run {path.name}."
            add_recent("packages", self.source.path())
            add_recent("runs", str(path))
            runs_of_session().add(str(path))
            self.source.refresh()
        self.run_field.refresh()
        self.status.setText(text + self._note)
        show_info(brief)

    def _ended(self, outcome: Outcome) -> None:
        words = {Outcome.FINISHED: "done", Outcome.STOPPED: "stopped", Outcome.FAILED: "failed"}
        self.progress.finish(words[outcome])
        if outcome is Outcome.FAILED and self.job is not None:
            self.status.setText(self.job.message)
        elif outcome is Outcome.STOPPED:
            self.status.setText("Stopped; nothing was left behind.")
        self.update_buttons()

    # -- the dock --------------------------------------------------------------------------------------

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        busy = self.busy
        self.export_button.setEnabled(not busy and bool(self.run_field.path()))
        self.import_button.setEnabled(not busy and bool(self.source.path()))
        self.stop_button.setEnabled(busy and self.job is not None and not self.job.stopping)

    def _run_added(self, path: str) -> None:
        self.run_field.refresh()
        self.run_field.set_path(path)
        self.update_buttons()

    def shut(self) -> None:
        """Let go of the viewer and stop the job."""
        runs_of_session().added.disconnect(self._run_added)
        super().shut()
