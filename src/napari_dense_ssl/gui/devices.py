"""A field for the device; which there are is asked for only when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator

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
            self.addItem(f"{kind}: {description}, {size_text(free)} free", kind)
        self.setCurrentIndex(max(0, self.findData(chosen)))
