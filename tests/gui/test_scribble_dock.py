"""The Scribble dock, opened as the menu opens it, painted on as a person paints."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QFileDialog, QWidget
from torch import Tensor, nn

from napari_dense_ssl.core.errors import ScribbleError
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.gui.prediction import PredictorKeeper
from napari_dense_ssl.gui.scribble_classes import numbers_of
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.model.device import Device
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.sparse_labels import SparseLabels
from napari_dense_ssl.volume import open_volume

SEGMENTATION, UNCERTAINTY, SCRIBBLES = "em segmentation", "em uncertainty (0 to 1)", "em scribbles"


class Grey(nn.Module):
    """Looks at one pixel at a time."""

    slices, classes, feature_channels, multiple, default_halo = 1, 2, 2, 8, 8

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([images, -images], 1), torch.cat([images, images.abs()], 1)


@pytest.fixture
def stack() -> np.ndarray:
    """Dark on the left of column 64, bright on its right, with noise that makes some pixels uncertain."""
    noise = np.random.default_rng(0).normal(0, 30, (6, 96, 128))
    return np.clip(np.where(np.arange(128) < 64, 80, 170) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def dock(em_viewer, open_dock, tmp_path, monkeypatch):
    engine = Predictor(Grey(), Device("cpu", "32"))
    monkeypatch.setattr(PredictorKeeper, "open", lambda self, run, device: engine)
    (tmp_path / "run").mkdir()  # while a path leads nowhere it is still being typed
    runs_of_session().add(str(tmp_path / "run"))
    made = open_dock(em_viewer, "Scribble")
    made.advanced.expand(animate=False)
    made.form.editors["classifier"].set_value("discriminants")  # one answer, at once
    made.form.editors["features"].set_value("embedding")  # grey values, whose noise leaves some pixels unsure
    em_viewer.scene.camera.center = (0, 10 + 48 * 5, 20 + 64 * 5)
    em_viewer.scene.camera.zoom = min(em_viewer.canvas.size) / (200 * 5)
    return made


def start(qtbot, dock) -> None:
    """Press New, and wait until what is in view is encoded."""
    qtbot.mouseClick(dock.new_button, Qt.MouseButton.LeftButton)
    assert dock.follow.isChecked()
    qtbot.waitUntil(lambda: dock.view_line.text().startswith("Ready"))


def stroke(dock, label: int, column: int, z: int = 3, row: int = 40) -> None:
    """A short line, as one stroke of napari's brush."""
    layer = dock.scribbles.layer()
    layer.brush_size = 3
    with layer.block_history():
        for x in range(column, column + 12, 2):
            layer.paint((z, row, x), label)


def segmented(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: "segmented after" in dock.view_line.text())


def shown(viewer, z: int, name: str = SEGMENTATION) -> np.ndarray:
    return np.asarray(viewer.layers[name].data[z])


def two_strokes(qtbot, dock) -> None:
    start(qtbot, dock)
    stroke(dock, 1, 20)
    stroke(dock, 2, 100)
    segmented(qtbot, dock)


TRUTH = np.where(np.arange(128) < 64, 1, 2)


def test_strokes_with_the_mouse_become_a_segmentation(qtbot, em_viewer, dock, errors):
    start(qtbot, dock)
    layer = dock.scribbles.layer()
    assert layer.mode == "paint"
    assert isinstance(layer.data, SparseLabels)
    np.testing.assert_allclose(layer.scale, (50, 5, 5))
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    canvas = em_viewer.__wrapped__.window._qt_viewer.canvas.native
    height, width = em_viewer.canvas.size
    middle, pixel = QPoint(width // 2, height // 2), em_viewer.scene.camera.zoom * 5
    centre = em_viewer.scene.camera.center
    for label, side in ((1, -30), (2, 30)):
        dock.table.table.selectRow(label - 1)
        assert layer.selected_label == label
        layer.brush_size = 4
        place = middle + QPoint(round(side * pixel), 0)
        qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=place)
        for step in range(1, 6):
            qtbot.mouseMove(canvas, place + QPoint(0, round(2 * step * pixel)))
            qtbot.wait(20)  # moves that come at once are taken for one
        qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=place + QPoint(0, round(10 * pixel)))
        assert em_viewer.scene.camera.center == centre, "the brush does not move the view"
        assert np.ptp(np.nonzero(layer.data[3] == label)[0]) >= 10, "and paints what it is drawn over"
    assert set(np.unique(layer.data[3])) == {0, 1, 2}
    segmented(qtbot, dock)
    assert (shown(em_viewer, 3) == TRUTH).mean() > 0.85
    unsure = shown(em_viewer, 3, UNCERTAINTY)
    assert 0 <= unsure.min() <= unsure.max() <= 0.5
    assert em_viewer.layers[UNCERTAINTY].metadata[KEY]["unit"] == "share"
    assert em_viewer.layers[-1].name == SCRIBBLES, "the scribbles stay on top"
    assert dock.table.text(1, 1) == f"{(layer.data[3] == 1).sum():,}"
    share = (shown(em_viewer, 3) == 1).mean()
    assert dock.table.text(1, 2) == f"{100 * share:.1f} %"
    assert errors() == []


