"""The digits tab in a real window: a real learning of seconds, watched, stopped, and what goes wrong."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_dense_ssl.gui.digits_layers import NAMES, POINTS, ROWS
from napari_dense_ssl.gui.digits_tab import DigitsTab
from napari_dense_ssl.gui.remember import recent


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(ensure_main_thread=True)


@pytest.fixture
def tab(viewer, open_dock) -> DigitsTab:
    dock = open_dock(viewer, "Playground")
    dock.tabs.setCurrentWidget(dock.digits)
    return dock.digits


@pytest.fixture
def quick(tab) -> DigitsTab:
    """A tab set to a learning of seconds, through its own fields."""
    tab.advanced.expand(animate=False)
    for name, value in {
        "width": 4,
        "batch": 32,
        "threads": 1,
        "preview_seconds": 0.2,
        "device": "cpu",
    }.items():
        tab.form.editors[name].set_value(value)
    tab.budget.set_values(1, None)
    return tab


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_learning_from_start_to_figures(qtbot, viewer, quick, tmp_path, errors):
    quick.folder.set_path(str(tmp_path / "results"))
    click(qtbot, quick.start_button)
    assert not quick.start_button.isEnabled()
    qtbot.waitUntil(lambda: quick.layers.layer(POINTS) is not None, timeout=60_000)
    assert "so far" in quick.figures.text()
    rows = quick.layers.layer(ROWS)
    assert rows.data.shape == (2 * 32, 12 * 32), "original and perturbed, 12 digits of 28 px framed"
    qtbot.waitUntil(lambda: not quick.dock.busy, timeout=60_000)
    assert errors() == []
    assert quick.progress.format() == "done"
    assert quick.layers.layer(ROWS) is rows
    assert rows.data.shape == (3 * 32, 12 * 32), "and reconstructed"
    points = quick.layers.layer(POINTS)
    assert len(points.data) == 500
    assert set(points.features["digit"]) == set(range(10))
    colours = {tuple(np.round(c, 3)) for c in points.face_color}
    assert len(colours) == 10
    inside = (points.data[:, 0] > rows.data.shape[0]) & (np.abs(points.data[:, 1] - 192) < 260)
    assert inside.mean() > 0.97, "below the rows"
    names = [*map(str, range(10)), "original, perturbed, reconstructed"]
    assert list(quick.layers.layer(NAMES).features["name"]) == names
    assert "embedding" in quick.figures.text()
    assert "Precision" in quick.figures.text()
    assert (tmp_path / "results" / "figures.json").exists()
    assert recent("digits results") == [str(tmp_path / "results")]
    assert set(quick.plot.values) == {"1 - cosine", "squared error", "k-NN accuracy"}
    assert len(viewer.layers) == 3
    assert quick.start_button.isEnabled()


def test_stopping_and_starting_again_reuses_the_layers(qtbot, viewer, quick, errors):
    quick.budget.set_values(500, None)
    click(qtbot, quick.start_button)
    qtbot.waitUntil(lambda: quick.layers.layer(POINTS) is not None, timeout=60_000)
    viewer.layers.remove(quick.layers.layer(POINTS))  # the user may delete what is shown
    qtbot.waitUntil(lambda: quick.layers.layer(POINTS) is not None, timeout=60_000)
    click(qtbot, quick.stop_button)
    qtbot.waitUntil(lambda: not quick.dock.busy, timeout=10_000)
    assert "Stopped" in quick.status.text()
    assert not quick.stop_button.isEnabled()
    click(qtbot, quick.start_button)
    qtbot.waitUntil(lambda: "so far" in quick.figures.text(), timeout=60_000)
    quick.stop()
    qtbot.waitUntil(lambda: not quick.dock.busy, timeout=10_000)
    assert len(viewer.layers) == 3
    assert errors() == []


def test_what_is_no_digits_is_told(qtbot, tab, tmp_path, errors):
    (tmp_path / "letter.npz").write_text("no zip")
    tab.data.set_path(str(tmp_path / "letter.npz"))
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: not tab.dock.busy, timeout=60_000)
    assert len(errors()) == 1
    assert "letter.npz cannot be read" in errors()[0]
    assert "letter.npz cannot be read" in tab.status.text()
    assert recent("digits") == [], "what cannot be read is not offered again"
    assert tab.start_button.isEnabled()


def test_settings_that_contradict_each_other_are_told(qtbot, quick, errors):
    quick.form.editors["perturbation"].editors["erosion"].set_value(0.9)
    quick.form.editors["perturbation"].editors["dilation"].set_value(0.9)
    click(qtbot, quick.start_button)
    assert not quick.dock.busy
    assert "at most 1 together" in errors()[0]


def test_the_tab_needs_nothing_heavy_before_it_learns():
    code = "import sys, napari_dense_ssl.gui.digits_tab; print(*(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "sklearn", "matplotlib", "pyqtgraph"}


def test_budgets(tab):
    assert (tab.settings().epochs, tab.settings().minutes) == (None, None)
    assert not tab.budget.number.isEnabled()
    tab.budget.set_values(None, 2.5)
    assert (tab.settings().epochs, tab.settings().minutes) == (None, 2.5)
    assert tab.budget.number.isEnabled()


def test_names_follow_the_theme(qtbot, viewer, quick):
    click(qtbot, quick.start_button)
    qtbot.waitUntil(lambda: quick.layers.layer(NAMES) is not None, timeout=60_000)
    quick.stop()
    qtbot.waitUntil(lambda: not quick.dock.busy, timeout=10_000)
    dark = np.array(quick.layers.layer(NAMES).text.color.constant)
    viewer.theme = "light"
    qtbot.wait(50)
    assert np.array(quick.layers.layer(NAMES).text.color.constant)[:3].mean() < dark[:3].mean()
