"""Fields that several docks use: a path, a layer, progress with time left, numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QCompleter,
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

from napari_dense_ssl.core.events import Event, Finished, Step
from napari_dense_ssl.gui.job import Job
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.gui.numbers import NumberBox as NumberBox
from napari_dense_ssl.gui.numbers import TripleField as TripleField
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


class Paragraph(QLabel):
    """A label for sentences: wrapped, inside of long paths too, which Qt would cut off."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.setText(text)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show a text; long words may be broken behind any character that is no letter or digit."""
        self._plain = text
        super().setText(_LONG_WORD.sub(lambda word: _BREAK.sub("\\g<0>\u200b", word.group()), text))

    def text(self) -> str:
        """Return the text as it was given."""
        return self._plain


_LONG_WORD = re.compile(r"\S{25,}")
_BREAK = re.compile(r"[^\w<>&;]|_|\w{24}")


def paragraph(text: str = "") -> QLabel:
    """Return a label for sentences: wrapped, selectable, no wider than the dock."""
    label = Paragraph(text)
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
    "package": ("Package (zip file) …", "Run folder …"),
}


class RecentBox(QComboBox):
    """A field to type into, with recent entries; says when its list is opened."""

    opened = Signal()

    def __init__(self) -> None:
        super().__init__()
        shrinkable(self)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.completer().setCompletionMode(QCompleter.CompletionMode.PopupCompletion)

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list, wide enough for most paths."""
        self.view().setMinimumWidth(min(480, self.view().sizeHintForColumn(0) + 24))
        super().showPopup()
        self.opened.emit()


class PathField(QWidget):
    """A path to type, to choose from recent ones, to browse for, or to drop.

    Parameters
    ----------
    kind : str
        Under which name paths are remembered.
    browse : {"volume", "digits", "package", "folder"}
        What the button offers: a file or a folder, or folders only.

    Attributes
    ----------
    changed : Signal(str)
        At each change of the text.
    chosen : Signal(str)
        When a path is complete: after Return, browsing, dropping, or from the recent ones.
    """

    changed = Signal(str)
    chosen = Signal(str)

    def __init__(
        self, kind: str, browse: Literal["volume", "digits", "package", "folder"], hint: str
    ) -> None:
        super().__init__()
        self.kind = kind
        self.box = RecentBox()
        line = self.box.lineEdit()
        line.setPlaceholderText(hint)
        line.setClearButtonEnabled(True)
        for widget in (line, self.box):  # else they take a dropped file as text
            widget.setAcceptDrops(False)
        self.setAcceptDrops(True)
        self.setFocusProxy(self.box)
        self._looking: Job | None = None
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
        self.box.activated.connect(lambda _: self.chosen.emit(self.path()))
        line.returnPressed.connect(lambda: self.chosen.emit(self.path()))
        self.box.opened.connect(self.mark_missing)

    def path(self) -> str:
        """Return what the field says, without blanks and quotes around it."""
        return str(self.box.currentText()).strip().strip("\"'")

    def set_path(self, path: str) -> None:
        """Put a path into the field."""
        self.box.setEditText(path)
        self.box.setToolTip(path)

    def choose(self, path: str) -> None:
        """Put a whole path into the field, and say so."""
        self.set_path(path)
        self.chosen.emit(path)

    def refresh(self) -> None:
        """Take over the recent paths; what is typed stays, so nobody is told of a change."""
        now = self.path()
        self.box.blockSignals(True)
        self.box.clear()
        for path in recent(self.kind):
            self.box.addItem(path)
            self.box.setItemData(self.box.count() - 1, path, Qt.ItemDataRole.ToolTipRole)
        self.box.setCurrentIndex(-1)
        self.box.setEditText(now)
        self.box.blockSignals(False)

    def mark_missing(self) -> None:
        """Grey out the recent paths that are not there now; looked up in a worker, for disks may be slow."""
        if self._looking is not None and self._looking.running:
            return
        paths = [self.box.itemText(i) for i in range(self.box.count())]
        missing: list[str] = []

        def start() -> Iterator[Event]:
            missing.extend(path for path in paths if is_missing(path))
            yield Finished(None)

        self._missing = missing
        self._looking = Job("Looking for recent paths", start)
        self._looking.ended.connect(self._show_missing)
        self._looking.start()

    def _show_missing(self, _: object) -> None:
        # A box whose current entry changes puts that entry's text over what was typed.
        now = self.box.currentText()
        self.box.blockSignals(True)
        self.box.setCurrentIndex(-1)
        for i in range(self.box.count()):
            path = self.box.itemText(i)
            gone = path in self._missing
            self.box.model().item(i).setEnabled(not gone)
            tip = f"Not there now: {path}" if gone else path
            self.box.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
        self.box.setEditText(now)
        self.box.blockSignals(False)

    def browse_file(self) -> None:
        """Ask for a file."""
        path, _ = QFileDialog.getOpenFileName(self, "Choose a file", self._start())
        if path:
            self.choose(path)

    def browse_folder(self) -> None:
        """Ask for a folder."""
        path = QFileDialog.getExistingDirectory(self, "Choose a folder", self._start())
        if path:
            self.choose(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Welcome one file, folder or location."""
        if len(event.mimeData().urls()) == 1:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Take over its path."""
        (url,) = event.mimeData().urls()
        event.acceptProposedAction()
        self.choose(str(Path(url.toLocalFile())) if url.isLocalFile() else url.toString())

    def _start(self) -> str:
        path = Path(self.path()) if self.path() else Path.home()
        return str(path if path.is_dir() else path.parent)

    def _tell(self, text: str) -> None:
        self.box.setToolTip(text)
        self.changed.emit(text)


def is_missing(path: str) -> bool:
    """Whether a path on this machine leads nowhere; samples and remote locations are not looked for."""
    return "://" not in path and not path.startswith("sample:") and not Path(path).expanduser().exists()


def is_source(layer: Layer) -> bool:
    """Whether a layer is an image that maps can be made of: any image but those that were made of another.

    Of ours only volumes that were read have a format; error maps and the Playground's pictures have none.
    An error map that was read from a prediction on disk is no source either.
    """
    facts = layer.metadata.get(KEY, {})
    made = bool(facts) and ("format" not in facts or "run" in facts or facts.get("predicted", False))
    return isinstance(layer, Image) and not made


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
        layers = self.layers()
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            self.addItem(layer.name, str(layer.unique_id))
            self.setItemData(self.count() - 1, layer.name, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(max(0, self.findData(before)) if layers else -1)
        self.blockSignals(False)
        if self.currentData() != before:
            self.layer_changed.emit()

    def layers(self) -> list[Any]:
        """Return the layers that are offered, the topmost first."""
        return [layer for layer in reversed(list(self.viewer.layers)) if self.accepts(layer)]

    def choose(self, layer: Layer) -> None:
        """Choose a layer."""
        self.setCurrentIndex(self.findData(str(layer.unique_id)))

    def layer(self) -> Any:
        """Return the chosen layer, or None."""
        return find_layer(self.viewer, self.currentData())


def find_layer(viewer: Viewer, identity: str | None) -> Any:
    """Return the layer of that unique id, or None where it was deleted."""
    return next((layer for layer in viewer.layers if str(layer.unique_id) == identity), None)


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
