"""What a person does with the docks, from a file to another program: with the mouse and the keyboard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QColorDialog, QFileDialog, QLineEdit
from scipy import ndimage

from napari_dense_ssl.gui.layers import KEY

from .real import make_small

LONG = 1_200_000  # ms; machines may be busy
STEPS = 30
GROUPS = 8
NAMES = {1: "membrane", 2: "glia", 3: "mitochondrion", 4: "vesicles", 5: "cytoplasm"}
COLOURS = {
    1: (230, 60, 40),
    2: (60, 180, 75),
    3: (255, 225, 25),
    4: (0, 130, 200),
    5: (145, 30, 180),
}
_STROKE = (5, 11)  # rows and columns of one label that a stroke needs, px


@dataclass(frozen=True)
class Tissue:
    """A volume to tell a story with, and what a person who knows it would see in it.

    Attributes
    ----------
    path, name : str
        What is opened, and what its layer is called.
    truth_path : str
    truth : ndarray, (Z, Y, X)
        Labels as in :data:`NAMES`.
    voxel_size : tuple of float or None
        To be typed, nm; None where the file has it.
    """

    path: str
    name: str
    truth_path: str
    truth: np.ndarray[Any, Any]
    voxel_size: tuple[float, float, float] | None

    @property
    def trained(self) -> int:
        """Slices that are trained, scribbled and named on; the others are scored."""
        return len(self.truth) * 3 // 4


@dataclass
class Person:
    """Sits before a window of napari; what file dialogs ask is answered by :attr:`answer`."""

    qtbot: Any
    viewer: Any
    open_dock: Callable[..., Any]
    monkeypatch: Any
    answer: Path = field(default=Path())

    def __post_init__(self) -> None:
        dialogs = {"getSaveFileName": lambda *_, **__: (str(self.answer), "")}
        dialogs["getExistingDirectory"] = lambda *_, **__: str(self.answer)
        for name, asked in dialogs.items():
            self.monkeypatch.setattr(QFileDialog, name, asked)

    def dock(self, name: str) -> Any:
        return self.open_dock(self.viewer, name, tabify=True)

    def click(self, button: Any) -> None:
        assert button.isEnabled(), button.text()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=LONG)

    def press(self, widget: Any, key: Qt.Key, times: int = 1) -> None:
        for _ in range(times):
            self.qtbot.keyClick(widget, key)

    def type_into_cell(self, table: Any, index: Any, text: str) -> None:
        """Double-click a cell, type over what it says, and press Return."""
        table.scrollTo(index)
        place = table.visualRect(index).center()
        self.qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        editor = table.viewport().findChild(QLineEdit)
        editor.selectAll()
        self.qtbot.keyClicks(editor, text)
        self.press(editor, Qt.Key.Key_Return)
        self.wait(lambda: table.viewport().findChild(QLineEdit) is None)  # Qt takes it over a moment later

    def look_at_all(self) -> None:
        """Bring all of the plane into view, whatever the window's size."""
        self.viewer.reset_view()
        self.viewer.scene.camera.zoom *= 0.9

    def go_to(self, z: int) -> None:
        self.viewer.dims.set_current_step(0, z)

    def drag(self, layer: Any, points: Sequence[tuple[float, float, float]]) -> None:
        """Press the left button over a voxel of a layer, move over others, and let go."""
        canvas = self.viewer.__wrapped__.window._qt_viewer.canvas.native
        self.wait(lambda: tuple(self.viewer.canvas.size) == (canvas.height(), canvas.width()))
        height, width = canvas.height(), canvas.width()
        camera = self.viewer.scene.camera
        offsets = np.array([layer.data_to_world(p)[-2:] for p in points]) - np.array(camera.center[-2:])
        places = [QPoint(round(width / 2 + x), round(height / 2 + y)) for y, x in offsets * camera.zoom]
        self.qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=places[0])
        for place in places[1:]:
            self.qtbot.mouseMove(canvas, place)
            self.qtbot.wait(20)  # moves that come at once are taken for one
        self.qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=places[-1])


def finest(layer: Any) -> np.ndarray[Any, Any]:
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


# -- a volume and its classes ------------------------------------------------------------------------------


def opens(person: Person, tissue: Tissue) -> Any:
    """Open the volume through its dock; return its layer."""
    dock = person.dock("Volume")
    dock.path.set_path(tissue.path)
    person.wait(dock.open_button.isEnabled)
    if tissue.voxel_size is not None:
        dock.voxels.set_values(tissue.voxel_size)
    person.click(dock.open_button)
    person.wait(lambda: tissue.name in person.viewer.layers)
    person.look_at_all()
    return person.viewer.layers[tissue.name]


