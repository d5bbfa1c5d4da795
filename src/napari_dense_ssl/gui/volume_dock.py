"""The Volume dock: open a volume of any format, see what it is, say how large its voxels are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QWidget
from superqt import QElidingLabel

from napari_dense_ssl.core.errors import DatasetChoiceError
from napari_dense_ssl.core.events import Event, Finished
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.fields import PathField, TripleField, form, paragraph, shrinkable, size_text
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import layer_data
from napari_dense_ssl.gui.remember import add_recent

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.volume import Volume

_LOOK_MS = 400  # after the last key stroke


class VolumeDock(Dock):
    """Path, dataset, facts, voxel size, and a button that adds the layer."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.volume: Volume | None = None
        self.path = PathField("volumes", "volume", "file, folder, or sample:em")
        self.path.setToolTip("OME-Zarr, Zarr, HDF5, MRC, TIFF, a folder of slices, or sample:em")
        self.dataset = shrinkable(QComboBox())
        self.dataset.setToolTip("Which of the volumes in this file or group")
        self.voxels = TripleField("edge length of a voxel in nm")
        self.size_note = paragraph()
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Add the volume to the viewer; nothing but what is in view is read")
        self.facts = FactsTable()
        rows = form()
        rows.addRow("Volume", self.path)
        rows.addRow("Dataset", self.dataset)
        self._rows = rows
        self.body.addLayout(rows)
        self.body.addWidget(self.facts)
        below = form()
        below.addRow("Voxel size", self.voxels)
        self.body.addLayout(below)
        self.body.addWidget(self.size_note)
        self.body.addWidget(self.open_button)
        self.body.addWidget(self.status)
        self.body.addStretch(1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self.path.changed.connect(lambda _: self._forget())
        self.path.changed.connect(lambda _: self._timer.start())
        self.path.box.lineEdit().returnPressed.connect(self.look)
        self.dataset.activated.connect(lambda _: self.look())
        self.open_button.clicked.connect(self.open)
        self._show_datasets(())
        self._forget()

    # -- looking ---------------------------------------------------------------------------------------

    def look(self) -> None:
        """Open the path in a worker, and show what was found."""
        self._timer.stop()
        path = self.path.path()
        if not path:
            self._forget()
            return
        dataset = self.dataset.currentData() if self.dataset.count() else None
        found: list[Any] = []

        def start() -> Iterator[Event]:
            from napari_dense_ssl.volume import list_datasets, open_volume

            try:
                volume = open_volume(path, dataset=dataset)
            except DatasetChoiceError as choice:
                found.append(choice)
            else:
                found.append((volume, list_datasets(path), size_on_disk(path)))
            yield Finished(None)

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                self._found(found[0])
            elif self.job is not None:
                self.status.setText(self.job.message)

        self.status.setText("Looking …")
        self.run("Looking at the volume", start, happened=lambda _: None, ended=ended)

    def _found(self, what: Any) -> None:
        if isinstance(what, DatasetChoiceError):
            self._show_datasets(what.datasets)
            self.status.setText(f"This file holds {len(what.datasets)} volumes; choose one under Dataset.")
            return
        volume, datasets, on_disk = what
        self.volume = volume
        self._show_datasets(datasets, volume.dataset)
        self.facts.show_volume(volume, on_disk)
        self.voxels.set_values(tuple(volume.voxel_size))
        self.voxels.setEnabled(not volume.voxel_size_known)
        self.size_note.setText(
            "Taken over from the file."
            if volume.voxel_size_known
            else "The file does not say how large its voxels are: enter their edges here."
        )
        self.status.setText(" ".join(volume.notes))
        self.open_button.setEnabled(True)

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
        for widget in (self.dataset, self._rows.labelForField(self.dataset)):
            widget.setVisible(len(datasets) > 1)

    def _forget(self) -> None:
        self.volume = None
        self._show_datasets(())
        self.facts.clear()
        self.size_note.setText("")
        self.status.setText("")
        self.voxels.setEnabled(False)
        self.open_button.setEnabled(False)

    # -- opening ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Add the volume's layer; its contrast limits are sampled in a worker."""
        volume = self.volume
        if volume is None:
            return
        size = None if volume.voxel_size_known else self.voxels.values()
        if size == tuple(volume.voxel_size):  # untouched: still unknown, and shown in pixels
            size = None
        source, dataset = volume.source, volume.dataset
        made: list[Any] = []

        def start() -> Iterator[Event]:
            from napari_dense_ssl.volume import open_volume

            made.append(layer_data(open_volume(source, dataset=dataset, voxel_size=size)))
            yield Finished(None)

        def ended(outcome: Outcome) -> None:
            self.open_button.setEnabled(True)
            if outcome is Outcome.FINISHED:
                self._add(made[0])
            elif self.job is not None:
                self.status.setText(self.job.message)

        self.open_button.setEnabled(False)
        self.status.setText("Reading a sample for the contrast …")
        self.run("Opening the volume", start, happened=lambda _: None, ended=ended)

    def _add(self, layer: tuple[Any, dict[str, Any], str]) -> None:
        data, keywords, kind = layer
        add = self.viewer.add_labels if kind == "labels" else self.viewer.add_image
        first = len(self.viewer.layers) == 0
        add(data, **keywords)
        if first:
            # napari starts in the middle of the stack, but counts in its own units; be sure of it.
            self.viewer.dims.point = [(r.start + r.stop) / 2 for r in self.viewer.dims.range]
        self.status.setText(f"Opened as the layer {keywords['name']}.")
        add_recent("volumes", self.path.path())
        self.path.box.blockSignals(True)
        self.path.refresh()
        self.path.box.blockSignals(False)


class FactsTable(QWidget):
    """What is known of a volume: names on the left, values that elide on the right."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self.values: dict[str, QElidingLabel] = {}
        for row, name in enumerate(
            ("Format", "Shape", "Type", "Chunks", "Levels", "Extent", "On disk", "In memory")
        ):
            label = QLabel(name)
            value = QElidingLabel("–")
            value.setElideMode(Qt.TextElideMode.ElideMiddle)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(label, row, 0)
            self._grid.addWidget(value, row, 1)
            self.values[name] = value

    def clear(self) -> None:
        """Show nothing."""
        for value in self.values.values():
            value.setText("–")
            value.setToolTip("")

    def show_volume(self, volume: Volume, on_disk: int | None) -> None:
        """Show a volume's facts; `on_disk` in bytes."""
        extent = " × ".join(
            f"{n * s / 1000:.4g}" for n, s in zip(volume.shape, volume.voxel_size, strict=True)
        )
        levels = len(volume.levels)
        texts = {
            "Format": volume.format,
            "Shape": f"{' × '.join(map(str, volume.shape))} voxels (Z Y X)",
            "Type": str(volume.dtype),
            "Chunks": f"{' × '.join(map(str, volume.chunks))} voxels",
            "Levels": f"{levels} ({'pyramid' if levels > 1 else 'no pyramid'})",
            "Extent": f"{extent} µm" if volume.voxel_size_known else "unknown",
            "On disk": "–" if on_disk is None else size_text(on_disk),
            "In memory": f"{size_text(volume.nbytes)} (finest level)",
        }
        for name, text in texts.items():
            self.values[name].setText(text)
            self.values[name].setToolTip(text)


def size_on_disk(path: str, limit: int = 20_000) -> int | None:
    """Return how much room a path takes, bytes; None where it is no file, or has too many files to count."""
    place = Path(path).expanduser()
    if place.is_file():
        return place.stat().st_size
    if not place.is_dir():
        return None
    total, count = 0, 0
    for folder, _, names in os.walk(place):
        for name in names:
            total += (Path(folder) / name).stat().st_size
            count += 1
            if count > limit:
                return None
    return total
