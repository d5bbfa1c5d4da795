from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QFileDialog

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.events import Audited, Step
from napari_dense_ssl.gui.training_plots import TrainingPlots, is_share

FIGURES = {"leak": 0.02, "content": 0.6, "place": 0.01, "effective_classes": 12.5, "flatness": 0.3}


def step(index: int, **losses: float) -> Step:
    return Step(index, None, 0.1, None, 1.0, losses)


@pytest.fixture
def plots(qtbot):
    failures = []

    def attempt(doing, act):
        try:
            act()
        except OutputError as error:
            failures.append(str(error))

    plots = TrainingPlots("dark", attempt)
    plots.failures = failures
    qtbot.addWidget(plots)
    plots.resize(340, 260)
    return plots


def test_curves_by_name(plots):
    plots.add(step(1, hidden=4.0))
    plots.add(step(2, hidden=3.0, agreement=0.25))
    losses = plots.losses
    losses.redraw()
    x, y = losses._drawn["hidden"].getData()
    np.testing.assert_array_equal(x, [1, 2])
    np.testing.assert_array_equal(y, [4, 3])
    _, shares = losses._drawn["agreement"].getData()
    np.testing.assert_array_equal(shares, [np.nan, 0.25])
    assert losses._drawn["agreement"].getViewBox() is losses._over
    assert losses.names["hidden"].text() == "hidden 3 nats"
    assert losses.names["agreement"].text() == "agreement 0.25"
    plots.clear_curves()
    plots.add(step(1, seen=1.0))
    losses.redraw()
    assert list(losses._drawn) == list(losses.names) == ["seen"]


def test_the_audit_has_curves_of_its_own(plots):
    plots.add(Audited("content", FIGURES, 40))
    plots.add(Audited("content", FIGURES | {"leak": 0.01}, 80))
    audit = plots.audit
    audit.redraw()
    assert list(audit.names) == ["leak", "content", "place", "effective classes"]
    np.testing.assert_array_equal(audit._drawn["leak"].getData(), [[40, 80], [0.02, 0.01]])
    assert audit.names["effective classes"].text() == "effective classes 12.5"
    assert audit._drawn["effective classes"].getViewBox() is audit._over
    assert audit._drawn["leak"].getViewBox() is audit._item.vb
    low, high = audit._item.vb.viewRange()[1]
    assert low <= 0 < 1 <= high


def test_a_click_on_a_name_hides_its_curve(qtbot, plots):
    plots.add(step(1, hidden=4.0, seen=2.0))
    plots.losses.redraw()
    button = plots.losses.names["hidden"]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not plots.losses._drawn["hidden"].isVisible()
    assert plots.losses._drawn["seen"].isVisible()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert plots.losses._drawn["hidden"].isVisible()


def test_a_logarithmic_axis_and_back(plots):
    plots.add(step(1, hidden=100.0, agreement=0.5))
    plots.add(step(2, hidden=10.0, agreement=0.5))
    plots.losses.redraw()
    plots.log_action.trigger()
    np.testing.assert_allclose(plots.losses._drawn["hidden"].getData()[1], [2, 1])
    np.testing.assert_allclose(plots.losses._drawn["agreement"].getData()[1], [0.5, 0.5])
    plots.log_action.trigger()
    np.testing.assert_allclose(plots.losses._drawn["hidden"].getData()[1], [100, 10])


def test_zoom_and_the_whole_range(plots):
    for index in range(1, 11):
        plots.add(step(index, hidden=float(index)))
    plots.losses.redraw()
    box = plots.losses._item.vb
    box.setRange(xRange=(2, 3), yRange=(2, 3))
    plots.add(step(11, hidden=20.0))
    plots.losses.redraw()
    assert box.viewRange()[1][1] < 5, "who has zoomed in is left there"
    plots.range_action.trigger()
    box.updateAutoRange()
    assert box.viewRange()[1][1] >= 20


def test_saved_as_picture_and_table(plots, tmp_path, monkeypatch):
    for index in range(1, 4):
        plots.add(step(index, hidden=1.0 / index, agreement=0.5))
    plots.losses.redraw()
    plots.show()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "curves"), ""))
    plots.picture_action.trigger()
    image = QImage(str(tmp_path / "curves.png"))
    assert image.width() == 2 * plots.losses.width()
    colours = {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(0, image.height(), 4)
    }
    assert {"#4e9ae8", "#e8833a"} <= colours, "the two curves"
    plots.table_action.trigger()
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[0] == "step,hidden (nats),agreement"
    assert lines[2] == "2,0.5,0.5"
    assert plots.failures == []


def test_a_file_that_cannot_be_written_is_told(plots, tmp_path, monkeypatch):
    plots.add(step(1, hidden=1.0))
    (tmp_path / "file").write_text("")
    where = str(tmp_path / "file" / "curves")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (where, ""))
    plots.table_action.trigger()
    plots.picture_action.trigger()
    assert len(plots.failures) == 2
    assert all("cannot be written" in text for text in plots.failures)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    plots.table_action.trigger()  # a dialog that was closed
    assert len(plots.failures) == 2


def test_what_is_a_share():
    assert [name for name in ("loss", "agreement", "class share", "hidden") if is_share(name)] == [
        "agreement",
        "class share",
    ]
