"""Fields that several docks use: a path, a layer, progress with time left, three numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from napari_dense_ssl.core.events import Step
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.gui.remember import recent

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer


def shrinkable(box: QComboBox) -> QComboBox:
    """Let a combo box be narrower than its longest entry, which is elided then."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def form() -> QFormLayout:
    """Return a form whose fields grow and whose long rows wrap: labels keep what room they need."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(6)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


def paragraph(text: str = "") -> QLabel:
    """Return a label for sentences: wrapped, selectable, no wider than the dock."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def duration(seconds: float) -> str:
    """Return a time for people: ``"45 s"``, ``"3 min 10 s"``, ``"2 h 5 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size_text(count: float) -> str:
    """Return a number of bytes for people, in powers of 1000: ``"20.97 MB"``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.4g} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


_OFFERS = {
    "volume": ("File (HDF5, MRC, TIFF) …", "Folder (OME-Zarr, Zarr, TIFF or PNG slices) …"),
    "digits": ("File (npz, IDX) …", "Folder (of IDX files) …"),
}


class PathField(QWidget):
    """A path to type, to choose from recent ones, or to browse for.

    Parameters
    ----------
    kind : str
        Under which name paths are remembered.
    browse : {"volume", "digits", "folder"}
        What the button offers: a file or a folder, or folders only.
    """

    changed = Signal(str)

    def __init__(self, kind: str, browse: Literal["volume", "digits", "folder"], hint: str) -> None:
        super().__init__()
        self.kind = kind
        self.box = shrinkable(QComboBox())
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.box.lineEdit().setPlaceholderText(hint)
        self.box.lineEdit().setClearButtonEnabled(True)
        self.button = QToolButton()
        self.button.setText("Browse")
        self.button.setToolTip("Look for it on disk")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.box, 1)
        layout.addWidget(self.button)
        if browse in _OFFERS:
            menu = QMenu(self.button)
            file, folder = _OFFERS[browse]
            menu.addAction(file, self.browse_file)
            menu.addAction(folder, self.browse_folder)
            self.button.setMenu(menu)
            self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            self.button.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # it covers the text
        else:
            self.button.clicked.connect(self.browse_folder)
        self.refresh()
        self.set_path("")
        self.box.editTextChanged.connect(self._tell)

    def path(self) -> str:
        """Return what the field says, without blanks around it."""
        return str(self.box.currentText()).strip()

    def set_path(self, path: str) -> None:
        """Put a path into the field."""
        self.box.setEditText(path)
        self.box.setToolTip(path)

    def refresh(self) -> None:
        """Take over the recent paths."""
        now = self.path()
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItems(recent(self.kind))
        self.box.blockSignals(False)
        self.box.setEditText(now)

    def browse_file(self) -> None:
        """Ask for a file."""
        path, _ = QFileDialog.getOpenFileName(self, "Choose a file", self._start())
        if path:
            self.set_path(path)

    def browse_folder(self) -> None:
        """Ask for a folder."""
        path = QFileDialog.getExistingDirectory(self, "Choose a folder", self._start())
        if path:
            self.set_path(path)

    def _start(self) -> str:
        path = Path(self.path()) if self.path() else Path.home()
        return str(path if path.is_dir() else path.parent)

    def _tell(self, text: str) -> None:
        self.box.setToolTip(text)
        self.changed.emit(text)


def is_source(layer: Layer) -> bool:
    """Whether a layer is an image that maps can be made of: any image but our own error maps."""
    return isinstance(layer, Image) and "run" not in layer.metadata.get(KEY, {})


