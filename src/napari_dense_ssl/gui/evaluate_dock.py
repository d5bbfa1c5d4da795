"""The Evaluate dock: against truth, the audit of a run, objects; a tab each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QSizePolicy, QTabWidget

from napari_dense_ssl.gui.audit_tab import AuditTab
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.job_tab import JobTab
from napari_dense_ssl.gui.objects_tab import ObjectsTab
from napari_dense_ssl.gui.truth_tab import TruthTab

if TYPE_CHECKING:
    from napari import Viewer


class EvaluateDock(Dock):
    """How good is it, and what is in it. One job runs at a time, whichever tab it is of."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.tabs = QTabWidget()
        self._parts: list[JobTab] = []
        self.truth = TruthTab(napari_viewer, self)
        self.audit = AuditTab(napari_viewer, self)
        self.objects = ObjectsTab(napari_viewer, self)
        self._parts = [self.truth, self.audit, self.objects]
        for part, title, tip in (
            (self.truth, "Truth", "A prediction against labels that are known"),
            (
                self.audit,
                "Audit",
                "Whether a run's classes follow the image or the place in the crop",
            ),
            (self.objects, "Objects", "Connected components of a class, cells between membranes"),
        ):
            self.tabs.addTab(part, title)
            self.tabs.setTabToolTip(self.tabs.count() - 1, tip)
        self.tabs.currentChanged.connect(self._fit_tabs)
        self._fit_tabs()
        self.body.addWidget(self.tabs)
        self.shortcut("Ctrl+Return", self._start, "Start what the tab in front does")
        self.shortcut("Ctrl+.", self._stop, "Stop")
        self.update_buttons()

    def _fit_tabs(self, *_: int) -> None:
        """Let the tab in front alone say how high the dock is."""
        for part in self._parts:
            part.in_front = part is self._front
            kind = QSizePolicy.Policy.Preferred if part.in_front else QSizePolicy.Policy.Ignored
            part.setSizePolicy(QSizePolicy.Policy.Preferred, kind)
            part.updateGeometry()

    @property
    def _front(self) -> JobTab:
        place: int = self.tabs.currentIndex()
        return self._parts[max(0, place)]

    def _start(self) -> None:
        self._front.start_button.click()

    def _stop(self) -> None:
        for part in self._parts:
            part.stop()

    def update_buttons(self) -> None:
        """Enable what can be done now, in all tabs."""
        for part in self._parts:
            part.update_buttons()

    def shut(self) -> None:
        """Let go of the viewer and of the session, stop the job; layers stay."""
        self.truth.shut()
        self.audit.shut()
        super().shut()
