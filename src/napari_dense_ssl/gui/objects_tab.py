"""Objects of a class, or cells between membranes: found in a worker, shown as Labels, listed by size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from pydantic import ValidationError
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QSpinBox, QWidget
from superqt import QCollapsible

from napari_dense_ssl.core.errors import ScoreError, SettingsError
from napari_dense_ssl.core.events import Event, Noted, Pictured
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.objects.settings import ObjectSettings
from napari_dense_ssl.gui.class_rows import swatch
from napari_dense_ssl.gui.columns_table import ColumnsTable
from napari_dense_ssl.gui.fields import LayerField, paragraph, shrinkable
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.job_tab import JobTab
from napari_dense_ssl.gui.labels_field import label_source_of, names_of
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.messages import explain
from napari_dense_ssl.gui.objects_layer import ObjectsLayer, object_columns
from napari_dense_ssl.gui.region import RegionField
from napari_dense_ssl.gui.remember import remember, remembered
from napari_dense_ssl.gui.views import stack_shape
from napari_dense_ssl.gui.whole import ask_where

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.evaluate.objects import Objects
    from napari_dense_ssl.gui.dock import Dock

COMPONENTS, CELLS = "objects of the class", "cells between membranes"

_IN_FRONT = frozenset({"min_voxels"})


class ObjectsTab(JobTab):
    """Map, class, least size; Find into memory or to disk; the table, which leads to each object."""

    def __init__(self, viewer: Viewer, dock: Dock) -> None:
        super().__init__(viewer, dock, "Find", "Find the objects in three dimensions, into memory")
        self.found: Objects | None = None
        self.shown = ObjectsLayer(viewer)
        self.map = LayerField(viewer, self._is_map)
        self.map.setToolTip("Labels layer: a class map or a segmentation")
        self.label = QSpinBox()
        self.label.setRange(1, 2**31 - 1)
        self.label.setAccessibleName("Class")
        self.label.setToolTip("Label of the class in the layer (class + 1 in maps of ours)")
        self.swatch, self.name = QLabel(), QLabel()
        self.pick_button = QPushButton("Selected")
        self.pick_button.setToolTip(
            "Take the label that is selected in the layer, as napari's picker does it"
        )
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.swatch)
        line.addWidget(self.label, 1)
        line.addWidget(self.pick_button)
        self.kind = shrinkable(QComboBox())
        self.kind.addItems([COMPONENTS, CELLS])
        self.kind.setToolTip(
            "Connected components of the class; or, where the class is membranes, the space between them "
            "cut into cells (watershed), as a first look"
        )
        self.least = QSpinBox()
        self.least.setRange(1, 2**31 - 1)
        self.least.setValue(100)
        self.least.setSuffix(" voxels")
        self.least.setAccessibleName("Least size")
        self.least_line = paragraph()
        self.region = RegionField(viewer)
        self.rows.addRow("Map", self.map)
        self.rows.addRow("Class", row)
        self.rows.addRow("", self.name)
        self.rows.addRow("Find", self.kind)
        self.rows.addRow("Least size", self.least)
        self.rows.addRow("", self.least_line)
        self.rows.addRow("Region", self.region)
        self.advanced = QCollapsible("Advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.advanced.setDuration(0)
        self.form: SettingsForm | None = None
        self.advanced.toggled.connect(self._unfold)
        self.body.insertWidget(1, self.advanced)
        self.disk_button = QPushButton("To disk …")
        self.disk_button.setToolTip("The same into an OME-Zarr (labels with their sizes) and a CSV table")
        self.buttons.insertWidget(1, self.disk_button)
        self.table = ColumnsTable("Objects", 12)
        self.save_button = QPushButton("Save table …")
        self.save_button.setToolTip("Sizes, centres and boxes of all objects as CSV")
        self.body.addWidget(self.table)
        self.body.addWidget(self.save_button)
        self.body.addStretch(1)
        self.disk_button.clicked.connect(self.start_to_disk)
        self.save_button.clicked.connect(self.save)
        self.pick_button.clicked.connect(self.take_selected)
        self.table.row_chosen.connect(self.shown.go_to)
        self.map.layer_changed.connect(self._map_changed)
        self.label.valueChanged.connect(self._describe)
        self.least.valueChanged.connect(self._describe)
        self._map_changed()
        self._show_nothing()

    @staticmethod
    def _is_map(layer: Any) -> bool:
        from napari_dense_ssl.gui.layers import KEY

        return isinstance(layer, Labels) and layer.metadata.get(KEY, {}).get("kind") != "objects"

    # -- what is chosen --------------------------------------------------------------------------------

    def _map_changed(self) -> None:
        layer = self.map.layer()
        if layer is not None:
            self.region.set_depth(stack_shape(layer)[0])
        self._describe()
        self.dock.update_buttons()

    def take_selected(self) -> None:
        """Take the label that is selected in the layer."""
        layer = self.map.layer()
        if layer is not None and layer.selected_label > 0:
            self.label.setValue(int(layer.selected_label))

    def _describe(self, *_: Any) -> None:
        """Show the class's colour and name, and how large the least size is in the world."""
        layer = self.map.layer()
        colour = None if layer is None else layer.get_color(self.label.value())
        self.swatch.setPixmap(
            swatch(tuple(float(c) for c in colour[:3])).pixmap(14, 14) if colour is not None else _none()
        )
        name = "" if layer is None else names_of(layer).get(self.label.value(), "")
        self.name.setText(name)
        self.name.setVisible(bool(name))
        size = None if layer is None else layer_source(layer).voxel_size
        text = "" if size is None else f"= {self.least.value() * float(np.prod(size)) / 1e9:.3g} µm³"
        self.least_line.setText(text)
        self.least_line.setVisible(bool(text))
        for widget in (self.name, self.least_line):
            label = self.rows.labelForField(widget)
            if label is not None:
                label.setVisible(widget.isVisibleTo(self))

    def settings(self) -> ObjectSettings:
        """Return what the fields say.

        Raises
        ------
        SettingsError
            If a setting is out of its limits.
        """
        values = self.form.values() if self.form is not None else {}
        try:
            return ObjectSettings.model_validate(values | {"min_voxels": self.least.value()})
        except ValidationError as error:
            raise SettingsError(explain(error)) from error

    def ready(self) -> bool:
        """Whether there is a map."""
        return self.map.currentData() is not None

    # -- finding ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Find objects into memory."""
        self._find(None)

    def start_to_disk(self) -> None:
        """Ask where to, and find objects into an OME-Zarr."""
        layer = self.map.layer()
        if layer is None:
            return
        folder = Path(remembered("objects/folder", str(Path.home())))
        out = ask_where(self, folder / f"{layer.name} objects.zarr", "OME-Zarr of the objects to write")
        if out is not None:
            remember("objects/folder", str(out.parent))
            self._find(out)

    def _find(self, out: Path | None) -> None:
        def prepare() -> tuple[Callable[[], Iterator[Event]], str]:
            layer = self.map.layer()
            if layer is None:
                raise ScoreError("There is no Labels layer to find objects in; make a class map first.")
            labels, settings = label_source_of(layer), self.settings()
            box = self.region.box(layer)
            label, between = self.label.value(), self.kind.currentText() == CELLS
            title = f"{names_of(layer).get(label) or f'label {label}'} of {layer.name}"
            self.shown.begin(
                layer_source(layer),
                box or Box.whole(labels.shape),
                f"{'Cells between' if between else 'Objects:'} {title}",
            )

            def begin() -> Iterator[Event]:
                from napari_dense_ssl.evaluate.objects import finding_objects

                return finding_objects(
                    labels, label, out, cells_between=between, settings=settings, region=box
                )

            return begin, str(layer.unique_id)

        prepared: Any = self.attempt("Finding objects", prepare)
        if prepared is None:
            return
        self._show_nothing()
        self.launch("Finding objects", *prepared)

    def happened(self, event: Event) -> None:
        """Show what was found."""
        match event:
            case Pictured(picture=picture):
                self.show_found(picture)
            case Noted(message=message):
                self.status.setText(message)
            case _:
                pass

    def ended(self, outcome: Outcome) -> None:
        """Say how many there are."""
        found = self.found
        if outcome is not Outcome.FINISHED or found is None:
            return
        volumes = found.volumes
        total = "" if volumes is None else f", {volumes.sum():.4g} µm³ together"
        where = "" if found.path is None else f" They are in {found.path}, the table is beside."
        rest = f" {found.left_out:,} of another size were left out." if found.left_out else ""
        self.status.setText(f"{len(found):,} objects{total}.{rest}{where}")

    def _show_nothing(self) -> None:
        self.found = None
        self.table.hide()
        self.save_button.hide()

    def show_found(self, found: Objects) -> None:
        """Show objects as a layer and as a table."""
        self.found = found
        if not len(found):
            return
        layer = self.shown.show(found)

        def colour(row: int) -> tuple[float, float, float]:
            red, green, blue = (float(c) for c in layer.get_color(row + 1)[:3])
            return red, green, blue

        self.table.show_columns(object_columns(found), colour)
        self.table.show()
        self.save_button.setVisible(found.path is None)

    def save(self) -> None:
        """Ask for a file, and write the table."""
        if self.found is None:
            return
        folder = Path(remembered("objects/folder", str(Path.home())))
        text, _ = QFileDialog.getSaveFileName(
            self, "Table of the objects", str(folder / "objects.csv"), "Table (*.csv)"
        )
        if text:
            self.save_to(Path(text))

    def save_to(self, path: Path) -> None:
        """Write the table."""
        from napari_dense_ssl.evaluate.objects import write_objects_table

        found = self.found
        path = path if path.suffix else path.with_suffix(".csv")
        if found is not None and self.attempt("Saving", lambda: write_objects_table(found, path)):
            remember("objects/folder", str(path.parent))
            self.status.setText(f"The table of {len(found):,} objects is in {path}.")

    # -- the window ------------------------------------------------------------------------------------

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        super().update_buttons()
        self.disk_button.setEnabled(self.start_button.isEnabled())
        self.pick_button.setEnabled(self.ready())

    def _unfold(self, _: bool) -> None:
        if self.form is None:  # made when first seen
            self.form = SettingsForm(ObjectSettings, leave_out=_IN_FRONT)
            self.advanced.addWidget(self.form)
            self.form.show()
            QTimer.singleShot(0, self._settle)

    def _settle(self) -> None:
        """Open as far as the form is high, which is known once it is laid out."""
        if self.advanced.isExpanded():
            self.advanced.expand(animate=False)


def _none() -> Any:
    from qtpy.QtGui import QPixmap

    return QPixmap()
