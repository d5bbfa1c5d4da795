"""What to train: the upper part of the Train dock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_dense_ssl.core.errors import OutputError, SettingsError
from napari_dense_ssl.engine.recipes import RECIPES
from napari_dense_ssl.engine.settings import FREE_ON_RESUME, TrainSettings
from napari_dense_ssl.gui.devices import DeviceField
from napari_dense_ssl.gui.fields import LayerField, NumberBox, PathField, form, paragraph, shrinkable
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.messages import explain
from napari_dense_ssl.gui.preferences import preferences
from napari_dense_ssl.gui.region import RegionField
from napari_dense_ssl.gui.remember import new_run_folder, remember, remembered

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.gui.layers import LayerSource
    from napari_dense_ssl.gui.past_run import PastRun

_IN_FRONT = frozenset(
    {"recipe", "classes", "context", "minutes", "steps", "roi", "device", "devices", "nodes"}
)
"""Settings that have a field of their own, or that a window cannot serve (several machines)."""

_LEAST_PREVIEW = 0.2
"""Shortest time between live maps that the settings allow, s."""


class TrainFields(QWidget):
    """Layer, recipe, classes, context, budget, device, region, run folder; the rest under Advanced.

    Parameters
    ----------
    viewer : napari.Viewer

    Attributes
    ----------
    past : PastRun or None
        The run that is to be gone on with; its settings are shown and cannot be changed.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.past: PastRun | None = None
        self.layer = LayerField(viewer)
        self.layer.setToolTip("Image layer to learn from: a stack of grey-value slices (Z, Y, X)")
        self.recipe = shrinkable(QComboBox())
        for name, entry in RECIPES.items():
            self.recipe.addItem(name)
            self.recipe.setItemData(self.recipe.count() - 1, entry.sentence, Qt.ItemDataRole.ToolTipRole)
        self.sentence = paragraph()
        self.classes = QSpinBox()
        self.classes.setRange(2, 254)
        self.classes.setToolTip(_described("classes") + " 2 to 254.")
        self.context = shrinkable(QComboBox())
        self.context.addItem("none: each slice alone", 0)
        self.context.addItem("2 + 2 neighbouring slices", 2)
        self.context.setToolTip(_described("context"))
        self.budget = BudgetField()
        self.device = DeviceField()
        self.device.choose(preferences().device)
        self.region = RegionField(viewer, self.layer.layer)
        self.fixed_region = QLabel()
        self.fixed_region.setToolTip("Region of the run, first voxel : voxel after the last, along Z, Y, X")
        self.fixed_region.hide()
        self.folder = PathField("runs", "folder", "a new folder is made")
        self.folder.setToolTip("Run folder: settings, checkpoints and events are kept there")
        region = QWidget()
        column = QVBoxLayout(region)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.region)
        column.addWidget(self.fixed_region)
        self.rows = form()
        for title, field in (
            ("Layer", self.layer),
            ("Recipe", self.recipe),
            ("", self.sentence),
            ("Classes", self.classes),
            ("Context", self.context),
            ("Budget", self.budget),
            ("Device", self.device),
            ("Region", region),
            ("Run folder", self.folder),
        ):
            if title:
                self.rows.addRow(title, field)
                field.setAccessibleName(title)
                self.rows.labelForField(field).setToolTip(field.toolTip())
            else:
                self.rows.addRow(field)
        self.advanced = QCollapsible("Advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.form: SettingsForm | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self.rows)
        layout.addWidget(self.advanced)
        self._running = False
        self.layer.layer_changed.connect(self._layer_changed)
        self.recipe.currentTextChanged.connect(self._recipe_changed)
        self.advanced.toggled.connect(self._unfold)
        self._recipe_changed(self.recipe.currentText())
        self._recall()
        self._layer_changed()

    # -- what they say ---------------------------------------------------------------------------------

    def settings(self) -> TrainSettings:
        """Return what the fields say.

        Raises
        ------
        SettingsError
            If a setting is out of its limits, or two contradict each other.
        RegionError
            If the region is empty or outside of the layer.
        """
        minutes, steps = self.budget.values()
        values = self._base().model_dump()
        if self.form is not None:
            entered = self.form.values()
            values |= {k: v for k, v in entered.items() if self.past is None or k in FREE_ON_RESUME}
        values |= {"minutes": minutes, "steps": steps, "device": self.device.kind()}
        if self.past is None:
            layer = self.layer.layer()
            box = None if layer is None else self.region.box(layer)
            values |= {
                "classes": self.classes.value(),
                "context": self.context.currentData(),
                "roi": None if box is None else str(box),
            }
        try:
            return TrainSettings.model_validate(values)
        except ValidationError as error:
            raise SettingsError(explain(error)) from error

    def summary(self) -> str:
        """Return the main settings in a line."""
        budget = f"{self.budget.number.text()} {self.budget.unit.currentText()}"
        return f"{self.recipe.currentText()}, {self.classes.value()} classes, {budget}"

    def _base(self) -> TrainSettings:
        """Return the settings that the fields change: those of the run to go on with, or the recipe's."""
        if self.past is not None:
            return self.past.settings
        seconds = max(_LEAST_PREVIEW, preferences().preview_seconds)
        return RECIPES[self.recipe.currentText()].settings().model_copy(update={"preview_seconds": seconds})

    def prepare(self) -> tuple[LayerSource, TrainSettings, Path]:
        """Return what a training needs: the image, the settings, the run folder.

        Raises
        ------
        DenseSSLError
            If anything is missing, contradicts itself, or would overwrite a run.
        """
        layer = self.layer.layer()
        if layer is None:
            raise SettingsError("There is no image layer to train on; open a volume first (Volume dock).")
        source = layer_source(layer)
        source.check()
        settings = self.settings()
        if self.past is not None:
            self.past.check(source)
            self.past.check_budget(settings.minutes, settings.steps)
            return source, settings, self.past.path
        text = self.folder.path()
        folder = Path(text).expanduser() if text else new_run_folder(source.name)
        if (folder / "settings.yaml").exists():
            raise OutputError(
                f"{folder} holds a run already; choose another folder, leave the field empty, or go on with "
                "that run (Resume a run)."
            )
        return source, settings, folder

    # -- a run to go on with ---------------------------------------------------------------------------

    def show_past(self, past: PastRun) -> None:
        """Show the settings of a run to go on with; only its budget, device and the like can be changed."""
        self.past = past
        settings = past.settings
        if self.recipe.findText(settings.recipe) < 0:
            self.recipe.addItem(settings.recipe)
        self.recipe.blockSignals(True)
        self.recipe.setCurrentText(settings.recipe)
        self.recipe.blockSignals(False)
        self._show(settings)
        self.budget.set_values(*past.larger_budget())
        self.device.choose(settings.device)
        self.fixed_region.setText(settings.roi or "Whole volume")
        self.folder.set_path(str(past.path))
        self._lock()

    def show_new(self) -> None:
        """Go back to a new run; the settings stay, to be changed."""
        if self.past is None:
            return
        self.past = None
        for index in reversed(range(self.recipe.count())):
            if self.recipe.itemText(index) not in RECIPES:
                self.recipe.removeItem(index)
        self.folder.set_path("")
        self._lock()

    def set_running(self, running: bool) -> None:
        """Let nothing be changed while a training runs: the fields say what is trained."""
        self._running = running
        self._lock()

    def _lock(self) -> None:
        fresh, idle = self.past is None, not self._running
        for field in (self.recipe, self.classes, self.context, self.folder):
            field.setEnabled(fresh and idle)
        for field in (self.layer, self.budget, self.device):
            field.setEnabled(idle)
        self.region.setEnabled(idle)
        self.region.setVisible(fresh)
        self.fixed_region.setVisible(not fresh)
        if self.form is not None:
            free = None if fresh else FREE_ON_RESUME
            self.form.let_change(free if idle else frozenset())

    # -- following -------------------------------------------------------------------------------------

    def _recipe_changed(self, name: str) -> None:
        if name in RECIPES:
            self._show(self._base())

    def _show(self, settings: TrainSettings) -> None:
        known = RECIPES.get(settings.recipe)
        self.sentence.setText(known.sentence if known is not None else "")
        self.recipe.setToolTip(self.sentence.text())
        self.classes.setValue(settings.classes)
        self.context.setCurrentIndex(self.context.findData(settings.context))
        self.budget.set_values(settings.minutes, settings.steps)
        if self.form is not None:
            self.form.set_values(settings)

    def _unfold(self, _: bool) -> None:
        if self.form is None:  # made when first seen: most people never look, and it takes a while
            self.form = SettingsForm(TrainSettings, leave_out=_IN_FRONT)
            self.form.set_values(self._base())
            self.advanced.addWidget(self.form)
            self._lock()
            self.advanced.expand(animate=False)

    def _layer_changed(self) -> None:
        layer = self.layer.layer()
        if layer is not None:
            data = layer.data[0] if layer.multiscale else layer.data
            if len(data.shape) >= 3:
                self.region.set_depth(int(data.shape[-3]))

    def _recall(self) -> None:
        index = self.recipe.findText(remembered("train/recipe"))
        if index >= 0:
            self.recipe.setCurrentIndex(index)  # first: it sets the other fields
        self.classes.setValue(int(remembered("train/classes", str(self.classes.value()))))
        minutes = remembered("train/minutes")
        if minutes:
            self.budget.set_values(float(minutes), None)

    def remember(self, settings: TrainSettings) -> None:
        """Keep what a new run was started with, for the next session."""
        remember("train/classes", str(settings.classes))
        remember("train/recipe", settings.recipe)
        if settings.minutes is not None and settings.steps is None:
            remember("train/minutes", str(settings.minutes))


class BudgetField(QWidget):
    """A number of minutes or of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.number = NumberBox()
        self.number.setRange(0.01, 1e7)
        self.number.setToolTip("When to end; a run can be stopped before, and is saved then")
        self.number.setAccessibleName("Budget")
        self.unit = QComboBox()
        self.unit.addItems(["minutes", "steps"])
        self.unit.setToolTip("Minutes of training time (pauses do not count), or optimiser steps")
        self.unit.setAccessibleName("Unit of the budget")
        self.setToolTip(self.number.toolTip())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.number, 1)
        layout.addWidget(self.unit, 1)

    def values(self) -> tuple[float | None, int | None]:
        """Return (minutes, steps), one of them None."""
        if self.unit.currentText() == "minutes":
            return float(self.number.value()), None
        return None, max(1, round(self.number.value()))

    def set_values(self, minutes: float | None, steps: int | None) -> None:
        """Show minutes, or steps where there are none."""
        self.unit.setCurrentText("minutes" if minutes is not None else "steps")
        self.number.setValue(minutes if minutes is not None else float(steps or 1000))


def _described(field: str) -> str:
    return TrainSettings.model_fields[field].description or ""


def words(source: Any) -> str:
    """Return what a layer holds, for people: ``6 × 96 × 128 voxels of 50 × 5 × 5 nm``."""
    shape = " × ".join(str(n) for n in source.shape)
    size = source.voxel_size
    of = "" if size is None else f" of {' × '.join(f'{edge:.4g}' for edge in size)} nm"
    return f"{shape} voxels{of}"