def trains_on_a_part(person: Person, tissue: Tissue, run: Path) -> None:
    """Train on the first slices; watch the class map follow to two other slices, and stop."""
    viewer, dock = person.viewer, person.dock("Train")
    make_small(dock, steps=100_000)
    # With the 2000 of other tests the classes are read by a fit to 1000 pixels, and most of them never occur.
    dock.form.editors["objective"].editors["codebook_pixels"].set_value(20_000)
    dock.classes.setValue(12)
    dock.region.choice.setCurrentIndex(1)
    dock.region.last.setValue(tissue.trained - 1)
    dock.folder.set_path(str(run))
    person.click(dock.start_button)
    person.wait(lambda: f"{tissue.name} classes (live)" in viewer.layers)
    live = viewer.layers[f"{tissue.name} classes (live)"]
    for z in (1, 3):
        person.go_to(z)
        person.wait(lambda z=z: bool(np.asarray(live.data[z]).any()))
    person.wait(lambda: live.metadata[KEY].get("step", 0) >= STEPS)
    person.click(dock.stop_button)
    person.wait(lambda: not dock.busy)
    assert (run / "checkpoints").is_dir()
    viewer.layers.remove(live)


def looks_through(person: Person, tissue: Tissue) -> Any:
    """Follow through two slices; return the Classes dock, and leave what is trusted least faded."""
    viewer, dock = person.viewer, person.dock("Classes")
    dock.follow.setChecked(True)
    for z in (3, 1):
        person.go_to(z)
        person.wait(lambda z=z: dock.view_line.text() == f"Slice {z}: computed")
        seen = finest(viewer.layers[f"{tissue.name} classes"])[z]
        assert seen.min() >= 1
    error = finest(viewer.layers[f"{tissue.name} equivariance error (0 to 1)"])[1]
    dock.trust.set_value(round(float(np.quantile(error.astype(np.float32), 0.9)), 2))
    shown = finest(viewer.layers[f"{tissue.name} classes"])[1]
    assert 0 < (shown == 0).mean() < 0.5, "least trusted pixels are not shown"
    dock.trust.set_value(1.0)
    dock.follow.setChecked(False)
    return dock


def cuts_the_tree(person: Person, dock: Any) -> None:
    """Find groups, move the slider to :data:`GROUPS` with the keyboard, and back until enough are seen."""
    person.click(dock.groups.find_button)
    person.wait(lambda: not dock.busy)
    slider = dock.groups.slider
    person.press(slider, Qt.Key.Key_Left, slider.maximum() - GROUPS)
    assert len(dock.look.model.book.groups) == GROUPS
    dock.look.show_figures()
    while len(dock.table.rows.labels) < len(NAMES):  # a network of a few steps may tell few things apart
        assert slider.value() < slider.maximum(), "the map has fewer classes than there are names"
        person.press(slider, Qt.Key.Key_Right, 1)
        dock.look.show_figures()


def names_five_groups(person: Person, dock: Any, map_: Any, tissue: Tissue) -> dict[str, tuple[int, ...]]:
    """Give the five groups that are most like a class of the tissue its name and colour, and merge the rest.

    Returns
    -------
    dict
        Labels of each named group.
    """
    model = dock.look.model
    occurring = set(dock.table.rows.labels)
    likeness = like_the_truth(model.book, finest(map_)[1], tissue.truth[1], occurring)
    for label, leader in likeness.items():
        row = dock.table.rows.labels.index(leader)
        index = dock.table.sorted.mapFromSource(dock.table.rows.index(row, 0))
        person.type_into_cell(dock.table.view, index, NAMES[label])
        chosen = colour_dialog(COLOURS[label])
        person.monkeypatch.setattr(QColorDialog, "getColor", chosen)
        dock.table.select([leader])
        dock.naming.colour_action.trigger()
    others = [label for label in dock.table.rows.labels if not model.book.is_named(label - 1)]
    if len(others) > 1:
        dock.table.select(others)
        person.click(dock.groups.merge_button)
    return {NAMES[label]: model.members(leader) for label, leader in likeness.items()}


def like_the_truth(
    book: Any, plane: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], occurring: set[int]
) -> dict[int, int]:
    """Match each true label with one group, named by its least label, for the greatest overlap."""
    from scipy.optimize import linear_sum_assignment

    groups = book.lookup()[plane]
    table = np.zeros((6, len(book.groups) + 1), np.int64)
    np.add.at(table, (truth, groups), 1)
    table[:, 1:][:, [group[0] + 1 not in occurring for group in book.groups]] = -1  # of no row to name
    labels, columns = linear_sum_assignment(table[1:, 1:], maximize=True)
    return {int(label) + 1: book.groups[column][0] + 1 for label, column in zip(labels, columns, strict=True)}


