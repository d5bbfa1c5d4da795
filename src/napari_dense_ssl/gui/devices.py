"""A field for the device; which there are is asked for only when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_dense_ssl.core.events import Event, Finished
from napari_dense_ssl.gui.fields import shrinkable, size_text
from napari_dense_ssl.gui.job import Job, Outcome


class DeviceField(QComboBox):
    """``auto`` at first; opening the list asks torch, in a worker, for devices and their free memory."""

    def __init__(self) -> None:
        super().__init__()
        shrinkable(self)
        self.addItem("auto", "auto")
        self.setToolTip("Where to compute; auto takes the fastest there is. Open the list to see free memory")
        self._job: Job | None = None
        self._found: list[tuple[str, str, int]] = []

    def kind(self) -> str:
        """Return the chosen device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``."""
        return str(self.currentData())

    def choose(self, kind: str) -> None:
        """Choose a device, whether it was found here or not: the training says where it is not."""
        if self.findData(kind) < 0:
            self.addItem(kind, kind)
        self.setCurrentIndex(self.findData(kind))

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Open the list, and ask for the devices anew: free memory changes."""
        super().showPopup()
        self.probe()

    def probe(self) -> None:
        """Ask which devices there are."""
        if self._job is not None and self._job.running:
            return
        found = self._found = []

        def start() -> Iterator[Event]:
            from napari_dense_ssl.model.device import available_devices

            found.extend(available_devices())
            yield Finished(None)

        self._job = Job("Asking for devices", start)
        self._job.ended.connect(self._show)
        self._job.start()

    def _show(self, outcome: Outcome) -> None:
        if outcome is not Outcome.FINISHED:
            return
        chosen = self.kind()
        while self.count() > 1:
            self.removeItem(1)
        for kind, description, free in self._found:
            text = f"{kind}: {description}, {size_text(free)} free"
            self.addItem(text, kind)
            self.setItemData(self.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
        self.choose(chosen)
