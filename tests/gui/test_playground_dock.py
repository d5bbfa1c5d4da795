"""The Playground dock, driven as a person does, with the real engine on a few points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_dense_ssl.gui import playground_layers as names
from napari_dense_ssl.gui.figures_table import ROWS, text_of
from napari_dense_ssl.playground.figures import FIGURES

FEW = {"points": 200, "batch": 100, "width": 8, "frames": 4, "resolution": 16, "walkers": 10}


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(ensure_main_thread=True)


@pytest.fixture
def tab(viewer, open_dock):
    return open_dock(viewer, "Playground").mixture


def choose(tab: Any, method: str, **own: Any) -> None:
    """Set the fields, those under Advanced too."""
    tab.method.setCurrentIndex(tab.method.findText(method))
    tab.epochs.setValue(2)
    tab.advanced.expand(animate=False)
    for name, value in {**FEW, **own}.items():
        tab.form.editors[name].set_value(value)


def run(qtbot: Any, tab: Any) -> None:
    qtbot.mouseClick(tab.start_button, Qt.MouseButton.LeftButton)
    assert tab.dock.busy, tab.status.text()
    qtbot.waitUntil(lambda: not tab.dock.busy, timeout=120_000)


def layer(tab: Any, name: str) -> Any:
    return tab.layers.layer(name)


def test_a_run_from_start_to_figures_and_a_saved_animation(qtbot, viewer, tab, tmp_path, monkeypatch) -> None:
    assert not tab.play_button.isEnabled()
    choose(tab, "vicreg")
    run(qtbot, tab)
    assert tab.status.text().startswith("Done")
    count = tab.layers.frames
    energy, walkers, score = (layer(tab, name) for name in (names.LANDSCAPE, names.WALKERS, names.SCORE))
    assert energy.data.shape == (count, 16, 16)
    assert viewer.dims.nsteps[0] == count
    assert viewer.dims.current_step[0] == count - 1, "the slider went along"
    assert energy.axis_labels == ("time", "y", "x")
    assert len(walkers.data) == 10 * count
    assert len(score.data) == 17 * 17 * count
    truth = layer(tab, names.TRUTH)
    assert (truth.data.shape, truth.visible) == ((16, 16), False)
    # the landscape, the data and the embedding lie where they should
    low, high = energy.extent.world[:, 1:]
    data = layer(tab, names.DATA).data
    assert ((data > low) & (data < high)).all()
    embedding = layer(tab, names.EMBEDDING).data
    assert (embedding[:, 2] > high[1]).all()
    assert len(embedding) == 200 * count
    # figures
    assert tab.table.runs == ["vicreg\nmixture, seed 0"]
    assert 0 <= float(tab.table.value(0, "knn")) <= 1
    # the slider: colours follow the landscape in view
    viewer.dims.set_current_step(0, 0)
    frame = tab.layers.film.frames[0].landscape
    assert energy.contrast_limits == pytest.approx((frame.min(), np.quantile(frame, 0.9)), rel=1e-3, abs=1e-6)
    qtbot.mouseClick(tab.play_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] >= 2, timeout=20_000)
    qtbot.mouseClick(tab.play_button, Qt.MouseButton.LeftButton)
    assert tab.play_button.text() == "Play"
    # saving
    path = tmp_path / "film.gif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    viewer.dims.set_current_step(0, 0)
    del tab.layers.film.frames[2:]  # drawing takes a while
    qtbot.mouseClick(tab.save_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not tab.dock.busy, timeout=60_000)
    assert len(iio.imread(path)) == 2
    assert str(path) in tab.status.text()
    picture = Path(str(path)).with_suffix(".png")
    tab.save(picture)
    qtbot.waitUntil(lambda: not tab.dock.busy, timeout=60_000)
    assert picture.exists()


def test_noise_and_other_fields_reach_the_settings(tab) -> None:
    choose(tab, "dsm")
    tab.noise.setValue(0.7)
    tab.seed.setValue(4)
    tab.data.setCurrentIndex(tab.data.findData("rings"))
    settings = tab.settings()
    assert (settings.method.noise_low, settings.seed, settings.data) == (0.7, 4, "rings")
    assert (settings.points, settings.epochs) == (200, 2)
    tab.method.setCurrentIndex(tab.method.findText("jepa-masked"))
    assert not tab.noise.isEnabled()
    assert tab.settings().method.kind == "jepa-masked"
    assert "one of its coordinates" in tab.sentence.text()


def test_stop_keeps_the_pictures_and_a_deleted_layer_is_not_missed(qtbot, viewer, tab) -> None:
    choose(tab, "dsm")
    tab.epochs.setValue(100_000)
    tab.start_button.click()
    qtbot.waitUntil(lambda: tab.layers is not None and tab.layers.frames >= 1, timeout=60_000)
    viewer.layers.remove(layer(tab, names.WALKERS))
    tab.stop_button.click()
    qtbot.waitUntil(lambda: not tab.dock.busy, timeout=20_000)
    assert "Stopped" in tab.status.text()
    assert tab.layers.frames >= 1
    assert layer(tab, names.WALKERS) is None
    assert tab.start_button.isEnabled()
    assert tab.table.runs == []


def test_a_solid_embedding_is_shown_in_3d_and_a_second_run_replaces_the_first(qtbot, viewer, tab) -> None:
    choose(tab, "lejepa", embedding=3)
    run(qtbot, tab)
    assert viewer.dims.ndisplay == 3
    assert layer(tab, names.EMBEDDING).data.shape[1] == 4
    assert layer(tab, names.LANDSCAPE).data.ndim == 4
    before = len(viewer.layers)
    choose(tab, "jepa-basic")
    run(qtbot, tab)
    assert len(viewer.layers) == before
    assert layer(tab, names.LANDSCAPE).data.ndim == 3
    assert tab.table.runs == ["jepa-basic\nmixture, seed 0", "lejepa\nmixture, seed 0"]


def test_bad_settings_are_answered_with_a_sentence(qtbot, tab, errors) -> None:
    choose(tab, "dsm")
    tab.form.editors["method"].editors["noise_high"].set_value(0.01)
    tab.start_button.click()
    qtbot.waitUntil(lambda: not tab.dock.busy, timeout=60_000)
    assert "exchange them" in tab.status.text()
    assert errors() == [tab.status.text()]
    assert tab.start_button.isEnabled()


def test_rows_are_figures_that_there_are_and_numbers_are_short() -> None:
    assert set(ROWS) <= set(FIGURES)
    assert text_of("knn", 0.9985) == "0.9985"
    assert text_of("modes_found", 3.0) == "3"
    assert text_of("spread", 1.234e-5) == "1e-05"
    assert text_of("spread", 0.0) == "0.000"