def colour_dialog(rgb: tuple[int, int, int]) -> Callable[..., Any]:
    from qtpy.QtGui import QColor

    return lambda *_, **__: QColor(*rgb)


def writes_the_classes(person: Person, dock: Any, tissue: Tissue, out: Path) -> Any:
    """Write the class map of the whole volume; return its layer."""
    person.answer = out
    person.click(dock.whole_button)
    person.wait(lambda: not dock.busy)
    assert dock.status.text().startswith(f"The whole volume is in {out}."), dock.status.text()
    layer = person.viewer.layers[f"{tissue.name} classes"]
    assert layer.metadata[KEY]["out"] == str(out)
    return layer


# -- ten strokes -------------------------------------------------------------------------------------------


def places_to_scribble(tissue: Tissue, label: int) -> list[tuple[int, int, int]]:
    """Return the middle of the widest places of a label, in two slices where there are two."""
    found = []
    for z in range(tissue.trained):
        room = ndimage.binary_erosion(tissue.truth[z] == label, np.ones(_STROKE))
        if room.any():
            depth = ndimage.distance_transform_edt(room)
            y, x = np.unravel_index(int(depth.argmax()), depth.shape)
            found.append((float(depth[y, x]), (z, int(y), int(x))))
    found.sort(reverse=True)
    assert len(found) >= 2, f"{NAMES[label]} has room for a stroke in {len(found)} slices"
    return [place for _, place in found[:2]]


def scribbles(person: Person, tissue: Tissue) -> Any:
    """Paint two strokes of each of five labels on the canvas, with the mouse; return the Scribble dock."""
    dock = person.dock("Scribble")
    person.click(dock.new_button)
    layer = dock.scribbles.layer()
    table = dock.table.table
    while table.rowCount() < len(NAMES):
        person.click(dock.table.add_button)
    strokes = [(place, label) for label in NAMES for place in places_to_scribble(tissue, label)]
    for label, name in NAMES.items():
        person.type_into_cell(table, table.model().index(label - 1, 0), name)
    person.look_at_all()
    for (z, y, x), label in sorted(strokes):
        person.go_to(z)
        table.selectRow(label - 1)
        assert (layer.mode, layer.selected_label) == ("paint", label)
        layer.brush_size = 2
        before, centre = int((layer.data[z] == label).sum()), person.viewer.scene.camera.center
        person.drag(layer, [(z, y, x + step) for step in range(-3, 4)])
        assert int((layer.data[z] == label).sum()) >= before + 14, f"a stroke of {NAMES[label]} at {z, y, x}"
        assert person.viewer.scene.camera.center == centre, "the brush does not move the view"
    assert {z for (z, _, _), _ in strokes} != {0}
    person.wait(lambda: "segmented after" in dock.view_line.text())
    return dock


def segments_the_whole(person: Person, dock: Any, tissue: Tissue, out: Path) -> Any:
    """Segment the whole stack into an OME-Zarr; return its layer."""
    person.answer = out
    person.click(dock.apply_button)
    person.wait(lambda: not dock.busy)
    assert dock.status.text() == f"The segmentation is in {out}."
    return person.viewer.layers[f"{tissue.name} segmentation ({out.stem})"]


# -- figures, and other programs ---------------------------------------------------------------------------


def scores(person: Person, tissue: Tissue, layer: Any, folder: Path, named: bool) -> dict[str, Any]:
    """Compare a layer with the truth in the slices that were not trained on; return the saved figures."""
    dock = person.dock("Evaluate")
    tab = dock.truth
    tab.prediction.layer.choose(layer)
    tab.truth.use_file.setChecked(True)
    tab.truth.path.set_path(tissue.truth_path)
    tab.named.setChecked(named)
    tab.score.choice.setCurrentIndex(1)
    tab.score.first.setValue(tissue.trained)
    tab.score.last.setValue(len(tissue.truth) - 1)
    person.click(tab.start_button)
    person.wait(lambda: not dock.busy)
    assert tab.found is not None, dock.truth.status.text()
    person.answer = folder
    person.click(tab.save_button)
    figures: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return figures


def exports(person: Person, run: Path, package: Path) -> None:
    """Write the run as a bioimage.io package."""
    dock = person.dock("Share")
    assert Path(dock.run_field.path()) == run
    dock.authors.setText("Ada Lovelace (Analytical Engines)")
    person.answer = package
    person.click(dock.export_button)
    person.wait(lambda: not dock.busy)
    assert str(package) in dock.status.text()


def seen_in_a_fresh_window(plugin: str, *paths: Path) -> list[dict[str, Any]]:
    """Open files with one plugin's reader in a process of its own; return what its layers look like."""
    script = Path(__file__).with_name("fresh_window.py")
    command = [sys.executable, str(script), plugin, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    layers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return layers