class LayerField(QComboBox):
    """The layers of a viewer of some kind, by identity: renaming and reordering keep the choice.

    Parameters
    ----------
    viewer : napari.Viewer
    accepts : callable
        Which layers are offered.
    """

    layer_changed = Signal()

    def __init__(self, viewer: Viewer, accepts: Callable[[Any], bool] = is_source) -> None:
        super().__init__()
        shrinkable(self)
        self.viewer, self.accepts = viewer, accepts
        for signal in self._signals():
            signal.connect(self.refresh)
        self.currentIndexChanged.connect(lambda _: self.layer_changed.emit())
        self.refresh()

    def _signals(self) -> tuple[Any, ...]:
        events = self.viewer.layers.events
        return events.inserted, events.removed, events.reordered, events.renamed

    def disconnect_viewer(self) -> None:
        """Stop following the viewer's layers."""
        for signal in self._signals():
            signal.disconnect(self.refresh)

    def refresh(self, event: Any = None) -> None:
        """Offer the layers that there are now, the topmost first."""
        before = self.currentData()
        layers = [layer for layer in reversed(list(self.viewer.layers)) if self.accepts(layer)]
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            self.addItem(layer.name, str(layer.unique_id))
            self.setItemData(self.count() - 1, layer.name, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(max(0, self.findData(before)) if layers else -1)
        self.blockSignals(False)
        if self.currentData() != before:
            self.layer_changed.emit()

    def choose(self, layer: Layer) -> None:
        """Choose a layer."""
        self.setCurrentIndex(self.findData(str(layer.unique_id)))

    def layer(self) -> Any:
        """Return the chosen layer, or None."""
        return find_layer(self.viewer, self.currentData())


def find_layer(viewer: Viewer, identity: str | None) -> Any:
    """Return the layer of that unique id, or None where it was deleted."""
    return next((layer for layer in viewer.layers if str(layer.unique_id) == identity), None)


class NumberBox(QDoubleSpinBox):
    """Any real number, shown as short as it can be written: ``0.0003``, ``2e-06``."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(12)
        self.setRange(-1e300, 1e300)
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Return the number as text."""
        return f"{value:.9g}"

    def valueFromText(self, text: str) -> float:  # noqa: N802 - Qt's name
        """Return the number that was typed; the one before where it is none."""
        try:
            return float(text.removesuffix(self.suffix()).strip())
        except ValueError:
            return float(self.value())

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let scientific notation through while it is typed."""
        try:
            number = float(text.removesuffix(self.suffix()).strip())
        except ValueError:
            return QValidator.State.Intermediate, text, position
        inside = self.minimum() <= number <= self.maximum()
        return (QValidator.State.Acceptable if inside else QValidator.State.Intermediate), text, position


class TripleField(QWidget):
    """Three lengths, Z Y X, in nm."""

    changed = Signal()

    def __init__(self, tip: str) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.boxes = []
        for axis in "ZYX":
            box = NumberBox()
            box.setRange(1e-4, 1e7)
            box.setValue(1.0)
            box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            box.setToolTip(f"{axis}: {tip}")
            box.setAccessibleName(f"{axis}, nm")
            box.setStyleSheet("min-width: 44px")  # napari's style asks for 90, too much for three
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.valueChanged.connect(self.changed)
            layout.addWidget(box)
            self.boxes.append(box)
        layout.addWidget(QLabel("nm"))

    def values(self) -> tuple[float, float, float]:
        """Return the three, nm."""
        z, y, x = (float(box.value()) for box in self.boxes)
        return z, y, x

    def set_values(self, values: tuple[float, float, float]) -> None:
        """Show three, nm."""
        for box, value in zip(self.boxes, values, strict=True):
            box.setValue(value)


class ProgressRow(QProgressBar):
    """A bar that says the share done and the time left; busy where neither is known yet."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(True)
        self.setMinimumHeight(20)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self.setRange(0, 1000)
        self.setValue(0)
        self.setFormat("")
        self.setEnabled(False)

    def begin(self, text: str) -> None:
        """Show that something runs whose end is not known yet."""
        self.setEnabled(True)
        self.setRange(0, 0)
        self.setFormat(text)

    def advance(self, step: Step) -> None:
        """Show how far a job is."""
        self.setEnabled(True)
        self.setRange(0, 1000)
        self.setValue(round(1000 * step.fraction))
        left = f" · {duration(step.seconds_left)} left" if step.seconds_left is not None else ""
        self.setFormat(f"{100 * step.fraction:.0f} %{left}")

    def finish(self, text: str) -> None:
        """Show that it ended; the bar stays where it was."""
        if self.maximum() == 0:
            self.setRange(0, 1000)
            self.setValue(0)
        self.setEnabled(True)
        self.setFormat(text)