def test_an_undone_stroke_and_another_slice(qtbot, em_viewer, dock):
    two_strokes(qtbot, dock)
    layer = dock.scribbles.layer()
    stroke(dock, 3, 50)
    qtbot.waitUntil(lambda: 3 in shown(em_viewer, 3))
    layer.undo()
    qtbot.waitUntil(lambda: 3 not in shown(em_viewer, 3))
    assert dock.table.text(3, 1) == "–"
    layer.redo()
    qtbot.waitUntil(lambda: 3 in shown(em_viewer, 3))
    em_viewer.dims.set_current_step(0, 5)
    qtbot.waitUntil(lambda: bool(shown(em_viewer, 5).any()))
    while dock.table.text(1, 1) != "–":
        layer.undo()
        dock.ask()
    qtbot.waitUntil(lambda: dock.view_line.text().startswith(("Ready", "Scribble with")))


def test_names_and_colours(qtbot, em_viewer, dock, monkeypatch):
    two_strokes(qtbot, dock)
    dock.table.table.item(0, 0).setText("cytoplasm")
    assert dock.labels.name(1) == "cytoplasm"
    assert list(em_viewer.layers[SEGMENTATION].features["name"])[1] == "cytoplasm"
    dock.table.table.selectRow(0)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor(0, 0, 255))
    qtbot.mouseClick(dock.table.colour_button, Qt.MouseButton.LeftButton)
    for name in (SEGMENTATION, SCRIBBLES):
        np.testing.assert_allclose(em_viewer.layers[name].colormap.map(1)[:3], (0, 0, 1), atol=1e-6)
    dock.scribbles.layer().selected_label = 7
    assert dock.table.label() == 7, "napari's own label box chooses the row"


def test_where_to_scribble_next(qtbot, em_viewer, dock):
    two_strokes(qtbot, dock)
    qtbot.mouseClick(dock.suggest_button, Qt.MouseButton.LeftButton)
    assert "uncertainty" in dock.status.text()
    first = dock.guide.suggestions[0].place
    np.testing.assert_allclose(
        em_viewer.scene.camera.center[-2:], (10 + first[1] * 5, 20 + first[2] * 5), atol=1e-6
    )
    marks = em_viewer.layers["em where to scribble next"]
    np.testing.assert_allclose(marks.data[0], first)
    np.testing.assert_allclose(marks.scale, (50, 5, 5))


def test_a_class_as_a_scribble(qtbot, em_viewer, dock, stack, errors):
    start(qtbot, dock)
    dock.classes.scribble([1])
    assert "no class map" in errors()[-1]
    classes = np.where(stack > 125, 8, 4).astype(np.uint8)
    identity = str(em_viewer.layers["em"].unique_id)
    em_viewer.add_labels(
        classes,
        name="map",
        scale=(50, 5, 5),
        metadata={KEY: {"kind": "classes", "of_id": identity, "run": "r"}},
    )
    dock.table.table.selectRow(1)
    dock.pick_field.setText("7")
    qtbot.keyClick(dock.pick_field, Qt.Key.Key_Return)
    drawn = dock.scribbles.layer().data[3]
    assert (drawn == 2).sum() == 500
    assert (classes[3][drawn == 2] == 8).all()
    dock.table.table.selectRow(0)
    dock.pick_button.setChecked(True)
    assert dock.scribbles.layer().mode == "pan_zoom", "a click picks, it does not paint"
    dock.classes._picked(4)
    assert not dock.pick_button.isChecked()
    assert (classes[3][dock.scribbles.layer().data[3] == 1] == 4).all()
    segmented(qtbot, dock)
    dock.scribbles.layer().undo()
    assert not (dock.scribbles.layer().data[3] == 1).any(), "it is one stroke"
    assert numbers_of("3, 7-9") == [3, 7, 8, 9]
    dock.pick_field.setText("3, x")
    qtbot.keyClick(dock.pick_field, Qt.Key.Key_Return)
    assert "no list of classes" in errors()[-1]


