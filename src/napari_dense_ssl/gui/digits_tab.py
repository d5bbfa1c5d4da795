"""The playground's digits: choose data and budget, and watch an encoder learn to tell digits apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from pydantic import ValidationError
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.events import Event, Finished, Noted, Pictured, Started, Step
from napari_dense_ssl.gui.digits_layers import DigitsLayers
from napari_dense_ssl.gui.fields import NumberBox, PathField, ProgressRow, form, paragraph, shrinkable
from napari_dense_ssl.gui.forms import SettingsForm
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.messages import explain
from napari_dense_ssl.gui.remember import add_recent, remember, remembered
from napari_dense_ssl.playground.digits.settings import DigitsSettings

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.gui.dock import Dock
    from napari_dense_ssl.playground.digits import DigitsResult, DigitsView

_IN_FRONT = frozenset({"epochs", "minutes"})
_CURVES = {"cosine_loss": "1 - cosine", "mse": "squared error"}
_PHASES = {1: "The encoder learns", 2: "The decoder learns"}


class DigitsTab(QWidget):
    """Data, budget, Start, Stop; progress, losses, figures; digits and embedding on the canvas.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : Dock
        Runs the job: one at a time, ended with the dock.
    """

    def __init__(self, viewer: Viewer, dock: Dock) -> None:
        super().__init__()
        self.viewer, self.dock = viewer, dock
        self.layers = DigitsLayers(viewer)
        self.data = PathField("digits", "digits", "bundled digits")
        self.data.setToolTip(
            "MNIST as .npz, IDX files or their folder; empty: digits that come with scikit-learn"
        )
        self.budget = DigitsBudget()
        self.folder = PathField("digits results", "folder", "not kept")
        self.folder.setToolTip("Folder for figures.json, pictures and weights; empty: nothing is written")
        rows = form()
        rows.addRow("Data", self.data)
        rows.addRow("Budget", self.budget)
        rows.addRow("Results", self.folder)
        self.advanced = QCollapsible("Advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.advanced.setDuration(0)  # while it moves it does not follow its content
        self.form: SettingsForm | None = None
        self.advanced.toggled.connect(self._unfold)
        self.start_button, self.stop_button = QPushButton("Start"), QPushButton("Stop")
        self.start_button.setToolTip("Learn digits without labels; the window stays free")
        self.stop_button.setToolTip("End; with a folder for results the weights so far are kept")
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.stop_button)
        self.progress = ProgressRow()
        self.status = paragraph()
        self.figures = paragraph()
        self.figures.setToolTip("Whose digit the 5 nearest embeddings tell, beside the 5 nearest pictures")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 4, 0, 0)
        self.body.setSpacing(8)
        self.body.addLayout(rows)
        self.body.addWidget(self.advanced)
        self.body.addLayout(buttons)
        for widget in (self.progress, self.status, self.figures):
            self.body.addWidget(widget)
        self.plot: Any = None
        self._plot_place = self.body.count()
        self.body.addStretch(1)
        self._mine = False  # whether the dock's job is this tab's
        self._note = ""
        self._told: dict[str, float] = {}
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.data.set_path(remembered("digits/data"))
        self.update_buttons()

    def settings(self) -> DigitsSettings:
        """Return what the fields say.

        Raises
        ------
        SettingsError
            If a setting is out of its limits, or two contradict each other.
        """
        values = self.form.values() if self.form is not None else {}
        epochs, minutes = self.budget.values()
        try:
            return DigitsSettings.model_validate(values | {"epochs": epochs, "minutes": minutes})
        except ValidationError as error:
            raise SettingsError(explain(error)) from error

    def start(self) -> None:
        """Read the digits and learn."""
        if self.dock.busy:
            return
        settings = self.dock.attempt("Learning digits", self.settings)
        if settings is None:
            self.status.setText(self.dock.status.text())
            return
        source, text = self.data.path(), self.folder.path()
        out = Path(text).expanduser() if text else None
        remember("digits/data", source)
        self._show_plot()
        self.figures.setText("")
        self.progress.begin("starting …")
        self.status.setText("Reading the digits (the first time takes a few seconds) …")
        self._mine, self._note, self._told = True, "", {}

        def start() -> Iterator[Event]:
            from napari_dense_ssl.playground.digits import learn_digits, read_digits

            return learn_digits(read_digits(source or None), settings, out)

        self.dock.run("Learning digits", start, happened=self._happened, ended=self._ended)
        self.update_buttons()

    def stop(self) -> None:
        """End at the next step."""
        if self._mine:
            self.dock.stop_job(self.status)

    def update_buttons(self) -> None:
        """Enable what can be done now; the dock calls it too, since it runs other jobs as well."""
        busy = self.dock.busy
        stopping = busy and self.dock.job is not None and self.dock.job.stopping
        self.start_button.setEnabled(not busy)
        self.stop_button.setEnabled(busy and self._mine and not stopping)

    def _happened(self, event: Event) -> None:
        match event:
            case Started(details=details):
                self._note = (
                    f"{details['training_images']} images of {details['digits']}, {details['device']}."
                )
                self.status.setText(self._note)
                if self.data.path():
                    add_recent("digits", self.data.path())
                    self.data.refresh()
            case Step():
                self.progress.advance(event)
                curves = {_CURVES[name]: value for name, value in event.losses.items() if name in _CURVES}
                self.plot.add(event.index, curves | self._told)
                if self.dock.job is not None and not self.dock.job.stopping:
                    phase = _PHASES[2 if "mse" in event.losses else 1]
                    self.status.setText(
                        f"{phase}: step {event.index}, {event.samples_per_second:.3g} images/s. {self._note}"
                    )
            case Pictured(picture=picture) if hasattr(picture, "raw_knn"):
                self.layers.show(picture.view)
                self.figures.setText(final_text(picture))
            case Pictured(picture=picture):
                if picture.knn is not None:  # held until the next look
                    self._told = {"k-NN accuracy": picture.knn.accuracy}
                self.layers.show(picture)
                self.figures.setText(live_text(picture))
            case Noted(message=message):
                self.progress.begin("measuring …")
                self.status.setText(f"{message[:1].upper()}{message[1:]} …")
            case Finished(path=path):
                where = "" if path is None else f" Pictures, figures and weights are in {path}."
                self.status.setText(f"Done; measured on the test images.{where}")
                if path is not None:
                    add_recent("digits results", str(path))
                    self.folder.refresh()
            case _:
                pass

    def _ended(self, outcome: Outcome) -> None:
        words = {Outcome.FINISHED: "done", Outcome.STOPPED: "stopped", Outcome.FAILED: "failed"}
        self.progress.finish(words[outcome])
        if outcome is Outcome.FAILED and self.dock.job is not None:
            self.status.setText(self.dock.job.message)
        elif outcome is Outcome.STOPPED:
            kept = f" The weights are in {self.folder.path()}." if self.folder.path() else ""
            self.status.setText(f"Stopped; nothing was measured on the test images.{kept}")
        self._mine = False
        self.update_buttons()

    def _unfold(self, _: bool) -> None:
        if self.form is None:  # made when first seen: most people never look
            self.form = SettingsForm(DigitsSettings, leave_out=_IN_FRONT)
            self.advanced.addWidget(self.form)
            self.form.show()  # styled, rows are higher: now, not when Qt comes to it
            QTimer.singleShot(0, self._settle)

    def _settle(self) -> None:
        """Open as far as the form is high, which is known once it is laid out."""
        if self.advanced.isExpanded():
            self.advanced.expand(animate=False)

    def _show_plot(self) -> None:
        if self.plot is None:
            # pyqtgraph takes a while to import
            from napari_dense_ssl.gui.plot import CurvePlot, Quantity
            from napari_dense_ssl.gui.training_plots import SHARE, is_share

            self.plot = CurvePlot(Quantity("loss", ""), SHARE, is_share)
            self.body.insertWidget(self._plot_place, self.plot)
            self._recolour()
        self.plot.clear()

    def _recolour(self) -> None:
        if self.plot is not None:
            self.plot.set_colour(get_theme(self.viewer.theme).text.as_hex())
        self.layers.recolour()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow napari's theme, which comes as a style sheet."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "plot"):
            self._recolour()


class DigitsBudget(QWidget):
    """As long as the data need, or a number of epochs or minutes."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = shrinkable(QComboBox())
        self.unit.addItems(["automatic", "epochs", "minutes"])
        self.unit.setToolTip("Automatic: each image 40 times, or 600,000 images where that is less")
        self.number = NumberBox()
        self.number.setRange(0.01, 1e6)
        self.number.setValue(10)
        self.number.setToolTip("Epochs: how often each image is seen. Minutes: of both phases")
        self.number.setEnabled(False)
        self.unit.currentIndexChanged.connect(lambda index: self.number.setEnabled(index > 0))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.unit, 1)
        layout.addWidget(self.number, 1)

    def values(self) -> tuple[int | None, float | None]:
        """Return (epochs, minutes), at most one of them a number."""
        number = float(self.number.value())
        match self.unit.currentText():
            case "epochs":
                return max(1, round(number)), None
            case "minutes":
                return None, number
            case _:
                return None, None

    def set_values(self, epochs: int | None, minutes: float | None) -> None:
        """Show a budget."""
        self.unit.setCurrentText("epochs" if epochs else "minutes" if minutes else "automatic")
        self.number.setValue(epochs or minutes or 10)


def live_text(view: DigitsView) -> str:
    """Return the figures of a look, for a label."""
    told = (
        ""
        if view.knn is None
        else f"k-NN so far <b>{view.knn.accuracy:.3f}</b> (a sample of training images) · "
    )
    return f"{told}effective rank {view.effective_rank:.1f}"


def final_text(result: DigitsResult) -> str:
    """Return the figures of a run as a small table, for a label."""
    names = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1"}
    raw = result.raw_knn.as_dict()
    cells = "".join(
        f"<tr><td>{names[name]}&nbsp;&nbsp;</td><td><b>{value:.4f}</b>&nbsp;&nbsp;</td><td>{raw[name]:.4f}</td></tr>"
        for name, value in result.knn.as_dict().items()
    )
    return (
        "<table><tr><td>k-NN, k = 5&nbsp;&nbsp;</td><td>embedding&nbsp;&nbsp;</td><td>pixels</td></tr>"
        f"{cells}</table>Effective rank {result.effective_rank:.1f} · reconstruction error {result.mse:.4f} "
        f"(mean image {result.mean_mse:.4f})"
    )
