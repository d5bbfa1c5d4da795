"""What the Scribble dock looks like; what it does is in ``scribble_dock.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
    QWidget,
)
from superqt import QCollapsible

from napari_dense_ssl.gui.devices import DeviceField
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import LayerField, PathField, ProgressRow, form, paragraph, shrinkable
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.gui.label_model import LabelModel
from napari_dense_ssl.gui.region import RegionField
from napari_dense_ssl.gui.scribble_layers import is_scribbles
from napari_dense_ssl.gui.scribble_table import LabelTable
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.settings import TileSettings

if TYPE_CHECKING:
    from napari import Viewer

SHOWN: dict[str, tuple[str, ...]] = {
    "segmentation": ("classes",),
    "uncertainty": ("error",),
    "both": ("classes", "error"),
    "scribbles only": (),
}


class ScribbleForm(Dock):
    """Image, run and scribbles; follow; suggestions; the table of labels; region and whole volume."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.labels = LabelModel()
        self.run_field = PathField("runs", "folder", "run folder")
        self.run_field.setToolTip("A folder that training wrote; the latest of this session comes first")
        self.layer = LayerField(napari_viewer)
        self.layer.setToolTip("Image layer to segment: a stack of grey-value slices (Z, Y, X)")
        self.scribbles = LayerField(napari_viewer, is_scribbles)
        self.scribbles.setToolTip("Labels layer with scribbles; New makes one")
        self.device = DeviceField()
        rows = form()
        rows.addRow("Run", self.run_field)
        rows.addRow("Layer", self.layer)
        rows.addRow("Scribbles", self.scribbles)
        rows.addRow("", self._scribble_buttons())
        rows.addRow("Device", self.device)
        self.body.addLayout(rows)
        self._add_settings()
        self.follow = QCheckBox("segment what is in view after each stroke")
        self.follow.setToolTip(
            "A quick answer at once, and then that of the classifier under Advanced. Features of what was "
            "seen are kept in memory, up to the limit in napari's Preferences"
        )
        self.shown = shrinkable(QComboBox())
        self.shown.addItems(list(SHOWN))
        self.shown.setToolTip("What is visible over the image besides the scribbles")
        self.view_line = paragraph()
        self.body.addWidget(self.follow)
        self.body.addWidget(self.view_line)
        self.body.addWidget(self.status)  # here, since the end of the dock is out of sight on a small screen
        rows = form()
        rows.addRow("Show", self.shown)
        self.body.addLayout(rows)
        self._add_helpers()
        self.table = LabelTable(self.labels)
        self.body.addWidget(self.table, 1)
        self._add_jobs()
        self.shortcut("Ctrl+L", self.follow, "Segment what is in view")
        self.shortcut("Ctrl+Return", self.suggest_button, "Go where the next scribble helps most")
        self.shortcut("Ctrl+.", self.stop_button, "Stop")

    def _scribble_buttons(self) -> QWidget:
        self.new_button = QPushButton("New")
        self.new_button.setToolTip(
            "A layer to paint on over the image, at full resolution; only what is painted takes memory"
        )
        self.load_button, self.save_button = QToolButton(), QPushButton("Save …")
        self.load_button.setText("Load …")
        self.load_button.setToolTip("Scribbles from a file, or from a Labels layer")
        self.load_menu = QMenu(self.load_button)
        self.load_button.setMenu(self.load_menu)
        self.load_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.load_button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.save_button.setToolTip("The scribbles as TIFF or OME-Zarr labels, with names and colours")
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for button in (self.new_button, self.load_button, self.save_button):
            row.addWidget(button, 1)
        return holder

    def _add_settings(self) -> None:
        self.advanced = QCollapsible("Advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.advanced.setDuration(0)
        self.form: SettingsForm | None = None
        self.advanced.toggled.connect(self._unfold)
        self.body.addWidget(self.advanced)

    def _unfold(self, open_: bool) -> None:
        if open_ and self.form is None:
            self.form = SettingsForm(ProbeSettings, leave_out=frozenset(TileSettings.model_fields))
            self.form.changed.connect(self.settings_changed)
            self.advanced.addWidget(self.form)
            self.advanced.expand(animate=False)

    def settings(self) -> dict[str, Any]:
        """Return what is set under Advanced."""
        return {} if self.form is None else self.form.values()

    def settings_changed(self) -> None:
        """Be told that something under Advanced has changed."""

    def _add_helpers(self) -> None:
        self.suggest_button = QPushButton("Suggest next")
        self.suggest_button.setToolTip(
            "Go where the segmentation is least sure: the next scribble helps most there"
        )
        self.pick_button = QPushButton("Class as scribble")
        self.pick_button.setCheckable(True)
        self.pick_button.setToolTip(
            "Click on a class of a class map (Classes dock): some of its pixels in this slice become a "
            "scribble of the chosen label"
        )
        self.pick_field = QLineEdit()
        self.pick_field.setPlaceholderText("or classes: 3, 7")
        self.pick_field.setToolTip(
            "Numbers of classes, as the Classes dock lists them; Return scribbles them"
        )
        self.pick_field.setAccessibleName("Classes to be taken as a scribble")
        self.pick_field.setStyleSheet("min-width: 60px")
        self.body.addWidget(self.suggest_button)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.pick_button, 1)
        row.addWidget(self.pick_field, 1)
        self.body.addLayout(row)

    def _add_jobs(self) -> None:
        self.region = RegionField(self.viewer, self.layer.layer)
        rows = form()
        rows.addRow("Region", self.region)
        self.body.addLayout(rows)
        self.apply_button, self.stop_button = QPushButton("Segment to disk …"), QPushButton("Stop")
        self.apply_button.setToolTip(
            "Segment the region above into an OME-Zarr; choose an unfinished one to go on with it"
        )
        self.stop_button.setToolTip("Stop; what is on disk can be gone on with")
        grid = QGridLayout()
        grid.setSpacing(6)
        grid.addWidget(self.apply_button, 0, 0)
        grid.addWidget(self.stop_button, 0, 1)
        self.body.addLayout(grid)
        self.progress = ProgressRow()
        self.body.addWidget(self.progress)
