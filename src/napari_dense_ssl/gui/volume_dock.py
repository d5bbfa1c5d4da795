"""The Volume dock: open a volume of any format, see what it is, say how large its voxels are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_dense_ssl.core.errors import DatasetChoiceError, DenseSSLError, PlaneChoiceError
from napari_dense_ssl.core.events import Event, Finished, Started
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.facts import FactsTable
from napari_dense_ssl.gui.fields import PathField, TripleField, form, paragraph, shrinkable
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import KEY, layer_data
from napari_dense_ssl.gui.looking import Findings, Wish, look
from napari_dense_ssl.gui.messages import report
from napari_dense_ssl.gui.remember import add_recent, remember, remembered

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.volume import Volume

_LOOK_MS = 400  # after the last key stroke
_HINT = (
    "Type a path, browse for it, or drop a file or a folder here; sample:em is a synthetic volume to try"
    " things on."
)


class VolumeDock(Dock):
    """Path, dataset, facts, voxel size, and a button that adds the layer."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.volume: Volume | None = None
        self._labels: tuple[str, ...] = ()
        self.path = PathField("volumes", "volume", "path, URL or sample:em")
        self.path.setToolTip(
            "OME-Zarr, Zarr, N5 or Neuroglancer precomputed, here or at a URL (http, s3, gs); HDF5, MRC,"
            " TIFF, a folder of slices, or sample:em"
        )
        self.dataset = shrinkable(QComboBox())
        self.dataset.setToolTip("Which of the volumes in this file or group")
        self.planes = {"channel": QSpinBox(), "timepoint": QSpinBox()}
        for name, what in (("channel", "channels"), ("timepoint", "time points")):
            self.planes[name].setToolTip(f"Which of the {what}, counted from 0")
        self.facts = FactsTable()
        self.voxels = TripleField("edge length of a voxel in nm")
        self.size_note = paragraph()
        self.with_labels = QCheckBox()
        self.with_labels.setChecked(True)
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Add the volume to the viewer; nothing but what is in view is read")
        self._rows = form()
        self._rows.addRow("Volume", self.path)
        self._rows.addRow("Dataset", self.dataset)
        self._rows.addRow("Channel", self.planes["channel"])
        self._rows.addRow("Time point", self.planes["timepoint"])
        self.body.addLayout(self._rows)
        self.details = QWidget()  # what there is to see and do once a volume is found
        column = QVBoxLayout(self.details)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.facts)
        below = form()
        below.addRow("Voxel size", self.voxels)
        column.addLayout(below)
        for widget in (self.size_note, self.with_labels, self.open_button):
            column.addWidget(widget)
        self.body.addWidget(self.details)
        self.body.addWidget(self.status)
        self.body.addStretch(1)
        self.setAcceptDrops(True)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_MS)
        # A path that is still being typed is no mistake yet: only a whole one is worth a notification.
        self._timer.timeout.connect(self.look)
        self.path.changed.connect(self._typed)
        self.path.chosen.connect(self._chosen)
        self.dataset.activated.connect(self._dataset_chosen)
        for box in self.planes.values():
            box.valueChanged.connect(self._plane_chosen)
        self.voxels.changed.connect(self._show_extent)
        self.open_button.clicked.connect(self.open)
        self.shortcut("Ctrl+Return", self.open_button, "Open")
        self.shortcut("Ctrl+L", self._edit_path, "Go to the path")
        self._forget()

    # -- looking ---------------------------------------------------------------------------------------

    def look(self, *, loudly: bool = False) -> None:
        """Open the path in a worker, and show what was found.

        Parameters
        ----------
        loudly : bool
            Whether an error is worth a notification; it is shown in the dock anyway.
        """
        self._timer.stop()
        if not self.path.path():
            self._forget()
            return
        wish = self._wish()
        found = Findings()

        def happened(event: Event) -> None:
            if isinstance(event, Started):
                self._show_found(found)

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FAILED and self.job is not None:
                self.status.setText(self.job.message)
            elif outcome is Outcome.FINISHED and found.error is not None:
                self._show_error(found.error, loudly)
            elif outcome is Outcome.FINISHED:
                self.facts.show_on_disk(found.bytes_on_disk)

        self.status.setText("Looking …")
        self.run("Looking at the volume", lambda: look(wish, found), happened=happened, ended=ended)

    def _wish(self) -> Wish:
        dataset = self.dataset.currentData() if self.dataset.count() else None
        planes = {name: box.value() for name, box in self.planes.items() if not box.isHidden()}
        return Wish(self.path.path(), dataset, planes)

    def _show_found(self, found: Findings) -> None:
        volume = found.volume
        assert volume is not None
        self.volume, self._labels = volume, found.labels
        self._show_datasets(found.datasets, volume.dataset)
        known = volume.voxel_size_known
        self.voxels.blockSignals(True)
        self.voxels.set_values(volume.voxel_size)
        typed = "" if known else remembered(self._size_key())
        if typed:
            z, y, x = map(float, typed.split(","))
            self.voxels.set_values((z, y, x))
        self.voxels.blockSignals(False)
        self.voxels.setEnabled(not known)
        self.size_note.setText(
            "Taken over from the file."
            if known
            else "As entered last time; the file does not say."
            if typed
            else "The file does not say how large its voxels are: enter their edges here."
        )
        self.facts.show_volume(volume, self._voxel_size())
        self.facts.show_on_disk(None, counting=True)
        count = len(found.labels)
        self.with_labels.setVisible(count > 0)
        self.with_labels.setText(
            "Also open its labels" if count == 1 else f"Also open its {count} label images"
        )
        self.with_labels.setToolTip(", ".join(name.rpartition("/")[2] for name in found.labels))
        self.status.setText(" ".join(found.notes))
        self.open_button.setEnabled(True)
        self.details.show()

    def _show_error(self, error: DenseSSLError, loudly: bool) -> None:
        self.details.hide()
        match error:
            case DatasetChoiceError():
                self._show_datasets(error.datasets)
                self.status.setText(
                    f"This file holds {len(error.datasets)} volumes; choose one under Dataset."
                )
            case PlaneChoiceError():
                box = self.planes[error.axis]
                box.blockSignals(True)
                box.setRange(0, error.count - 1)
                box.setSuffix(f" (0 to {error.count - 1})")
                box.setValue(0)
                box.blockSignals(False)
                self._show_row(box, True)
                self.look(loudly=loudly)
            case _:
                self.status.setText(report(error, "Looking at the volume") if loudly else str(error))

    def _show_datasets(self, datasets: tuple[str, ...], chosen: str | None = None) -> None:
        self.dataset.blockSignals(True)
        self.dataset.clear()
        if len(datasets) > 1:
            if chosen is None:
                self.dataset.addItem("choose …", None)
            for name in datasets:
                self.dataset.addItem(name, name)
            self.dataset.setCurrentIndex(max(0, self.dataset.findData(chosen)))
        self.dataset.blockSignals(False)
        self._show_row(self.dataset, len(datasets) > 1)

    def _show_row(self, widget: QWidget, visible: bool) -> None:
        for part in (widget, self._rows.labelForField(widget)):
            part.setVisible(visible)

    def _forget_planes(self) -> None:
        for box in self.planes.values():
            self._show_row(box, False)

    def _forget(self) -> None:
        self.drop()
        self.volume, self._labels = None, ()
        self._show_datasets(())
        self._forget_planes()
        self._forget_facts()
        # while a path is typed the table stays, so that nothing jumps
        self.details.setVisible(self.details.isVisible() and bool(self.path.path()))
        self.status.setText("" if self.path.path() else _HINT)

    def _forget_facts(self) -> None:
        self.facts.clear()
        self.size_note.setText("")
        self.voxels.setEnabled(False)
        self.with_labels.setVisible(False)
        self.open_button.setEnabled(False)

    def _typed(self, _: str) -> None:
        self._forget()
        self._timer.start()

    def _chosen(self, _: str) -> None:
        self.look(loudly=True)

    def _dataset_chosen(self, _: int) -> None:
        self.volume = None
        self._forget_planes()
        self._forget_facts()
        self.look(loudly=True)

    def _plane_chosen(self, _: int) -> None:
        self._forget_facts()
        self.look(loudly=True)

    # -- voxel size ------------------------------------------------------------------------------------

    def _voxel_size(self) -> tuple[float, float, float] | None:
        """Return what the file or the user says, nm; None where neither does."""
        volume = self.volume
        if volume is None:
            return None
        size = self.voxels.values()
        # untouched, it is still unknown, and shown in pixels
        return size if volume.voxel_size_known or size != tuple(volume.voxel_size) else None

    def _show_extent(self) -> None:
        if self.volume is not None:
            self.facts.show_extent(self.volume.shape, self._voxel_size())

    def _size_key(self) -> str:
        wish = self._wish()
        which = f"{wish.path}:{wish.dataset or ''}".encode()
        return f"voxel_size_{hashlib.sha1(which, usedforsecurity=False).hexdigest()[:16]}"

    # -- opening ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Add the volume's layer, and its labels'; contrast limits are sampled in a worker."""
        volume = self.volume
        if volume is None:
            return
        size = None if volume.voxel_size_known else self._voxel_size()
        wish = self._wish()
        labels = self._labels if self.with_labels.isChecked() else ()
        made: list[Any] = []

        def start() -> Iterator[Event]:
            made.append(_one_plane(layer_data(wish.open(size)), wish.planes))
            made.extend(layer_data(Wish(wish.path, name).open(size)) for name in labels)
            yield Finished(None)

        def ended(outcome: Outcome) -> None:
            self.open_button.setEnabled(True)
            if outcome is Outcome.FINISHED:
                self._add(made)
                if size is not None:
                    remember(self._size_key(), ",".join(f"{edge:.9g}" for edge in size))
            elif self.job is not None:
                self.status.setText(self.job.message)

        self.open_button.setEnabled(False)
        self.status.setText("Reading a sample for the contrast …")
        self.run("Opening the volume", start, happened=lambda _: None, ended=ended)

    def _add(self, layers: list[tuple[Any, dict[str, Any], str]]) -> None:
        first = len(self.viewer.layers) == 0
        for data, keywords, kind in layers:
            add = self.viewer.add_labels if kind == "labels" else self.viewer.add_image
            add(data, **keywords)
        if first:
            # napari starts in the middle of the stack, but counts in its own units; be sure of it.
            self.viewer.dims.point = [(r.start + r.stop) / 2 for r in self.viewer.dims.range]
        names = [str(keywords["name"]) for _, keywords, _ in layers]
        what = "the layer" if len(names) == 1 else "the layers"
        self.status.setText(f"Opened as {what} {' and '.join(names)}.")
        add_recent("volumes", self.path.path())
        self.path.refresh()

    # -- keyboard and mouse ----------------------------------------------------------------------------

    def _edit_path(self) -> None:
        self.path.setFocus()
        self.path.box.lineEdit().selectAll()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Welcome a file anywhere in the dock."""
        self.path.dragEnterEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Look at it."""
        self.path.dropEvent(event)


def _one_plane(
    layer: tuple[Any, dict[str, Any], str], planes: dict[str, int]
) -> tuple[Any, dict[str, Any], str]:
    """Say in a layer's name which channel and time point it is.

    Its metadata then name no file: jobs would open that without the choice; they take the layer's arrays.
    """
    data, keywords, kind = layer
    if planes:
        which = ", ".join(f"{name} {index}" for name, index in planes.items())
        keywords |= {
            "name": f"{keywords['name']} {which}",
            "metadata": {KEY: {"format": keywords["metadata"][KEY]["format"]}},
        }
    return data, keywords, kind
