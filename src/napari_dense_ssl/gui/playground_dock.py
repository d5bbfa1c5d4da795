"""The Playground dock: self-supervised methods at work on data whose truth is known; a tab a kind of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QTabWidget

from napari_dense_ssl.gui.digits_tab import DigitsTab
from napari_dense_ssl.gui.dock import Dock
from napari_dense_ssl.gui.mixture_tab import MixtureTab

if TYPE_CHECKING:
    from napari import Viewer


class PlaygroundDock(Dock):
    """Mixtures in the plane, and digits. One job runs at a time, whichever tab it is of."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.tabs = QTabWidget()
        self.mixture = MixtureTab(napari_viewer, self)
        self.tabs.addTab(self.mixture, "Mixture")
        self.digits = DigitsTab(napari_viewer, self)
        self.tabs.addTab(self.digits, "Digits")
        self.body.addWidget(self.tabs)
        self.update_buttons()

    def update_buttons(self) -> None:
        """Enable what can be done now, in all tabs."""
        for tab in (self.mixture, self.digits):
            tab.update_buttons()

    def shut(self) -> None:
        """Let go of the viewer and stop the job."""
        self.mixture.shut()
        super().shut()
