"""The Train dock: choose what to learn from and for how long, and watch it learn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from pydantic import ValidationError
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QSpinBox, QWidget
from superqt import QCollapsible

from napari_dense_ssl.core.errors import OutputError, SettingsError
from napari_dense_ssl.core.events import Audited, Event, Finished, Noted, Preview, Saved, Started, Step
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.engine.recipes import RECIPES
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.gui.devices import DeviceField
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import (
    LayerField,
    NumberBox,
    PathField,
    ProgressRow,
    form,
    paragraph,
    shrinkable,
)
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.live import LiveMap, ViewTeller
from napari_dense_ssl.gui.messages import explain
from napari_dense_ssl.gui.region import RegionField
from napari_dense_ssl.gui.remember import add_recent, new_run_folder, remember, remembered
from napari_dense_ssl.gui.session import runs_of_session

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.gui.layers import LayerSource

_IN_FRONT = frozenset(
    {"recipe", "classes", "context", "minutes", "steps", "roi", "device", "devices", "nodes"}
)
"""Settings that have a field of their own, or that a window cannot serve (several machines)."""


class TrainDock(Dock):
    """Layer, recipe, classes, budget; Start, Pause, Stop; progress, losses, the live class map."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.layer = LayerField(napari_viewer)
        self.layer.setToolTip("Image layer to learn from: a stack of grey-value slices (Z, Y, X)")
        self.recipe = shrinkable(QComboBox())
        for name, entry in RECIPES.items():
            self.recipe.addItem(name)
            self.recipe.setItemData(self.recipe.count() - 1, entry.sentence, 3)  # the tooltip
        self.sentence = paragraph()
        self.classes = QSpinBox()
        self.classes.setRange(2, 254)
        self.classes.setToolTip(_described("classes"))
        self.context = shrinkable(QComboBox())
        self.context.addItem("none: each slice alone", 0)
        self.context.addItem("2 + 2 neighbouring slices", 2)
        self.context.setToolTip(_described("context"))
        self.budget = BudgetField()
        self.device = DeviceField()
        self.region = RegionField(napari_viewer)
        self.folder = PathField("runs", "folder", "a new folder is made")
        self.folder.setToolTip("Run folder: settings, checkpoints and events are kept there")
        rows = form()
        rows.addRow("Layer", self.layer)
        rows.addRow("Recipe", self.recipe)
        rows.addRow(self.sentence)
        rows.addRow("Classes", self.classes)
        rows.addRow("Context", self.context)
        rows.addRow("Budget", self.budget)
        rows.addRow("Device", self.device)
        rows.addRow("Region", self.region)
        rows.addRow("Run folder", self.folder)
        self.body.addLayout(rows)
        self.advanced = QCollapsible("Advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.form: SettingsForm | None = None
        self.body.addWidget(self.advanced)
        self.start_button, self.pause_button = QPushButton("Start"), QPushButton("Pause")
        self.stop_button = QPushButton("Stop")
        self.start_button.setToolTip("Train; the window stays free")
        self.pause_button.setToolTip(
            "Stand still, keeping everything in memory; pauses do not use up the budget"
        )
        self.stop_button.setToolTip("Save a checkpoint and end")
        buttons = QHBoxLayout()
        for button in (self.start_button, self.pause_button, self.stop_button):
            buttons.addWidget(button)
        self.body.addLayout(buttons)
        self.progress = ProgressRow()
        self.body.addWidget(self.progress)
        self.body.addWidget(self.status)
        self.plot: Any = None
        self._plot_place = len(self.body)
        self.body.addStretch(1)
        self._live: LiveMap | None = None
        self._teller: ViewTeller | None = None
        self._run_folder: Path | None = None
        self._note = ""
        self.layer.layer_changed.connect(self._layer_changed)
        self.recipe.currentTextChanged.connect(self._recipe_changed)
        self.advanced.toggled.connect(self._unfold)
        self.start_button.clicked.connect(self.start)
        self.pause_button.clicked.connect(self.pause)
        self.stop_button.clicked.connect(self.stop)
        napari_viewer.events.theme.connect(self._theme_changed)
        self._recipe_changed(self.recipe.currentText())
        self._recall()
        self._layer_changed()
        self.update_buttons()

    # -- settings --------------------------------------------------------------------------------------

    def settings(self) -> TrainSettings:
        """Return what the dock's fields say.

        Raises
        ------
        SettingsError
            If a setting is out of its limits, or two contradict each other.
        RegionError
            If the region is empty or outside of the layer.
        """
        values = RECIPES[self.recipe.currentText()].settings().model_dump()
        if self.form is not None:
            values |= self.form.values()
        layer = self.layer.layer()
        box = None if layer is None else self.region.box(layer)
        minutes, steps = self.budget.values()
        values |= {
            "classes": self.classes.value(),
            "context": self.context.currentData(),
            "minutes": minutes,
            "steps": steps,
            "device": self.device.kind(),
            "roi": None if box is None else str(box),
        }
        try:
            return TrainSettings.model_validate(values)
        except ValidationError as error:
            raise SettingsError(explain(error)) from error

    def _recipe_changed(self, name: str) -> None:
        settings = RECIPES[name].settings()
        self.sentence.setText(RECIPES[name].sentence)
        self.recipe.setToolTip(RECIPES[name].sentence)
        self.classes.setValue(settings.classes)
        self.context.setCurrentIndex(self.context.findData(settings.context))
        self.budget.set_values(settings.minutes, settings.steps)
        if self.form is not None:
            self.form.set_values(settings)

    def _unfold(self, _: bool) -> None:
        if self.form is None:  # made when first seen: most people never look, and it takes a while
            self.form = SettingsForm(TrainSettings, leave_out=_IN_FRONT)
            self.form.set_values(RECIPES[self.recipe.currentText()].settings())
            self.advanced.addWidget(self.form)
            self.advanced.expand(animate=False)

    def _layer_changed(self) -> None:
        layer = self.layer.layer()
        if layer is not None:
            data = layer.data[0] if layer.multiscale else layer.data
            if len(data.shape) >= 3:
                self.region.set_depth(int(data.shape[-3]))
        self.update_buttons()

    def _recall(self) -> None:
        self.classes.setValue(int(remembered("train/classes", str(self.classes.value()))))
        index = self.recipe.findText(remembered("train/recipe"))
        if index >= 0:
            self.recipe.setCurrentIndex(index)
        minutes = remembered("train/minutes")
        if minutes:
            self.budget.set_values(float(minutes), None)

    def _remember(self, settings: TrainSettings) -> None:
        remember("train/classes", str(settings.classes))
        remember("train/recipe", settings.recipe)
        if settings.minutes is not None and settings.steps is None:
            remember("train/minutes", str(settings.minutes))

    # -- the job ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start training on the chosen layer."""
        if self.busy:
            return
        begun = self.attempt("Training", self._prepare)
        if begun is None:
            return
        source, settings, folder = begun
        self._remember(settings)
        self._run_folder, self._note = folder, ""
        self._live = LiveMap(self.viewer, source, str(folder))
        watch = Watch()
        self._teller = ViewTeller(self.viewer, source.identity, watch)
        self._show_plot()
        self.progress.begin("starting …")
        self.status.setText("Loading the network (the first time takes a few seconds) …")

        def start() -> Iterator[Event]:
            from napari_dense_ssl.engine import train

            return train(source.open(), folder, settings, watch=watch)

        self.run("Training", start, happened=self._happened, ended=self._ended, source=source.identity)

    def _prepare(self) -> tuple[LayerSource, TrainSettings, Path]:
        layer = self.layer.layer()
        if layer is None:
            raise SettingsError("There is no image layer to train on; open a volume first (Volume dock).")
        source = layer_source(layer)
        source.check()
        settings = self.settings()
        text = self.folder.path()
        folder = Path(text).expanduser() if text else new_run_folder(source.name)
        if (folder / "settings.yaml").exists():
            raise OutputError(
                f"{folder} holds a run already; choose another folder, or leave the field empty."
            )
        return source, settings, folder

    def pause(self) -> None:
        """Pause, or go on."""
        if self.job is None or not self.busy:
            return
        if self.job.paused:
            self.job.resume()
            self.status.setText("Going on.")
        else:
            self.job.pause()
            self.status.setText("Paused. Nothing is lost; Resume goes on, Stop saves and ends.")
        self.update_buttons()

    def stop(self) -> None:
        """Save a checkpoint and end."""
        if self.job is not None and self.busy:
            self.job.stop()
            self.status.setText("Saving a checkpoint …")
            self.update_buttons()

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        job = self.job if self.busy else None
        self.start_button.setEnabled(job is None and self.layer.currentData() is not None)
        self.pause_button.setEnabled(job is not None and not job.stopping)
        self.pause_button.setText("Resume" if job is not None and job.paused else "Pause")
        self.stop_button.setEnabled(job is not None and not job.stopping)

    def _happened(self, event: Event) -> None:
        match event:
            case Started(details=details):
                self.progress.begin("preparing …")
                facts = [str(details[key]) for key in ("device", "precision") if key in details]
                self._note = ", ".join(facts)
                self.status.setText(f"Training on {self._note}." if self._note else "Training.")
            case Step():
                self.progress.advance(event)
                if event.losses and self.plot is not None:
                    self.plot.add(event.index, event.losses)
                if self.job is not None and not self.job.paused and not self.job.stopping:
                    speed = f"{event.samples_per_second:.3g} crops/s"
                    self.status.setText(f"Step {event.index}, {speed}. {self._note}")
            case Preview() if self._live is not None:
                self._live.show(event)
            case Noted(message=message):
                self._note = message
                self.status.setText(message)
            case Audited():
                self._note = event.sentence.capitalize() + "."
            case Saved(path=path) if self._run_folder is not None:
                self.folder.box.setToolTip(f"Last saved: {path}")
                add_recent("runs", str(self._run_folder))  # now: the window may be closed before the end
            case Finished(path=path) if path is not None:
                self._run_folder = path
            case _:
                pass

    def _ended(self, outcome: Outcome) -> None:
        if self._teller is not None:
            self._teller.close()
        self._teller = None
        folder = self._run_folder
        saved = folder is not None and any(folder.glob("checkpoints/*/"))
        words = {Outcome.FINISHED: "done", Outcome.STOPPED: "stopped", Outcome.FAILED: "failed"}
        self.progress.finish(words[outcome])
        if outcome is Outcome.FAILED and self.job is not None:
            self.status.setText(self.job.message)
        elif saved:
            self.status.setText(f"The run is in {folder}. Look at its classes in the Classes dock.")
        else:
            self.status.setText("Stopped before the first checkpoint; nothing was kept.")
        if saved:
            add_recent("runs", str(folder))
            runs_of_session().add(str(folder))
        self.folder.set_path("")
        self.folder.refresh()
        self.update_buttons()

    def shut(self) -> None:
        """Let go of the viewer and stop the training, which saves a checkpoint."""
        if self._teller is not None:
            self._teller.close()
            self._teller = None
        self.viewer.events.theme.disconnect(self._theme_changed)
        super().shut()

    # -- the plot --------------------------------------------------------------------------------------

    def _show_plot(self) -> None:
        if self.plot is None:
            from napari_dense_ssl.gui.plot import LossPlot  # pyqtgraph takes a while to import

            self.plot = LossPlot()
            self.body.insertWidget(self._plot_place, self.plot)
            self._theme_changed()
        self.plot.clear()

    def _theme_changed(self, event: Any = None) -> None:
        if self.plot is not None:
            self.plot.set_colour(get_theme(self.viewer.theme).text.as_hex())


class BudgetField(QWidget):
    """A number of minutes or of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.number = NumberBox()
        self.number.setRange(0.01, 1e7)
        self.number.setToolTip("When to end; a run can be stopped before, and is saved then")
        self.unit = QComboBox()
        self.unit.addItems(["minutes", "steps"])
        self.unit.setToolTip("Minutes of training time (pauses do not count), or optimiser steps")
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
