"""Against truth: choose a prediction and a truth, compare them, see and keep the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_dense_ssl.core.events import Event, Noted, Pictured
from napari_dense_ssl.gui.columns_table import Column, ColumnsTable
from napari_dense_ssl.gui.fields import NumberBox, paragraph
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.job_tab import JobTab
from napari_dense_ssl.gui.labels_field import LabelsField
from napari_dense_ssl.gui.picture import Picture
from napari_dense_ssl.gui.remember import add_recent, remember, remembered
from napari_dense_ssl.gui.slice_range import SliceRange

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.evaluate import Comparison
    from napari_dense_ssl.gui.dock import Dock

MOST_CLASSES = 256


class TruthTab(JobTab):
    """Prediction, truth, which slices; figures, classes, confusion and curves of the last comparison."""

    def __init__(self, viewer: Viewer, dock: Dock) -> None:
        super().__init__(
            viewer, dock, "Compare", "Compare the prediction with the truth; the window stays free"
        )
        self.found: Comparison | None = None
        self._names: dict[int, str] = {}
        self.prediction = LabelsField(viewer, "prediction")
        self.truth = LabelsField(viewer, "truth")
        self.score = SliceRange("all slices", "Slices that are scored")
        self.fit = SliceRange("on those scored", "Slices that the predicted classes are named on")
        self.named = QCheckBox("same labels as the truth")
        self.named.setToolTip(
            "Tick it for a segmentation that holds the truth's own labels; else each predicted class is "
            "named by the true one that it meets most"
        )
        self.by_names = QCheckBox("names of groups")
        self.by_names.setToolTip(
            "Score the groups of classes that were named (Classes dock), each by the true class of the same "
            "name; groups without such a name by the true class that they meet most"
        )
        self.truth_names = QLineEdit()
        self.truth_names.setPlaceholderText("1=membrane, 2=glia")
        self.truth_names.setAccessibleName("Names of the truth")
        self.truth_names.setToolTip("Names of the truth's labels, where its layer or file does not give them")
        self.truth_names.hide()
        self.by_names.toggled.connect(self._by_names_toggled)
        self.named.toggled.connect(lambda on: self.by_names.setChecked(self.by_names.isChecked() and not on))
        self.tolerance = NumberBox()
        self.tolerance.setRange(0, 1e6)
        self.tolerance.setValue(2)
        self.tolerance.setAccessibleName("Tolerance")
        self.unit = QComboBox()
        self.unit.addItems(["px", "nm"])
        tip = "How far a boundary may be off and still count as met, within the slice"
        within = QWidget()
        row = QHBoxLayout(within)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for widget, stretch in ((self.tolerance, 1), (self.unit, 0)):
            widget.setToolTip(tip)
            row.addWidget(widget, stretch)
        self.by_voxel = QCheckBox("voxel by voxel")
        self.by_voxel.setToolTip(
            "Compare voxel by voxel whatever the voxel sizes and offsets say; else a truth on another grid "
            "is taken at the nearest voxel of the world"
        )
        for name, field in (
            ("Prediction", self.prediction),
            ("Truth", self.truth),
            ("Score", self.score),
            ("Name", self.fit),
            ("Tolerance", within),
            ("With", self.named),
            ("", self.by_names),
            ("", self.truth_names),
            ("", self.by_voxel),
        ):
            self.rows.addRow(name, field)
        self.note = paragraph()
        self.figures = ColumnsTable("Figures", 20)
        self.classes = ColumnsTable("True classes", 12)
        self.confusion = Picture("Confusion matrix", viewer.theme)
        self.curves = Picture("Slice by slice", viewer.theme)
        self.save_button = QPushButton("Save figures, tables and pictures …")
        self.save_button.setToolTip("Into a folder: evaluation.json, CSV tables, PNG pictures, a page")
        self.save_button.clicked.connect(self.save)
        for widget in (
            self.note,
            self.save_button,
            self.figures,
            self.classes,
            self.confusion,
            self.curves,
        ):
            self.body.addWidget(widget)
        self.body.addStretch(1)
        self.prediction.changed.connect(self._chosen_changed)
        self.truth.changed.connect(self._chosen_changed)
        self._choose_well()
        viewer.layers.events.inserted.connect(self._choose_well)
        self._show_nothing()

    def shut(self) -> None:
        """Let go of the viewer."""
        self.viewer.layers.events.inserted.disconnect(self._choose_well)

    def _choose_well(self, event: Any = None) -> None:
        """Take two different layers where nobody has chosen: the topmost, and the one named like a truth."""
        layers = self.truth.layer.layers()
        if self.prediction.layer.currentData() != self.truth.layer.currentData() or len(layers) < 2:
            return
        words = ("truth", "label", "gt", "ground")
        likely = [layer for layer in layers if any(word in layer.name.lower() for word in words)]
        truth = next((layer for layer in likely if "classes" not in layer.name.lower()), layers[-1])
        self.truth.layer.choose(truth)
        if self.prediction.layer.currentData() == self.truth.layer.currentData():
            self.prediction.layer.choose(next(layer for layer in layers if layer is not truth))

    def _chosen_changed(self) -> None:
        for field in (self.score, self.fit):
            field.set_depth(self.prediction.depth())
        self.dock.update_buttons()

    def _by_names_toggled(self, on: bool) -> None:
        self.truth_names.setVisible(on)
        if on:
            self.named.setChecked(False)

    def _truth_names(self) -> dict[int, str] | None:
        """Return the names that were typed, else those of the layer; None where neither is there.

        Raises
        ------
        ScoreError
            If what was typed is no list of names.
        """
        typed = self.truth_names.text().strip()
        if self.by_names.isChecked() and typed:
            from napari_dense_ssl.evaluate.by_names import parse_names

            return parse_names(typed)
        return dict(self.truth.names()) or None

    def ready(self) -> bool:
        """Whether there are a prediction and a truth."""
        return self.prediction.chosen and self.truth.chosen

    # -- comparing -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Compare what is chosen."""

        def prepare() -> Callable[[], Iterator[Event]]:
            prediction, truth = self.prediction.source(), self.truth.source()
            keywords: dict[str, Any] = {
                "fit": self.fit.chosen(),
                "score": self.score.chosen(),
                "named": self.named.isChecked(),
                "by_names": self.by_names.isChecked(),
                "truth_names": self._truth_names(),
                "match": "voxels" if self.by_voxel.isChecked() else "auto",
            }
            tolerance, unit = self.tolerance.value(), self.unit.currentText()

            def begin() -> Iterator[Event]:
                # What draws the pictures is imported here too: the window does not wait for it.
                from napari_dense_ssl.evaluate import Tolerance, comparing, comparison_pictures  # noqa: F401

                return comparing(prediction, truth, tolerance=Tolerance(tolerance, unit), **keywords)

            return begin

        begin: Any = self.attempt("Comparing", prepare)
        if begin is None:
            return
        self._show_nothing()
        self._names = self._truth_names() or {}
        for field in (self.prediction, self.truth):
            if field.use_file.isChecked():
                add_recent("labels", field.path.path())
                field.path.refresh()
        self.launch("Comparing", begin, self.prediction.identity())

    def happened(self, event: Event) -> None:
        """Show what was found."""
        match event:
            case Noted(message=message):
                self.note.setText(f"{self.note.text()} {message}".strip())
                self.note.show()
            case Pictured(picture=picture):
                self.show_found(picture)
            case _:
                pass

    def ended(self, outcome: Outcome) -> None:
        """Say what was compared."""
        found = self.found
        if outcome is Outcome.FINISHED and found is not None:
            text = f"{found.prediction} against {found.truth}: {found.scores.pixels:,} pixels."
            self.status.setText(text[:1].upper() + text[1:])

    def _show_nothing(self) -> None:
        self.found = None
        self.note.setText("")
        for widget in (self.note, self.save_button, self.figures, self.classes):
            widget.hide()
        for picture in (self.confusion, self.curves):
            picture.show_drawn(None)

    def show_found(self, found: Comparison) -> None:
        """Show a comparison."""
        from napari_dense_ssl.evaluate.comparison_pictures import confusion_figure, pixels_of, slices_figure
        from napari_dense_ssl.evaluate.comparison_report import figure_rows

        self.found = found
        names = self._names
        rows = figure_rows(found)
        headings = np.array([heading for _, heading, _, _ in rows], object)
        values = np.array([value for _, _, value, _ in rows], object)
        self.figures.show_columns(
            [
                Column("Figure", "Hover over a line for its meaning", headings, str, left=True),
                Column("Value", "On the slices that are scored", values, str),
            ],
            tip=lambda row: rows[row][3],
        )
        self.classes.show_columns(self._class_columns(found), lambda row: self._colour(found, row))
        for widget in (self.save_button, self.figures, self.classes):
            widget.show()
        if not found.instances:
            self.confusion.show_drawn(
                lambda look, dpi: pixels_of(
                    confusion_figure(found, names=names, look=look, size=(3.3, 3.2)), dpi
                ),
                lambda look, dpi: pixels_of(confusion_figure(found, names=names, look=look), dpi),
            )
        if found.slices:
            self.curves.show_drawn(
                lambda look, dpi: pixels_of(slices_figure(found, look=look, size=(3.3, 2.3)), dpi),
                lambda look, dpi: pixels_of(slices_figure(found, look=look, size=(8, 4)), dpi),
            )

    def _class_columns(self, found: Comparison) -> list[Column]:
        rows = sorted(found.class_rows(), key=lambda row: -row["pixels"])[:MOST_CLASSES]
        self._labels = [int(row["label"]) for row in rows]
        total = sum(row["pixels"] for row in found.class_rows())
        columns = [
            Column(
                "Class",
                "True class",
                np.array(self._labels),
                lambda label: self._names.get(int(label), str(label)),
                left=True,
            ),
            Column(
                "Share",
                "Of the pixels scored",
                np.array([row["pixels"] / total for row in rows]),
                lambda share: f"{100 * share:.1f} %" if share >= 0.0005 else "< 0.1 %",
            ),
        ]
        for heading, key, tip in (
            ("IoU", "iou", "Intersection / union, classes named by majority, 0 to 1"),
            ("Dice", "dice", "2 intersection / (area + area), named by majority, 0 to 1"),
            ("1:1", "iou_hungarian", "IoU with the one predicted class that is matched to it, 0 to 1"),
            ("Edge", "boundary_f", "Its boundary, met within the tolerance: F-score, 0 to 1"),
        ):
            if rows and key in rows[0]:
                columns.append(Column(heading, tip, np.array([row[key] for row in rows]), _three))
        return columns

    def _colour(self, found: Comparison, row: int) -> tuple[float, float, float]:
        return self.truth.colour(self._labels[row])

    # -- keeping ---------------------------------------------------------------------------------------

    def save(self) -> None:
        """Ask for a folder, and write everything there."""
        if self.found is None:
            return
        folder = QFileDialog.getExistingDirectory(
            self, "Folder for figures, tables and pictures", remembered("evaluate/folder", str(Path.home()))
        )
        if folder:
            self.save_to(Path(folder))

    def save_to(self, folder: Path) -> None:
        """Write everything of the last comparison into a folder."""
        from napari_dense_ssl.evaluate import write_comparison

        found = self.found
        if found is None:
            return
        written: Any = self.attempt("Saving", lambda: write_comparison(found, folder, names=self._names))
        if written:
            remember("evaluate/folder", str(folder))
            self.status.setText(f"{len(written)} files are in {folder}.")

    def theme_changed(self) -> None:
        """Draw the pictures in the theme's colours."""
        for picture in (self.confusion, self.curves):
            picture.set_theme(self.viewer.theme)


def _three(value: float) -> str:
    return f"{value:.3f}"