def test_saved_and_loaded(qtbot, em_viewer, dock, tmp_path, errors):
    two_strokes(qtbot, dock)
    before = np.asarray(dock.scribbles.layer().data)
    dock.labels.rename(2, "bright")
    dock.store.save(tmp_path / "s.tif")
    qtbot.waitUntil(lambda: not dock.busy)
    assert (tmp_path / "s.tif").is_file()
    dock.labels.rename(2, "")
    em_viewer.layers.remove(SCRIBBLES)
    assert not dock.follow.isChecked()
    dock.store.load(str(tmp_path / "s.tif"))
    qtbot.waitUntil(lambda: not dock.busy and SCRIBBLES in em_viewer.layers)
    np.testing.assert_array_equal(np.asarray(dock.scribbles.layer().data), before)
    assert dock.labels.name(2) == "bright"
    segmented(qtbot, dock)
    em_viewer.add_labels(before.astype(int), name="theirs")
    dock.load_menu.aboutToShow.emit()
    action = next(a for a in dock.load_menu.actions() if a.text() == "Layer theirs")
    action.trigger()
    np.testing.assert_array_equal(np.asarray(dock.scribbles.layer().data), before)
    assert errors() == []


def test_a_region_to_disk_with_volumes(qtbot, em_viewer, dock, tmp_path, monkeypatch, errors):
    two_strokes(qtbot, dock)
    dock.labels.rename(2, "bright")
    live = shown(em_viewer, 3).copy()
    out = tmp_path / "seg.zarr"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(out), ""))
    dock.region.choice.setCurrentIndex(1)
    dock.region.first.setValue(2)
    dock.region.last.setValue(4)
    qtbot.mouseClick(dock.apply_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.busy)
    written = open_volume(out, dataset="labels/segmentation").data.compute()
    assert not written[:2].any()
    assert not written[5:].any()
    assert written[2:5].all()
    assert (written[3] == live).mean() > 0.999, "the region gets what was seen"
    voxels = int((written == 1).sum())
    assert dock.table.text(1, 3) == f"{voxels * 50 * 5 * 5 / 1e9:.4g}"
    label = zarr.open_group(str(out / "labels" / "segmentation"), mode="r").attrs["ome"]["image-label"]
    assert [p["name"] for p in label["properties"]] == ["label 1", "bright"]
    assert [c["label-value"] for c in label["colors"]] == [1, 2]
    assert label["source"] == {"image": "../../"}
    layer = em_viewer.layers["em segmentation (seg)"]
    np.testing.assert_allclose(layer.translate, em_viewer.layers["em"].translate)
    table = tmp_path / "counts.csv"

    def asked(parent: QWidget, *_: object) -> tuple[str, str]:
        assert isinstance(parent, QWidget), "Qt takes nothing else"
        return str(table), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", asked)
    qtbot.mouseClick(dock.table.save_button, Qt.MouseButton.LeftButton)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["slice"] for row in rows} == {"2", "3", "4", "all"}
    assert errors() == []


def test_what_cannot_be_done_is_said(qtbot, em_viewer, dock, errors, tmp_path: Path):
    em_viewer.add_image(np.zeros((3, 20, 20), np.uint8), name="other")
    dock.layer.choose(em_viewer.layers["other"])
    qtbot.mouseClick(dock.new_button, Qt.MouseButton.LeftButton)
    dock.follow.setChecked(False)
    dock.layer.choose(em_viewer.layers["em"])
    dock.follow.setChecked(True)
    assert "has the shape (3, 20, 20)" in errors()[-1]
    assert not dock.follow.isChecked()
    dock.output.apply()
    assert "has the shape (3, 20, 20)" in errors()[-1]
    dock.store.load(str(tmp_path / "none.tif"))
    qtbot.waitUntil(lambda: not dock.busy)
    assert "none.tif" in errors()[-1]
    em_viewer.layers.clear()
    assert not dock.new_button.isEnabled()


def test_painting_on_two_hundred_gigabytes(qtbot, em_viewer, dock):
    """What napari calls while it paints, fills, undoes and shows, on an array that nobody could allocate."""
    data = SparseLabels((20_000, 4_000, 2_500))
    layer = em_viewer.add_labels(data, name="huge")
    em_viewer.dims.set_point(0, 7_000)
    layer.brush_size = 9
    layer.paint((7_000, 100, 100), 3)
    assert (data[7_000] == 3).sum() > 60
    assert layer.get_value((7_000, 100, 100)) == 3
    layer.data_setitem((np.array([7_000]), np.array([5]), np.array([6])), 2)
    layer.fill((7_000, 100, 100), 4)
    assert data[7_000, 100, 100] == 4
    layer.undo()
    assert data[7_000, 100, 100] == 3
    layer.undo()
    assert data[7_000, 5, 6] == 0
    layer.redo()
    assert data[7_000, 5, 6] == 2
    with pytest.raises(ScribbleError, match="look at slices"):
        em_viewer.dims.ndisplay = 3
    em_viewer.dims.ndisplay = 2
    layer.paint((7_000, 200, 200), 1)
    assert data[7_000, 200, 200] == 1, "back in the slices all goes on"
