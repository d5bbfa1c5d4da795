"""What the Classes dock looks like; what it does is in ``classes_dock.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QPushButton

from napari_dense_ssl.gui.class_groups import GroupsField
from napari_dense_ssl.gui.class_model import ClassModel
from napari_dense_ssl.gui.class_table import ClassTable
from napari_dense_ssl.gui.devices import DeviceField
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import LayerField, PathField, ProgressRow, form, paragraph, shrinkable
from napari_dense_ssl.gui.region import RegionField
from napari_dense_ssl.gui.trust import TrustField

if TYPE_CHECKING:
    from napari import Viewer

SHOWN: dict[str, tuple[str, ...]] = {
    "classes": ("classes",),
    "equivariance error": ("error",),
    "both": ("classes", "error"),
}


class ClassesForm(Dock):
    """Run and layer; follow, or slice, region, whole volume; what is shown; the table of classes."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.run_field = PathField("runs", "folder", "run folder")
        self.run_field.setToolTip("A folder that training wrote; the latest of this session comes first")
        self.layer = LayerField(napari_viewer)
        self.layer.setToolTip("Image layer to look at: a stack of grey-value slices (Z, Y, X)")
        self.device = DeviceField()
        self.error = QCheckBox("equivariance error")
        self.error.setChecked(True)
        self.error.setToolTip(
            "Compare the map with those of the turned, flipped and moved image: 0 where they agree, "
            "1 where they do not. Takes about ten times as long as the classes alone, which come first"
        )
        rows = form()
        rows.addRow("Run", self.run_field)
        rows.addRow("Layer", self.layer)
        rows.addRow("Device", self.device)
        rows.addRow("With", self.error)
        self.body.addLayout(rows)
        self.follow = QCheckBox("follow the slice in view")
        self.follow.setToolTip(
            "Compute what is in view: at once the classes, then the error, then the slices that are next. "
            "What is computed is kept in memory, up to the limit in napari's Preferences"
        )
        self.view_line = paragraph()
        self.view_button = QPushButton("Compute this view")
        self.view_button.setToolTip("Compute what of the slices this view shows, into memory")
        for widget in (self.follow, self.view_line, self.view_button):
            self.body.addWidget(widget)
        self._add_jobs()
        self._add_look()
        self.shortcut("Ctrl+Return", self.slice_button, "Compute this slice")
        self.shortcut("Ctrl+.", self.stop_button, "Stop")
        self.shortcut("Ctrl+L", self.follow, "Follow the slice in view")
        self.shortcut("Ctrl+K", self.table.search.setFocus, "Find a class")
        self.shortcut("Ctrl+I", self.table.isolate_button, "Isolate the chosen classes")
        self.shortcut("Ctrl+Shift+I", self.table.hide_button, "Hide the chosen classes")
        self.shortcut("Ctrl+Shift+A", self.table.all_button, "Show all classes")
        self.shortcut("Ctrl+J", self.groups.merge_button, "Merge the chosen groups")
        self.shortcut("Ctrl+D", self.groups.split_button, "Split the chosen groups")
        self.shortcut("Ctrl+Z", self.groups.undo_button, "Undo")
        self.shortcut("Ctrl+Shift+Z", self.groups.redo_button, "Redo")

    def _add_jobs(self) -> None:
        self.region = RegionField(self.viewer)
        self.slice_button, self.region_button = QPushButton("This slice"), QPushButton("Region")
        self.whole_button, self.stop_button = QPushButton("Whole volume …"), QPushButton("Stop")
        self.slice_button.setToolTip("Compute the whole slice that the slider stands at, into memory")
        self.region_button.setToolTip("Compute the region above, into memory")
        self.whole_button.setToolTip(
            "Compute everything into an OME-Zarr on disk; choose an unfinished one to go on with it"
        )
        self.stop_button.setToolTip("Stop; what is computed stays, and on disk it can be gone on with")
        rows = form()
        rows.addRow("Region", self.region)
        self.body.addLayout(rows)
        grid = QGridLayout()
        grid.setSpacing(6)
        for number, button in enumerate(
            (self.slice_button, self.region_button, self.whole_button, self.stop_button)
        ):
            grid.addWidget(button, number // 2, number % 2)
        self.body.addLayout(grid)
        self.progress = ProgressRow()
        self.body.addWidget(self.progress)
        self.body.addWidget(self.status)

    def _add_look(self) -> None:
        self.shown = shrinkable(QComboBox())
        self.shown.addItems(list(SHOWN))
        self.shown.setToolTip("Which of the maps are visible over the image")
        self.trust = TrustField()
        rows = form()
        rows.addRow("Show", self.shown)
        rows.addRow("Error up to", self.trust)
        self.body.addLayout(rows)
        self.table = ClassTable(ClassModel())
        self.groups = GroupsField(self.table)
        self.table_line = paragraph()
        self.body.addWidget(self.groups)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.table_line)
