"""Scribbles of the Scribble dock saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog

from napari_dense_ssl.core.events import Event, Step
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import LayerSource
from napari_dense_ssl.gui.scribble_jobs import loaded, saved
from napari_dense_ssl.gui.scribble_layers import is_scribbles
from napari_dense_ssl.predict.sparse_labels import SparseLabels

if TYPE_CHECKING:
    from napari_dense_ssl.gui.scribble_dock import ScribbleDock


class ScribbleStore:
    """Saves the chosen scribbles, and loads others, in the dock's job.

    Parameters
    ----------
    dock : ScribbleDock
    """

    def __init__(self, dock: ScribbleDock) -> None:
        self.dock = dock
        dock.save_button.clicked.connect(self.ask_and_save)
        dock.load_menu.aboutToShow.connect(self.fill_menu)

    def ask_and_save(self) -> None:
        """Ask where, and save there."""
        layer = self.dock.scribbles.layer()
        if layer is None:
            return
        text, _ = QFileDialog.getSaveFileName(
            self.dock,
            "Save the scribbles",
            str(Path.home() / f"{layer.name}.tif"),
            "TIFF (*.tif *.tiff);;OME-Zarr (*.zarr)",
        )
        if text:
            self.save(Path(text))

    def save(self, path: Path) -> None:
        """Save the chosen scribbles as ``.tif`` or ``.zarr``."""
        dock, layer = self.dock, self.dock.scribbles.layer()
        source = dock.attempt("Saving", dock.image)
        if layer is None or source is None:
            return
        labels, facts, world = layer.data, dock.labels.facts(), world_of(source)
        self._run(
            "Saving the scribbles",
            lambda: saved(path, labels, world, facts),
            lambda: dock.status.setText(f"The scribbles are in {path}."),
        )

    def fill_menu(self) -> None:
        """Offer files, and the Labels layers that there are."""
        menu = self.dock.load_menu
        menu.clear()
        menu.addAction("File (TIFF, HDF5, MRC) …", self._browse_file)
        menu.addAction("Folder (OME-Zarr) …", self._browse_folder)
        layers = [
            layer
            for layer in self.dock.viewer.layers
            if isinstance(layer, Labels) and not is_scribbles(layer)
        ]
        if layers:
            menu.addSeparator()
        for layer in reversed(layers):
            # An ampersand in a menu marks a key.
            action = menu.addAction(f"Layer {layer.name}".replace("&", "&&"))
            action.triggered.connect(lambda _=False, layer=layer: self.load_layer(layer))

    def _browse_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.dock, "Scribbles", str(Path.home()))
        if path:
            self.load(path)

    def _browse_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self.dock, "Scribbles (OME-Zarr)", str(Path.home()))
        if path:
            self.load(path)

    def load(self, path: str) -> None:
        """Load scribbles from a file into a layer of their own."""
        dock = self.dock
        source = dock.attempt("Loading", dock.image)
        if source is None:
            return
        found: list[tuple[SparseLabels, dict[str, Any]]] = []

        def done() -> None:
            data, facts = found.pop()
            dock.labels.take(facts)
            dock.adopt(data, source)
            dock.status.setText(f"{len(data.places()[1]):,} scribbled pixels from {path}.")

        self._run("Loading the scribbles", lambda: loaded(path, source.shape, found), done)

    def load_layer(self, layer: Any) -> None:
        """Copy a Labels layer into a layer of scribbles; the layer itself stays as it is."""
        dock = self.dock

        def act() -> None:
            data = layer.data[0] if layer.multiscale else layer.data
            dock.adopt(SparseLabels.of(data), dock.image())
            layer.visible = False

        dock.attempt("Loading the scribbles", act)

    def _run(self, title: str, start: Callable[[], Any], done: Callable[[], None]) -> None:
        dock = self.dock

        def happened(event: Event) -> None:
            if isinstance(event, Step):
                dock.progress.advance(event)

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                dock.progress.finish("done")
                done()
            else:
                failed = outcome is Outcome.FAILED and dock.job is not None
                dock.progress.finish("failed" if failed else "stopped")
                dock.status.setText(dock.job.message if failed and dock.job is not None else "Stopped.")
            dock.update_buttons()

        dock.progress.begin("starting …")
        dock.run(title, start, happened=happened, ended=ended)


def world_of(source: LayerSource) -> Any:
    """Return where an image's voxels lie, as files keep it: in nm where that is known."""
    from napari_dense_ssl.volume import World

    if source.voxel_size is None:
        return World(source.scale, source.translation, None)
    return World(tuple(source.voxel_size), source.translation)
