"""The Playground's first tab: choose data and a method, watch it learn, compare figures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Pictured, Started, Step
from napari_dense_ssl.gui.fields import NumberBox, ProgressRow, form, paragraph, shrinkable
from napari_dense_ssl.gui.figures_table import FiguresTable
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.job_tab import WORDS
from napari_dense_ssl.gui.messages import explain
from napari_dense_ssl.gui.playground_layers import PlaygroundLayers
from napari_dense_ssl.gui.playground_painter import PlaygroundPainter
from napari_dense_ssl.gui.remember import remember, remembered
from napari_dense_ssl.playground.frames import Frame, Scene
from napari_dense_ssl.playground.settings import MODELS, SENTENCES, PlaygroundSettings, playground_settings

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.gui.dock import Dock

DATA = {
    "mixture": "three Gaussians",
    "moons": "moons",
    "rings": "rings",
    "spiral": "spiral",
}
_IN_FRONT = frozenset({"data", "epochs", "seed"})


class MixtureTab(QWidget):
    """Data, method, noise, epochs, speed, seed; Start, Stop, Play; figures of all runs.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : Dock
        Runs the job: one at a time, ended with the dock.
    """

    def __init__(self, viewer: Viewer, dock: Dock) -> None:
        super().__init__()
        self.viewer, self.dock = viewer, dock
        self.layers: PlaygroundLayers | None = None
        self._mine = False
        self._run = ""
        self._painted = threading.Event()
        self._make_fields()
        self.start_button, self.stop_button = QPushButton("Start"), QPushButton("Stop")
        self.start_button.setToolTip("Draw the points, train, sample, measure; the window stays free")
        self.stop_button.setToolTip("End here; the pictures so far stay")
        self.play_button, self.save_button = QPushButton("Play"), QPushButton("Save …")
        self.play_button.setCheckable(True)
        self.play_button.setToolTip(
            "Move the time slider from the first picture to the last, again and again"
        )
        self.save_button.setToolTip("The animation as GIF or MP4, or the picture in view as PNG")
        self.progress, self.status = ProgressRow(), paragraph()
        self.table = FiguresTable()
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 6, 0, 0)
        body.setSpacing(8)
        body.addLayout(self._rows)
        body.addWidget(self.advanced)
        for pair in ((self.start_button, self.stop_button), (self.play_button, self.save_button)):
            row = QHBoxLayout()
            for button in pair:
                row.addWidget(button)
            body.addLayout(row)
        body.addWidget(self.progress)
        body.addWidget(self.status)
        body.addWidget(self.table)
        body.addStretch(1)
        self._player, self._painter = QTimer(self), PlaygroundPainter(self)
        self._player.timeout.connect(self._next)
        self.method.currentTextChanged.connect(self._method_changed)
        self.advanced.toggled.connect(self._unfold)
        self.noise.valueChanged.connect(lambda _: self._give_noise())
        self.speed.valueChanged.connect(lambda _: self._set_pace())
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.play_button.toggled.connect(self.play)
        self.save_button.clicked.connect(self.ask_where)
        index = self.method.findText(remembered("playground/method", "dsm"))
        self.method.setCurrentIndex(max(0, index))
        self._method_changed(self.method.currentText())
        self._set_pace()

    def _make_fields(self) -> None:
        defaults = PlaygroundSettings()
        fields = PlaygroundSettings.model_fields
        self.data, self.method = shrinkable(QComboBox()), shrinkable(QComboBox())
        for name, words in DATA.items():
            self.data.addItem(words, name)
        self.data.setToolTip("What points are drawn from; density and score are known for all")
        for name in MODELS:
            self.method.addItem(name, name)
            self.method.setItemData(self.method.count() - 1, SENTENCES[name], 3)  # the tooltip
        self.sentence = paragraph()
        self.noise = NumberBox()
        self.noise.setRange(1e-3, 10)
        self.epochs, self.seed, self.speed = QSpinBox(), QSpinBox(), QSpinBox()
        self.epochs.setRange(1, 100_000)
        self.epochs.setValue(defaults.epochs)
        self.epochs.setToolTip(str(fields["epochs"].description))
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip(str(fields["seed"].description))
        self.speed.setRange(1, 30)
        self.speed.setValue(8)
        self.speed.setSuffix(" pictures/s")
        self.speed.setToolTip("How fast Play and the saved animation go")
        self._rows = form()
        self._rows.addRow("Data", self.data)
        self._rows.addRow("Method", self.method)
        self._rows.addRow(self.sentence)
        self._rows.addRow("Noise", self.noise)
        self._rows.addRow("Epochs", self.epochs)
        self._rows.addRow("Seed", self.seed)
        self._rows.addRow("Speed", self.speed)
        self.advanced = QCollapsible("Advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.form: SettingsForm | None = None

    # -- settings --------------------------------------------------------------------------------------

    def settings(self) -> PlaygroundSettings:
        """Return what the fields say.

        Raises
        ------
        SettingsError
            If a value is out of its limits.
        """
        name = self.method.currentText()
        values: dict[str, Any] = {} if self.form is None else self.form.values()
        own = values.pop("method", {})
        if (field := self._noise_field()) is not None:
            own[field] = self.noise.value()
        try:
            return playground_settings(
                name,
                **{key: value for key, value in own.items() if key != "kind"},
                **values,
                data=self.data.currentData(),
                epochs=self.epochs.value(),
                seed=self.seed.value(),
            )
        except ValidationError as error:
            raise SettingsError(explain(error)) from error

    def _noise_field(self) -> str | None:
        """Return which of the method's settings the noise is; None where it has none."""
        known = MODELS[self.method.currentText()].model_fields
        return next((name for name in ("noise", "noise_low") if name in known), None)

    def _method_changed(self, name: str) -> None:
        self.sentence.setText(SENTENCES[name])
        settings = playground_settings(name)
        field = self._noise_field()
        self.noise.setEnabled(field is not None)
        if field is not None:
            self.noise.setValue(getattr(settings.method, field))
            self.noise.setToolTip(str(MODELS[name].model_fields[field].description))
        else:
            self.noise.setToolTip(f"{name} takes no noise: it hides a coordinate")
        if self.form is not None:
            self.form.set_values(settings)
            self._settle()

    def _unfold(self, _: bool) -> None:
        if self.form is None:  # made when first seen: most people never look, and it takes a while
            self.form = SettingsForm(PlaygroundSettings, leave_out=_IN_FRONT)
            self.form.set_values(playground_settings(self.method.currentText()))
            self.form.changed.connect(self._take_noise)
            self._give_noise()
            self.advanced.addWidget(self.form)
            self.form.show()  # styled, rows are higher: now, not when Qt comes to it
            self._settle()

    def _noise_editor(self) -> Any:
        """Return the editor under Advanced of the noise in front; None where there is none."""
        field = self._noise_field()
        if self.form is None or field is None:
            return None
        group = self.form.editors["method"]
        return group.editors.get(field) if isinstance(group, SettingsForm) else None

    def _take_noise(self) -> None:
        editor = self._noise_editor()
        if editor is not None and editor.value() != self.noise.value():
            self.noise.setValue(editor.value())

    def _give_noise(self) -> None:
        editor = self._noise_editor()
        if editor is not None and editor.value() != self.noise.value():
            editor.set_value(self.noise.value())

    def _settle(self) -> None:
        """Give the form the room that it needs, once Qt knows how much that is."""
        QTimer.singleShot(0, self._fit_form)

    def _fit_form(self) -> None:
        if self.advanced.isExpanded():
            self.advanced.expand(animate=False)

    # -- the job ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Train the chosen method."""
        if self.dock.busy:
            return
        settings = self.dock.attempt("Playing", self.settings)
        if settings is None:
            self.status.setText(self.dock.status.text())
            return
        remember("playground/method", settings.method.kind)
        self.play_button.setChecked(False)
        self._forget_layers()
        self._mine, self._flat = True, settings.embedding != 3
        self._run = f"{settings.method.kind}\n{settings.data}, seed {settings.seed}"
        self.progress.begin("drawing points …")
        self.status.setText("Drawing points; the network comes in a moment.")

        painted = self._painted = threading.Event()

        def start() -> Iterator[Event]:
            # The points and their density need no torch, whose import takes longest: they are shown at once.
            from napari_dense_ssl.playground.frames import make_scene
            from napari_dense_ssl.playground.mixture import make_dataset

            dataset = make_dataset(settings.data, settings.points, settings.seed)
            yield Pictured(0, make_scene(dataset, settings))
            while not painted.wait(0.05):  # importing torch would hold up the painting
                yield Beat()
            from napari_dense_ssl.playground.run import play

            yield from play(settings)

        self.dock.run("Playing", start, happened=self._happened, ended=self._ended)

    def stop(self) -> None:
        """End the job, whichever it is."""
        if self._mine:
            self.dock.stop_job(self.status)

    def update_buttons(self) -> None:
        """Enable what can be done now."""
        busy = self.dock.busy
        stopping = busy and self.dock.job is not None and self.dock.job.stopping
        self.start_button.setEnabled(not busy)
        self.stop_button.setEnabled(busy and self._mine and not stopping)
        pictures = self.layers is not None and self.layers.frames > 0
        self.play_button.setEnabled(pictures)
        self.save_button.setEnabled(pictures and not busy)

    def _happened(self, event: Event) -> None:
        match event:
            case Pictured(picture=Scene() as scene) if self.layers is None:
                self.layers = PlaygroundLayers(self.viewer, scene, flat=self._flat)
                self._painter.start(self.layers)
                QTimer.singleShot(0, self._painted.set)
            case Pictured(picture=Frame() as frame) if self.layers is not None:
                self.layers.add(frame)
                if self.layers.frames == 1:
                    self._painter.show_all()
                    self.update_buttons()
            case Started():
                self.progress.begin("training …")
            case Step():
                self.progress.advance(event)
                losses = ", ".join(f"{name.replace('_', ' ')} {v:.4g}" for name, v in event.losses.items())
                if self.dock.job is not None and not self.dock.job.stopping:
                    self.status.setText(f"Step {event.index} of {event.total}. {losses}.")
            case Noted(message=message):
                self.status.setText(message)
            case Finished(summary=summary):
                self.table.add(self._run, {name: float(value) for name, value in summary.items()})
            case _:
                pass

    def _ended(self, outcome: Outcome) -> None:
        self._painter.show_all()
        self._painter.stop()
        self._mine = False
        self.progress.finish(WORDS[outcome])
        if outcome is Outcome.FAILED and self.dock.job is not None:
            self.status.setText(self.dock.job.message)
        elif outcome is Outcome.STOPPED:
            self.status.setText("Stopped; the pictures so far are there, figures are not.")
        else:
            self.status.setText(
                "Done. Move the time slider, or press Play; the last pictures are the sampling."
            )
        self.dock.update_buttons()

    def _forget_layers(self) -> None:
        self._painter.stop()
        if self.layers is not None:
            self.layers.close()
            self.layers = None

    def shut(self) -> None:
        """Let go of the viewer."""
        self._player.stop()
        self._forget_layers()

    # -- the animation ---------------------------------------------------------------------------------

    def play(self, on: bool) -> None:
        """Let the slider run, or stand."""
        self.play_button.setText("Pause" if on else "Play")
        if on:
            self._player.start()
        else:
            self._player.stop()

    def _set_pace(self) -> None:
        self._player.setInterval(round(1000 / self.speed.value()))

    def _next(self) -> None:
        if self.layers is not None and self.layers.frames > 1:
            self.layers.go((self.layers.time + 1) % self.layers.frames)

    def ask_where(self) -> None:
        """Ask for a file, and save."""
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save the animation or the picture",
            str(Path.home() / f"{self.method.currentText()}.gif"),
            "Animation (*.gif *.mp4);;Picture (*.png)",
        )
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Save the animation (GIF, MP4) or the picture in view (PNG), in a worker."""
        if self.layers is None or self.dock.busy:
            return
        film, index, rate = self.layers.film, self.layers.time, float(self.speed.value())

        def start() -> Iterator[Event]:
            from napari_dense_ssl.playground.pictures import write_animation, write_picture

            if path.suffix == ".png":
                write_picture(film, path, index)
            else:
                total = len(film.frames)
                for count in write_animation(film, path, rate=rate):
                    yield Step(count, total, count / total, None, 0.0)
            yield Finished(path)

        def happened(event: Event) -> None:
            if isinstance(event, Step):
                self.progress.advance(event)

        def ended(outcome: Outcome) -> None:
            done = outcome is Outcome.FINISHED
            self.progress.finish("saved" if done else "not saved")
            job = self.dock.job
            self.status.setText(f"Saved {path}." if done else job.message if job is not None else "")
            self.dock.update_buttons()

        self.progress.begin("drawing …")
        self.dock.run("Saving", start, happened=happened, ended=ended)
