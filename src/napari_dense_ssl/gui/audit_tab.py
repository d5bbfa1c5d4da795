"""The audit of a run: whether its classes are about the image, or about the place in the crop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QFileDialog, QPushButton, QSpinBox

from napari_dense_ssl.core.errors import RunError, SettingsError
from napari_dense_ssl.core.events import Audited, Event, Started
from napari_dense_ssl.gui.banner import tint
from napari_dense_ssl.gui.columns_table import Column, ColumnsTable
from napari_dense_ssl.gui.devices import DeviceField
from napari_dense_ssl.gui.fields import LayerField, PathField, paragraph
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.job_tab import JobTab
from napari_dense_ssl.gui.labels_field import LabelsField
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.picture import Picture
from napari_dense_ssl.gui.remember import add_recent
from napari_dense_ssl.gui.session import runs_of_session

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.evaluate import Audit
    from napari_dense_ssl.gui.dock import Dock


class AuditTab(JobTab):
    """Run, layer, number of crops, truth; verdict and advice, figures beside their nulls, the report."""

    def __init__(self, viewer: Viewer, dock: Dock) -> None:
        super().__init__(viewer, dock, "Audit", "Measure what the run's classes are about")
        self.found: Audit | None = None
        self._pixel_size: tuple[float, float] | None = None
        self.run_field = PathField("runs", "folder", "run folder")
        self.run_field.setToolTip("A folder that training wrote; the latest of this session comes first")
        self.layer = LayerField(viewer)
        self.layer.setToolTip("Image layer that crops are taken from: a stack of grey-value slices (Z, Y, X)")
        self.crops = QSpinBox()
        self.crops.setRange(8, 10_000)
        self.crops.setValue(200)
        self.crops.setSuffix(" pairs of crops")
        self.crops.setToolTip("More are slower and surer; 200 for figures to be quoted")
        self.device = DeviceField()
        self.with_truth = QCheckBox("with truth")
        self.with_truth.setToolTip("Also compare the classes with labels, and with as many grey levels")
        self.truth = LabelsField(viewer, "truth")
        self.rows.addRow("Run", self.run_field)
        self.rows.addRow("Layer", self.layer)
        self.rows.addRow("Crops", self.crops)
        self.rows.addRow("Device", self.device)
        self.rows.addRow("", self.with_truth)
        self.rows.addRow("Truth", self.truth)
        self.verdict = paragraph()
        self.figures = ColumnsTable("Figures of the audit", 16)
        self.page = Picture("Report of the audit", viewer.theme)
        self.save_button = QPushButton("Save report …")
        self.save_button.setToolTip("As a picture (.png), or with all figures in one file (.html)")
        self.save_button.clicked.connect(self.save)
        for widget in (self.verdict, self.save_button, self.figures, self.page):
            self.body.addWidget(widget)
        self.body.addStretch(1)
        self.with_truth.toggled.connect(self._show_truth)
        self.run_field.changed.connect(lambda _: self.dock.update_buttons())
        self.layer.layer_changed.connect(lambda: self.dock.update_buttons())
        runs_of_session().added.connect(self._run_added)
        self.run_field.set_path(runs_of_session().latest)
        self._show_truth(False)
        self._show_nothing()

    def shut(self) -> None:
        """Listen to new runs no more."""
        runs_of_session().added.disconnect(self._run_added)

    def _run_added(self, path: str) -> None:
        self.run_field.refresh()
        self.run_field.set_path(path)

    def _show_truth(self, on: bool) -> None:
        self.truth.setVisible(on)
        self.rows.labelForField(self.truth).setVisible(on)

    def ready(self) -> bool:
        """Whether there are a run and an image."""
        return bool(self.run_field.path()) and self.layer.currentData() is not None

    def start(self) -> None:
        """Audit the run on the layer."""

        def prepare() -> tuple[Callable[[], Iterator[Event]], str]:
            layer = self.layer.layer()
            if layer is None:
                raise SettingsError("There is no image layer to take crops from; open a volume first.")
            if not self.run_field.path():
                raise RunError("No run is chosen; train one (Train dock), or browse for its folder.")
            source = layer_source(layer)
            source.check()
            run, crops, device = (
                Path(self.run_field.path()).expanduser(),
                self.crops.value(),
                self.device.kind(),
            )
            truth = self.truth.source() if self.with_truth.isChecked() else None
            size = source.voxel_size
            self._pixel_size = None if size is None else (size.y, size.x)

            def begin() -> Iterator[Event]:
                from napari_dense_ssl.evaluate import audit, audit_report  # noqa: F401 - drawn with later

                return audit(source.open(), run, truth=truth, crops=crops, device=device)

            return begin, source.identity

        prepared: Any = self.attempt("Auditing", prepare)
        if prepared is None:
            return
        self._show_nothing()
        self.launch("Auditing", *prepared)
        self.status.setText("Reading crops …")

    def happened(self, event: Event) -> None:
        """Show what was found."""
        match event:
            case Started(details=details):
                self.status.setText(f"On {details.get('device', 'this machine')}.")
                add_recent("runs", self.run_field.path())
            case Audited(result=result):
                self.show_found(result)
            case _:
                pass

    def ended(self, outcome: Outcome) -> None:
        """Say what was looked at."""
        if outcome is Outcome.FINISHED and self.found is not None:
            self.status.setText(f"{self.found.where}.")

    def _show_nothing(self) -> None:
        self.found = None
        for widget in (self.verdict, self.save_button, self.figures):
            widget.hide()
        self.page.show_drawn(None)

    def show_found(self, found: Audit) -> None:
        """Show an audit."""
        from napari_dense_ssl.evaluate.audit_report import audit_figure, rows_of
        from napari_dense_ssl.evaluate.comparison_pictures import pixels_of

        self.found = found
        verdict = found.verdict
        reason = f"{verdict.reason[:1].upper()}{verdict.reason[1:]}"
        self.verdict.setText(f"<b>Verdict: {verdict.word}.</b> {reason}. {verdict.advice}")
        rows = rows_of(found)
        parts = [np.array(column, object) for column in zip(*rows, strict=True)]
        heads = (
            ("Figure", "Hover over a line for its meaning"),
            ("Value", "What was measured"),
            ("Null", "The same where there is nothing to find"),
            ("n", "Crops, pairs or slices that it rests on"),
        )
        self.figures.show_columns(
            [
                Column(head, tip, part, str, left=head == "Figure")
                for (head, tip), part in zip(heads, parts[:4], strict=True)
            ],
            tip=lambda row: f"{rows[row][0]}: {rows[row][4]}",
        )
        for widget in (self.verdict, self.save_button, self.figures):
            widget.show()
        title, size = Path(self.run_field.path()).name, self._pixel_size
        self.page.show_drawn(
            lambda look, dpi: pixels_of(audit_figure(found, title=title, pixel_size=size), dpi / 4),
            lambda look, dpi: pixels_of(audit_figure(found, title=title, pixel_size=size), 90),
        )
        self.theme_changed()

    def theme_changed(self) -> None:
        """Colour the verdict."""
        if self.found is not None:
            good = self.found.verdict.word == "content"
            tint(self.verdict, "info" if good else "warning", self.viewer.theme)

    def save(self) -> None:
        """Ask for a file, and write the report."""
        if self.found is None:
            return
        run = Path(self.run_field.path()).expanduser()
        text, _ = QFileDialog.getSaveFileName(
            self, "Report of the audit", str(run / "audit.png"), "Picture (*.png);;Page (*.html)"
        )
        if text:
            self.save_to(Path(text))

    def save_to(self, path: Path) -> None:
        """Write the report."""
        from napari_dense_ssl.evaluate import write_audit_report

        found, size, title = self.found, self._pixel_size, Path(self.run_field.path()).name
        if found is None:
            return
        path = path if path.suffix else path.with_suffix(".png")
        written = self.attempt(
            "Saving", lambda: write_audit_report(found, path, title=title, pixel_size=size)
        )
        if written:
            self.status.setText(f"The report is in {path}.")
