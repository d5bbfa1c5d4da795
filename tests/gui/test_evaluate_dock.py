"""The Evaluate dock in a real window: a comparison, an audit that is faked, objects; and what goes wrong."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog, QScrollArea

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.events import Audited, Beat, Finished, Started, Step
from napari_dense_ssl.gui.columns_table import Column, ColumnsTable
from napari_dense_ssl.gui.evaluate_dock import EvaluateDock
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.volume import SavedClasses, open_volume, write_volume


@pytest.fixture
def truth() -> np.ndarray:
    """Two classes; of class 2 three blobs, one of them through all slices."""
    labels = np.ones((4, 48, 64), np.uint8)
    labels[:, 4:14, 4:14] = 2
    labels[1:3, 20:26, 30:40] = 2
    labels[2, 40:43, 50:54] = 2
    return labels


@pytest.fixture
def viewer(make_napari_viewer_proxy, truth):
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    place = {"scale": (50, 5, 5), "translate": (100, 10, 20), "units": ("nm",) * 3, "axis_labels": "zyx"}
    viewer.add_image(truth * 50, name="em", **place)
    viewer.add_labels(truth, name="truth", features={"name": ["", "cytoplasm", "blob"]}, **place)
    classes = np.where(truth == 2, 7, 9).astype(np.uint8)
    classes[:, 4:14, 4:6] = 9
    viewer.add_labels(classes, name="em classes", **place)
    return viewer


@pytest.fixture
def dock(viewer, open_dock) -> EvaluateDock:
    return open_dock(viewer, "Evaluate")


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def shown(table: ColumnsTable) -> list[list[str]]:
    model = table.rows
    return [
        [model.data(model.index(row, column)) for column in range(model.columnCount())]
        for row in range(model.rowCount())
    ]


def test_nothing_is_cut_off_in_a_narrow_dock(qtbot, viewer, dock):
    """napari gives docks that share a place at 1280 x 800 some 330 px, a scroll bar of 14 within."""
    for chosen in (dock.truth.score, dock.truth.fit):
        chosen.choice.setCurrentIndex(1)
    click(qtbot, dock.truth.start_button)
    qtbot.waitUntil(lambda: dock.truth.found is not None and not dock.busy)
    for field in (dock.truth.prediction, dock.truth.truth):
        field.use_file.setChecked(True)
    dock.window().show()  # sizes are napari's style's from then on
    inner = dock.findChild(QScrollArea).widget()
    for tab in range(dock.tabs.count()):
        dock.tabs.setCurrentIndex(tab)
        qtbot.wait(20)
        assert inner.minimumSizeHint().width() <= 316, dock.tabs.tabText(tab)


def test_a_comparison_from_layers_to_files(qtbot, viewer, dock, tmp_path, errors, monkeypatch):
    tab = dock.truth
    assert (tab.prediction.layer.currentText(), tab.truth.layer.currentText()) == ("em classes", "truth")
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert errors() == []
    assert tab.progress.format() == "done"
    lost = 4 * 10 * 2
    blobs = 4 * 100 + 2 * 60 + 12
    rows = {row[0]: row[1:] for row in shown(tab.classes)}
    assert rows.keys() == {"cytoplasm", "blob"}
    assert rows["blob"][1] == f"{(blobs - lost) / blobs:.3f}"
    figures = {row[0]: row[1] for row in shown(tab.figures)}
    assert figures["accuracy"] == f"{1 - lost / tab.found.scores.pixels:.3f}"
    assert figures["coverage"] == "100.0%"
    assert not tab.confusion.pixels.isNull()
    before = tab.confusion.pixels.toImage().pixelColor(2, 2)
    viewer.theme = "light"
    qtbot.waitUntil(lambda: tab.confusion.pixels.toImage().pixelColor(2, 2) != before)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "kept"))
    click(qtbot, tab.save_button)
    kept = json.loads((tmp_path / "kept" / "evaluation.json").read_text())
    assert kept["iou"]["2"] == pytest.approx((blobs - lost) / blobs)
    assert (tmp_path / "kept" / "confusion.png").stat().st_size > 1000
    qtbot.mouseClick(tab.confusion, Qt.MouseButton.LeftButton)
    assert tab.confusion.dialog.isVisible()
    tab.confusion.dialog.close()


def test_files_ranges_and_what_is_refused(qtbot, viewer, dock, truth, tmp_path, errors):
    tab = dock.truth
    write_volume(tmp_path / "truth.zarr", truth[:, :, 8:], (50, 5, 5), (100, 10, 60), labels=True)
    tab.truth.use_file.setChecked(True)
    assert not tab.start_button.isEnabled()
    tab.truth.path.set_path(str(tmp_path / "truth.zarr"))
    tab.score.choice.setCurrentIndex(1)
    assert tab.score.last.maximum() == 3
    tab.score.first.setValue(3)
    tab.score.last.setValue(2)
    click(qtbot, tab.start_button)
    assert "3 to 2 are none" in tab.status.text()
    tab.score.last.setValue(3)
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert "another grid" in tab.note.text()
    assert tab.found.scores.pixels == 48 * 56
    assert len(tab.found.slices) == 1
    write_volume(tmp_path / "other.zarr", truth[:, 1:], None, labels=True)
    tab.truth.path.set_path(str(tmp_path / "other.zarr"))
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.progress.format() == "failed")
    assert "none is known of" in tab.status.text()
    assert tab.found is None
    assert tab.figures.isHidden()
    assert len(errors()) == 2


def test_named_groups_against_the_names_of_the_truth(qtbot, viewer, dock, errors):
    tab = dock.truth
    book = ClassBook(9).merge([0, 6]).rename(6, "Blob").rename(8, "cytoplasm")
    viewer.layers["em classes"].metadata[KEY] = {"classes": SavedClasses(book)}
    assert tab.truth_names.isHidden()
    tab.named.setChecked(True)
    qtbot.mouseClick(tab.by_names, Qt.MouseButton.LeftButton, pos=QPoint(8, tab.by_names.height() // 2))
    assert tab.by_names.isChecked()
    assert not tab.named.isChecked()
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert tab.found.scores.names == {1: 2, 9: 1}, "groups go by their first class"
    assert (
        tab.note.text()
        == "Named by name: Blob, cytoplasm; groups without a name go by the true class that they meet most."
    )
    qtbot.keyClicks(tab.truth_names, "1=blob, 2=cytoplasm")
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert tab.found.scores.names == {1: 1, 9: 2}, "what is typed counts"
    tab.truth_names.setText("1: blob")
    click(qtbot, tab.start_button)
    assert "is no name of a label" in tab.status.text()
    tab.truth_names.setText("1=soma")
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.progress.format() == "failed")
    assert "None of the groups (Blob, cytoplasm) is called like" in tab.status.text()
    assert len(errors()) == 2


def test_objects_as_a_layer_and_a_table_that_leads_there(qtbot, viewer, dock, tmp_path, errors, monkeypatch):
    tab = dock.objects
    dock.tabs.setCurrentWidget(tab)
    truth = viewer.layers["truth"]
    tab.map.choose(truth)
    truth.selected_label = 2
    click(qtbot, tab.pick_button)
    assert (tab.label.value(), tab.name.text()) == (2, "blob")
    tab.least.setValue(20)
    assert tab.least_line.text() == "= 2.5e-05 µm³"
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert "2 objects, 0.00065 µm³ together. 1 of another size were left out." in tab.status.text()
    layer = viewer.layers["Objects: blob of truth"]
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    np.testing.assert_array_equal(layer.scale, truth.scale)
    assert layer.features["voxels"].tolist() == [400, 120]
    assert layer.metadata[KEY]["of"] == "truth"
    assert "µm" in tab.table.rows.headerData(1, Qt.Orientation.Horizontal, Qt.ItemDataRole.DisplayRole)
    tab.table.choose(1)  # the blob of the slices 1 and 2
    assert viewer.dims.current_step[0] in (1, 2)
    assert layer.selected_label == 2
    y, x = viewer.scene.camera.center[-2:]
    assert (y, x) == pytest.approx((10 + 5 * 22.5, 20 + 5 * 34.5))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "blobs.csv"), ""))
    click(qtbot, tab.save_button)
    assert len((tmp_path / "blobs.csv").read_text().splitlines()) == 3
    assert errors() == []


def test_objects_to_disk_in_a_region(qtbot, viewer, dock, tmp_path, errors, monkeypatch):
    tab = dock.objects
    dock.tabs.setCurrentWidget(tab)
    tab.map.choose(viewer.layers["truth"])
    tab.label.setValue(2)
    tab.least.setValue(1)
    tab.region.choice.setCurrentIndex(1)
    tab.region.first.setValue(2)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "blobs"), ""))
    click(qtbot, tab.disk_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert errors() == []
    volume = open_volume(tmp_path / "blobs.zarr")
    assert (volume.shape, volume.translation) == ((2, 48, 64), (200, 10, 20))
    assert (tmp_path / "blobs.csv").is_file()
    layer = viewer.layers["Objects: blob of truth"]
    np.testing.assert_allclose(layer.translate, (200, 10, 20))
    tab.label.setValue(5)
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.progress.format() == "failed")
    assert "it occurs nowhere" in tab.status.text()


def test_cells_through_the_fields(qtbot, viewer, dock, errors):
    tab = dock.objects
    tab.map.choose(viewer.layers["truth"])
    dock.tabs.setCurrentWidget(tab)
    tab.label.setValue(1)
    tab.kind.setCurrentIndex(1)
    tab.least.setValue(50)
    tab.advanced.expand(animate=False)
    tab.form.editors["cell_radius"].set_value(2.0)
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert len(tab.found) == 2, "class 2 between class 1"
    assert errors() == []


def test_an_audit_its_verdict_and_its_report(qtbot, viewer, dock, tmp_path, errors, monkeypatch):
    from tests.evaluate.made_up import audited, bands

    from napari_dense_ssl import evaluate

    found = audited(bands, crops=8, crop=64)
    asked = []

    def audit(volume, run, **keywords):
        asked.append((volume.shape, run, keywords["crops"]))
        yield Started("audit", 2, "crop", {"device": "CPU"})
        yield Step(1, 2, 0.5, 1.0, 1.0)
        yield Beat()
        yield Audited(found.verdict.word, found.values, result=found)
        yield Finished(None)

    monkeypatch.setattr(evaluate, "audit", audit)
    tab = dock.audit
    dock.tabs.setCurrentWidget(tab)
    assert not tab.start_button.isEnabled()
    tab.run_field.set_path(str(tmp_path / "run"))
    tab.crops.setValue(16)
    click(qtbot, tab.start_button)
    qtbot.waitUntil(lambda: tab.found is not None and not dock.busy)
    assert asked == [((4, 48, 64), tmp_path / "run", 16)]
    assert f"Verdict: {tab.found.verdict.word}." in tab.verdict.text()
    assert tab.found.verdict.advice in tab.verdict.text()
    assert shown(tab.figures)[0][0] == "leak"
    assert not tab.page.pixels.isNull()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "page.png"), ""))
    click(qtbot, tab.save_button)
    assert (tmp_path / "page.png").stat().st_size > 1000
    assert errors() == []


def test_a_comparison_can_be_stopped_and_another_tab_waits(qtbot, viewer, dock, monkeypatch):
    from napari_dense_ssl import evaluate

    def slow(*_, **__):
        yield Started("evaluate", None, "slice")
        while True:
            time.sleep(0.01)
            yield Beat()

    monkeypatch.setattr(evaluate, "comparing", slow)
    click(qtbot, dock.truth.start_button)
    assert not dock.objects.start_button.isEnabled()
    assert not dock.objects.stop_button.isEnabled()
    click(qtbot, dock.truth.stop_button)
    qtbot.waitUntil(lambda: not dock.busy)
    assert dock.truth.progress.format() == "stopped"
    assert dock.objects.start_button.isEnabled()


def test_a_table_sorts_and_keeps_what_is_chosen(qtbot):
    table = ColumnsTable("numbers", 5)
    qtbot.addWidget(table)
    values = np.array([3.0, 1.0, 2.0])
    table.show_columns([Column("n", "", np.arange(3), str), Column("v", "", values, str)])
    table.choose(0)
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert [row[1] for row in shown(table)] == ["1.0", "2.0", "3.0"]
    assert table.currentIndex().row() == 2
    chosen: list[int] = []
    table.row_chosen.connect(chosen.append)
    table.selectRow(0)
    assert chosen == [1]
