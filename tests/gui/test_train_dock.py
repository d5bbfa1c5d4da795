"""The Train dock, driven by clicks against an engine that only tells what a real one would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt

import napari_dense_ssl.engine
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.gui.train_dock import TrainState

from .fakes import MAIN, FakeTrain


@pytest.fixture
def engine(monkeypatch) -> FakeTrain:
    fake = FakeTrain()
    monkeypatch.setattr(napari_dense_ssl.engine, "train", fake)
    return fake


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def live(viewer):
    return next((layer for layer in viewer.layers if layer.name == "em classes (live)"), None)


@pytest.fixture
def dock(em_viewer, open_dock):
    dock = open_dock(em_viewer, "Train")
    dock.budget.set_values(None, 1000)
    return dock


def test_a_training_from_start_to_stop(qtbot, em_viewer, dock, engine, errors):
    selected = set(em_viewer.layers.selection)
    camera = em_viewer.scene.camera.zoom, em_viewer.scene.camera.center
    point = em_viewer.dims.point
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: live(em_viewer) is not None, timeout=10_000)
    layer, image = live(em_viewer), em_viewer.layers["em"]
    np.testing.assert_allclose(layer.scale, image.scale)
    np.testing.assert_allclose(layer.translate, image.translate)
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels
    assert np.asarray(layer.data[3]).max() == 4
    assert not np.asarray(layer.data[2]).any()
    assert set(em_viewer.layers.selection) == selected
    assert (em_viewer.scene.camera.zoom, em_viewer.scene.camera.center) == camera
    assert em_viewer.dims.point == point
    assert dock.state is TrainState.RUNNING
    assert not dock.start_button.isEnabled()
    assert not dock.resume_button.isEnabled()
    assert not dock.classes.isEnabled(), "the fields say what is trained"
    qtbot.waitUntil(lambda: "left" in dock.progress.format(), timeout=20_000)

    em_viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: np.asarray(layer.data[1]).max() == 2, timeout=20_000)
    assert not np.asarray(layer.data[3]).any(), "only the newest slice is shown"

    click(qtbot, dock.pause_button)
    qtbot.wait(200)
    count = engine.count
    qtbot.wait(200)
    assert engine.count == count
    assert dock.pause_button.text() == "Continue"
    assert dock.state is TrainState.PAUSED
    assert "Paused" in dock.status.text()
    click(qtbot, dock.pause_button)
    qtbot.waitUntil(lambda: engine.count > count, timeout=20_000)

    click(qtbot, dock.stop_button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=20_000)
    assert dock.start_button.isEnabled()
    assert engine.closed_in
    assert engine.closed_in[0] is not MAIN
    _, out, settings = engine.calls[0]
    assert (settings.steps, settings.minutes) == (1000, None)
    assert str(out) in dock.status.text()
    assert runs_of_session().latest == str(out)
    assert layer.metadata[KEY]["run"] == str(out)
    dock.plot.redraw()
    assert set(dock.plot.values) == {"hidden", "agreement"}
    assert dock.plot.steps == list(range(1, len(dock.plot.steps) + 1))
    assert errors() == []


def test_a_training_that_finishes(qtbot, em_viewer, dock, engine, monkeypatch):
    engine.steps = 12
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: not dock.busy and bool(engine.calls), timeout=10_000)
    assert dock.progress.format() == "done"
    assert dock.state is TrainState.DONE
    assert dock.classes.isEnabled()
    assert dock.progress.value() == 1000


def test_what_the_fields_say_is_what_is_trained(qtbot, em_viewer, dock, engine, tmp_path):
    dock.classes.setValue(7)
    dock.context.setCurrentIndex(dock.context.findData(2))
    dock.budget.set_values(2.5, None)
    dock.folder.set_path(str(tmp_path / "my run"))
    dock.region.choice.setCurrentIndex(1)
    dock.region.first.setValue(1)
    dock.region.last.setValue(4)
    dock.advanced.expand(animate=False)
    dock.form.editors["sampler"].editors["batch"].set_value(3)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: bool(engine.calls), timeout=10_000)
    volume, out, settings = engine.calls[0]
    assert volume.voxel_size == (50, 5, 5)
    assert out == tmp_path / "my run"
    assert (settings.classes, settings.context, settings.minutes, settings.roi) == (
        7,
        2,
        2.5,
        "1:5,0:96,0:128",
    )
    assert settings.sampler.batch == 3


def test_a_box_drawn_in_a_shapes_layer_is_the_region(em_viewer, dock):
    # World: 5 nm a pixel from (10, 20); this rectangle covers rows 4 to 11, columns 8 to 31.
    corners = np.array([[4, 8], [4, 31], [11, 31], [11, 8]]) * 5.0 + (10, 20)
    em_viewer.add_shapes([corners], units=("nm",) * 2, name="where")
    dock.region.choice.setCurrentIndex(2)
    assert dock.region.box(em_viewer.layers["em"]) == Box((0, 4, 8), (6, 12, 32))
    dock.region.last.setValue(2)
    assert dock.settings().roi == "0:3,4:12,8:32"


def test_deleting_the_image_ends_the_training(qtbot, em_viewer, dock, engine, errors):
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: live(em_viewer) is not None, timeout=10_000)
    em_viewer.layers.remove("em")
    qtbot.waitUntil(lambda: not dock.busy, timeout=20_000)
    assert engine.closed_in[0] is not MAIN
    assert (engine.calls[0][1] / "checkpoints").is_dir()
    assert "since the layer em was deleted" in dock.status.text()
    assert str(engine.calls[0][1]) in dock.status.text()
    assert dock.state is TrainState.STOPPED
    assert not dock.start_button.isEnabled()
    assert errors() == []


def test_closing_the_dock_ends_the_training(qtbot, em_viewer, dock, engine, errors):
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: live(em_viewer) is not None, timeout=10_000)
    dock.parent().destroyOnClose()  # what the cross in the dock's title does
    qtbot.waitUntil(lambda: bool(engine.closed_in), timeout=20_000)
    assert engine.closed_in[0] is not MAIN
    em_viewer.dims.set_current_step(0, 0)
    em_viewer.add_image(np.zeros((2, 8, 8)), name="other")
    qtbot.wait(200)
    assert errors() == []


def test_hiding_the_dock_does_not(qtbot, em_viewer, dock, engine):
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: engine.count > 3, timeout=10_000)
    dock.parent().hide()
    count = engine.count
    qtbot.waitUntil(lambda: engine.count > count + 3, timeout=20_000)
    assert not engine.closed_in


def test_closing_the_window_ends_the_training(qtbot, em_viewer, dock, engine, errors):
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: live(em_viewer) is not None, timeout=10_000)
    em_viewer.close()
    qtbot.waitUntil(lambda: bool(engine.closed_in), timeout=20_000)
    assert engine.closed_in[0] is not MAIN
    assert errors() == []


def test_layers_are_followed_by_identity(em_viewer, dock):
    image = em_viewer.layers["em"]
    em_viewer.add_image(np.zeros((3, 8, 8)), name="another")
    dock.layer.choose(image)
    image.name = "renamed"
    em_viewer.layers.move(0, 2)
    assert dock.layer.currentText() == "renamed"
    assert dock.layer.layer() == image
    em_viewer.layers.remove("renamed")
    assert dock.layer.currentText() == "another"
    assert "Ready to train on another: 3 × 8 × 8 voxels" in dock.status.text()
    em_viewer.layers.clear()
    assert dock.layer.layer() is None
    assert not dock.start_button.isEnabled()
    assert dock.state is TrainState.EMPTY
    assert "Open a volume" in dock.status.text()


def test_the_run_that_exists_is_not_overwritten(qtbot, dock, engine, errors, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.yaml").write_text("{}")
    dock.folder.set_path(str(tmp_path / "run"))
    click(qtbot, dock.start_button)
    assert "holds a run already" in errors()[0]
    assert not engine.calls


def test_fields_are_remembered(qtbot, em_viewer, dock, engine, open_dock):
    dock.classes.setValue(11)
    dock.budget.set_values(3, None)
    engine.steps = 1
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: not dock.busy and bool(engine.calls), timeout=10_000)
    dock.parent().destroyOnClose()
    again = open_dock(em_viewer, "Train")
    assert again.classes.value() == 11
    assert again.budget.values() == (3, None)


def test_devices_are_asked_for_when_the_list_opens(qtbot, dock):
    assert [dock.device.itemData(i) for i in range(dock.device.count())] == ["auto"]
    dock.device.showPopup()
    qtbot.waitUntil(lambda: dock.device.findData("cpu") > 0, timeout=60_000)
    dock.device.hidePopup()
    assert "free" in dock.device.itemText(dock.device.findData("cpu"))
    assert dock.device.kind() == "auto"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_plot_is_readable_in_both_themes(qtbot, em_viewer, dock, engine, theme):
    engine.steps = 3
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: not dock.busy and dock.plot is not None, timeout=10_000)
    em_viewer.theme = theme
    qtbot.wait(50)
    text = dock.plot._item.getAxis("left").textPen().color().lightnessF()
    assert (text > 0.6) is (theme == "dark")
