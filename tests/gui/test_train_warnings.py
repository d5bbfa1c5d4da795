"""What the Train dock says when things go wrong, and for how long."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

import napari_dense_ssl.engine
from napari_dense_ssl.core.events import Audited, Noted
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.gui.train_dock import TrainState

from .fakes import FakeTrain
from .real import make_small, structured_stack

FIGURES = {
    "leak": 0.4,
    "content": 0.1,
    "place": 0.3,
    "low_level": 0.2,
    "effective_classes": 9.0,
    "effective_classes_slice": 8.0,
}


@pytest.fixture
def engine(monkeypatch) -> FakeTrain:
    fake = FakeTrain()
    monkeypatch.setattr(napari_dense_ssl.engine, "train", fake)
    return fake


@pytest.fixture
def dock(qtbot, em_viewer, open_dock, engine):
    dock = open_dock(em_viewer, "Train")
    dock.start()
    qtbot.waitUntil(lambda: engine.count > 0, timeout=20_000)
    return dock


def warnings() -> list[str]:
    return [str(n.message) for n in notification_manager.records if str(n.severity) == "warning"]


def test_a_collapse_is_shown_until_the_classes_are_good_again(qtbot, dock, engine):
    engine.extra = [Audited("positional", FIGURES, 10)]
    qtbot.waitUntil(lambda: "follow the place, not the image" in dock.banners.text("audit"), timeout=10_000)
    assert dock.banners.isVisibleTo(dock)
    assert "40 %" in dock.banners.text("audit")
    assert "masked-clusters" in dock.banners.text("audit"), "what to try"
    assert len(warnings()) == 1
    engine.extra = [Audited("positional", FIGURES, 20)]
    qtbot.waitUntil(lambda: dock.plots.audit.steps == [10, 20], timeout=10_000)
    assert len(warnings()) == 1, "told once"
    count = engine.count
    qtbot.waitUntil(lambda: engine.count > count + 20, timeout=10_000)
    assert dock.banners.text("audit"), "it stays while steps go on"
    engine.extra = [Audited("content", FIGURES | {"leak": 0.001, "content": 0.7}, 30)]
    qtbot.waitUntil(lambda: dock.banners.text("audit") == "", timeout=10_000)
    assert not dock.banners.isVisibleTo(dock)


def test_a_fallback_is_shown_to_the_end_and_news_are_not(qtbot, dock, engine):
    engine.extra = [Noted("The device ran out of memory; going on with 2 crops at a time.", lasting=True)]
    text = engine.extra[0].message
    qtbot.waitUntil(lambda: dock.banners.text(text) == text, timeout=10_000)
    engine.extra = [Noted("Generation 1 begins.")]
    count = engine.count
    qtbot.waitUntil(lambda: engine.count > count + 20, timeout=10_000)
    assert dock.banners.text("Generation 1 begins.") == ""
    dock.stop()
    qtbot.waitUntil(lambda: not dock.busy, timeout=10_000)
    assert dock.banners.text(text) == text
    dock.start()
    assert dock.banners.text(text) == ""


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_banner_is_readable_in_both_themes(qtbot, em_viewer, dock, engine, theme):
    engine.extra = [Audited("positional", FIGURES, 10)]
    qtbot.waitUntil(lambda: bool(dock.banners.text("audit")), timeout=10_000)
    em_viewer.theme = theme
    label = dock.banners._labels["audit"]
    image = label.grab().toImage()
    ground = image.pixelColor(image.width() - 2, 2).lightnessF()
    assert (ground < 0.5) is (theme == "dark")
    bar = image.pixelColor(1, image.height() // 2)
    assert bar.red() > 200 > 150 > bar.blue(), "napari's yellow of warnings"


def test_keys_start_pause_and_stop(qtbot, make_napari_viewer, open_dock, stack, engine):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(stack, name="em")
    dock = open_dock(viewer, "Train")
    viewer.window.activate()
    dock.classes.setFocus()
    qtbot.waitUntil(dock.classes.hasFocus)
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(dock.classes, Qt.Key.Key_Return, control)
    qtbot.waitUntil(lambda: engine.count > 2, timeout=20_000)
    assert dock.state is TrainState.RUNNING
    dock.advanced._toggle_btn.setFocus()
    qtbot.keyClick(dock.advanced._toggle_btn, Qt.Key.Key_P, control)
    assert dock.state is TrainState.PAUSED
    qtbot.keyClick(dock.advanced._toggle_btn, Qt.Key.Key_Period, control)
    qtbot.waitUntil(lambda: dock.state is TrainState.STOPPED, timeout=10_000)


def test_every_field_says_what_it_is(em_viewer, open_dock):
    dock = open_dock(em_viewer, "Train")
    for field in (dock.layer, dock.recipe, dock.classes, dock.context, dock.budget, dock.device, dock.folder):
        assert len(field.toolTip()) > 10
    assert len(dock.region.choice.toolTip()) > 10
    for button in (dock.start_button, dock.pause_button, dock.stop_button, dock.resume_button, dock.live_box):
        assert len(button.toolTip()) > 10


def test_a_box_is_drawn_with_a_button(qtbot, em_viewer, open_dock):
    dock = open_dock(em_viewer, "Train")
    assert not dock.region.draw_button.isVisibleTo(dock)
    dock.region.choice.setCurrentIndex(2)
    qtbot.mouseClick(dock.region.draw_button, Qt.MouseButton.LeftButton)
    shapes = em_viewer.layers["em region"]
    assert shapes.mode == "add_rectangle"
    assert dock.region.shapes.currentText() == "em region"
    # What the mouse would draw, in the layer's own pixels: rows 4 to 11, columns 8 to 31.
    shapes.add(np.array([[4, 8], [4, 31], [11, 31], [11, 8]]), shape_type="rectangle")
    assert dock.settings().roi == "0:6,4:12,8:32"
    dock.region.draw()
    assert [layer.name for layer in em_viewer.layers].count("em region") == 1


def test_out_of_memory_in_a_real_training_is_halved_and_told(
    qtbot, make_napari_viewer_proxy, open_dock, errors, monkeypatch, tmp_path
):
    backward, failures = Networks.backward, iter([True])

    def failing(self, loss, *, last):
        if next(failures, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        backward(self, loss, last=last)

    monkeypatch.setattr(Networks, "backward", failing)
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    viewer.add_image(structured_stack(), name="x")
    dock = open_dock(viewer, "Train")
    make_small(dock, steps=4)
    dock.live_box.setChecked(False)
    dock.folder.set_path(str(tmp_path / "run"))
    dock.start()
    qtbot.waitUntil(lambda: dock.state is TrainState.DONE, timeout=120_000)
    (text,) = dock.banners._labels
    assert "ran out of memory; going on with 2 crops at a time" in text
    assert dock.plots.losses.steps == [1, 2, 3, 4]
    assert dock.plots.audit.steps == [4], "the last look"
    assert errors() == []

    # And once more, from where it ended: a real resume.
    dock.choose_run(str(tmp_path / "run"))
    assert dock.budget.values() == (None, 8)
    dock.start()
    qtbot.waitUntil(lambda: dock.busy, timeout=20_000)
    qtbot.waitUntil(lambda: not dock.busy, timeout=120_000)
    assert errors() == []
    assert dock.plots.losses.steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (tmp_path / "run" / "checkpoints" / "step-8").is_dir()
