"""Names and groups in the Classes dock: kept beside the run and its maps, there again in another window."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QFileDialog

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.events import Beat, Finished, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui import class_names, class_naming, classes_dock
from napari_dense_ssl.gui.class_names import ClassNames
from napari_dense_ssl.gui.job import Job
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.gui.prediction import PredictorKeeper, output_layers
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.volume import (
    SavedClasses,
    Volume,
    create_output,
    read_classes,
    read_map_classes,
    write_classes,
    write_map_classes,
)

from .fakes import FakePredictor

CLASSES = "em classes"
# of six classes: (0 1) (2 3) (4 5), then the first two pairs, then all
TREE = ClassTree(((0, 1, 1.0), (2, 3, 2.0), (4, 5, 3.0), (6, 7, 4.0), (9, 8, 5.0)), "confusion")


@pytest.fixture
def engine(monkeypatch) -> FakePredictor:
    fake = FakePredictor()
    monkeypatch.setattr(PredictorKeeper, "open", lambda self, run, device: fake)
    return fake


@pytest.fixture
def run(tmp_path) -> Path:
    RunFolder.create(tmp_path / "run", {"classes": 6}, {})
    runs_of_session().add(str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture
def dock(qtbot, em_viewer, open_dock, run, engine):
    """Return the dock with all six slices computed: class z in slice z."""
    dock = open_dock(em_viewer, "Classes")
    click(qtbot, dock.region_button)
    qtbot.waitUntil(lambda: not dock.busy)
    dock.look.show_figures()
    return dock


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def names(dock) -> list[str]:
    table = dock.table.sorted
    return sorted(table.index(row, 0).data() for row in range(table.rowCount()))


def drawn(viewer, label: int) -> list[float]:
    return viewer.layers[CLASSES].colormap.map(np.array([label], np.uint8))[0].tolist()


def test_the_tree_is_found_and_the_slider_recolours(qtbot, em_viewer, dock, run, monkeypatch, errors):
    told = []

    def grown(keeper, source, path, device, found):
        told.append((source.name, path))
        yield Beat()
        yield Noted("1 classes did not occur.")
        found.append(TREE)
        yield Finished(None)

    monkeypatch.setattr(class_naming, "grown", grown)
    click(qtbot, dock.groups.find_button)
    qtbot.waitUntil(lambda: not dock.busy)
    assert told == [("em", str(run))]
    assert dock.status.text() == "The classes are in order: move the slider to group them."
    layer = em_viewer.layers[CLASSES]
    before = np.asarray(layer.data[3]).copy()
    dock.groups.slider.setFocus()
    for keys, button in (
        ("Ctrl+J", dock.groups.merge_button),
        ("Ctrl+D", dock.groups.split_button),
        ("Ctrl+Z", dock.groups.undo_button),
        ("Ctrl+Shift+Z", dock.groups.redo_button),
    ):
        assert keys in button.toolTip()
    for _ in range(3):
        qtbot.keyClick(dock.groups.slider, Qt.Key.Key_Left)
    assert names(dock) == ["0 +1", "2 +1", "4 +1"]
    qtbot.waitUntil(lambda: drawn(em_viewer, 1) == drawn(em_viewer, 2) != drawn(em_viewer, 3))
    np.testing.assert_array_equal(np.asarray(layer.data[3]), before, "the map is what it was")
    dock.look.show_figures()
    assert "class: 2 +1" in layer.get_status((100 + 50 * 3, 60, 60), world=True)["value"]
    qtbot.waitUntil(lambda: (run / "classes.json").is_file() and dock.look.names._saving is None)
    saved = read_classes(run / "classes.json")
    assert saved.tree == TREE
    assert saved.book.groups == ((0, 1), (2, 3), (4, 5))
    assert errors() == []


def test_what_is_named_is_there_in_another_dock(qtbot, em_viewer, open_dock, dock, run, errors):
    dock.table.select([2, 4])
    click(qtbot, dock.groups.merge_button)
    assert names(dock) == ["0", "1 +1", "2", "4", "5"]
    dock.look.model.rename(2, "membrane")
    dock.look.model.recolour(4, (255, 0, 0))
    dock.look.model.rename(5, "mistake")
    click(qtbot, dock.groups.undo_button)
    em_viewer.window.remove_dock_widget(dock)  # at once, before it would have been saved by itself
    again = open_dock(em_viewer, "Classes")
    again.look.show_figures()
    assert names(again) == ["0", "2", "4", "5", "membrane (2)"]
    qtbot.waitUntil(lambda: drawn(em_viewer, 2) == drawn(em_viewer, 4) == [1, 0, 0, 1])
    assert not again.groups.undo_button.isEnabled()
    assert errors() == []


def test_to_a_file_and_from_a_file(qtbot, dock, tmp_path, monkeypatch, errors):
    path = tmp_path / "mine"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    dock.look.model.rename(3, "vesicles")
    dock.naming.save()
    assert dock.status.text() == f"Names saved as {path}.json."
    dock.naming.reset()
    assert names(dock) == ["0", "1", "2", "3", "4", "5"]
    path = tmp_path / "mine.json"
    dock.naming.load()
    assert names(dock) == ["0", "1", "3", "4", "5", "vesicles"]
    click(qtbot, dock.groups.undo_button)
    assert names(dock) == ["0", "1", "2", "3", "4", "5"], "loading is a step like any other"
    write_classes(path, SavedClasses(ClassBook(7)))
    dock.naming.load()
    assert errors()[-1].startswith("These are names of 7 classes, the run has 6")
    path.write_text("{}")
    dock.naming.load()
    assert "holds no names of classes" in errors()[-1]
    path = tmp_path / "table"
    dock.look.model.merge([1, 2])
    dock.naming.table()
    lines = (tmp_path / "table.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "class,label,name,group,colour,share,mean_intensity,mean_error"
    assert [line.split(",")[:4] for line in lines[1:3]] == [["0", "1", "0 +1", "1"], ["1", "2", "0 +1", "1"]]
    assert lines[1].split(",")[5:] == ["0.166667", f"{dock.table.rows.figures.mean_grey()[1]:.6g}", "0.25"]


def test_a_damaged_file_is_told_of_and_set_aside(qtbot, em_viewer, open_dock, run, engine, errors):
    (run / "classes.json").write_text("{torn")
    dock = open_dock(em_viewer, "Classes")
    assert "classes.json holds no names of classes" in errors()[0]
    assert (run / "classes.json").read_text() == "{torn", "not before there is something else to keep"
    dock.look.model.rename(1, "mine")
    dock.look.names.finish()
    assert read_classes(run / "classes.json").book.name(0) == "mine"
    assert (run / "damaged classes.json").read_text() == "{torn"


def test_nothing_is_lost_when_the_dock_goes_before_the_worker_has_begun(qtbot, run, monkeypatch):
    monkeypatch.setattr(Job, "start", lambda self: None)
    parent = QObject()
    names = ClassNames(parent)
    names.model(str(run)).rename(1, "membrane")
    names.save()
    assert not (run / "classes.json").exists()
    names.finish()
    assert read_classes(run / "classes.json").book.name(0) == "membrane"


def test_what_could_not_be_written_is_tried_again(qtbot, run, monkeypatch, errors):
    def full(*_: object) -> None:
        raise OutputError("The disk is full; free some of it.")

    parent = QObject()
    names = ClassNames(parent)
    names.model(str(run)).rename(1, "membrane")
    with monkeypatch.context() as patch:
        patch.setattr(class_names, "write_classes", full)
        names.save()
        qtbot.waitUntil(lambda: bool(errors()))
    assert not (run / "classes.json").exists()
    names.finish()
    assert read_classes(run / "classes.json").book.name(0) == "membrane"


def test_where_it_cannot_be_kept_the_user_is_told(em_viewer, open_dock, run, engine, errors):
    (run / "classes.json").mkdir()
    dock = open_dock(em_viewer, "Classes")
    dock.look.model.rename(1, "mine")
    dock.look.names.finish()
    assert "cannot be written" in errors()[-1]
    assert dock.look.model.name(1) == "mine"


def whole_map(path: Path, saved: SavedClasses | None) -> None:
    """Write the class map of a whole volume, with names beside it."""
    shape = (6, 96, 128)
    source = Volume.from_arrays([np.zeros(shape, np.uint8)], voxel_size=(50, 5, 5), source="sample:em")
    output = create_output(path, source, provenance={})
    output.write(
        "classes",
        Box.whole(shape),
        np.arange(1, 7, dtype=np.uint8)[:, None, None].repeat(96, 1).repeat(128, 2),
    )
    output.complete()
    if saved is not None:
        write_map_classes(path, saved)


def test_a_map_on_disk_brings_its_names_and_keeps_new_ones(
    qtbot, em_viewer, dock, tmp_path, monkeypatch, errors
):
    theirs = ClassBook(6).merge([4, 5]).rename(4, "theirs")
    out = tmp_path / "out.zarr"
    whole_map(out, SavedClasses(theirs, TREE))
    pixels = {p: p.read_bytes() for p in (out / "labels").rglob("c/*/*/*") if p.is_file()}

    def written(keeper, source, run, device, what, path, found):
        found.update(output_layers(path, ("classes",)))
        found["names"] = read_map_classes(path)
        yield Finished(path)

    monkeypatch.setattr(classes_dock, "written", written)
    monkeypatch.setattr(classes_dock, "ask_where", lambda *_: out)
    dock.look.model.rename(1, "ours")
    click(qtbot, dock.whole_button)
    qtbot.waitUntil(lambda: not dock.busy and dock.table.rows.whole)
    assert names(dock) == ["0", "1", "2", "3", "theirs (2)"]
    assert dock.status.text().endswith("are taken over; Undo brings yours back.")
    assert dock.groups.slider.isVisibleTo(dock)
    click(qtbot, dock.groups.undo_button)
    assert names(dock) == ["1", "2", "3", "4", "5", "ours"]
    dock.look.model.rename(6, "last")
    dock.look.names.finish()
    for book in (read_map_classes(out).book, read_classes(tmp_path / "run" / "classes.json").book):
        assert (book.name(0), book.name(5)) == ("ours", "last")
    assert pixels == {p: p.read_bytes() for p in (out / "labels").rglob("c/*/*/*") if p.is_file()}
    assert errors() == []


def test_a_map_that_is_opened_as_a_file_has_names_and_colours(make_napari_viewer_proxy, plugin, tmp_path):
    book = ClassBook(6).merge([0, 2]).rename(0, "membrane").recolour(0, (0, 0, 255))
    whole_map(tmp_path / "out.zarr", SavedClasses(book))
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    _, labels = viewer.open(str(tmp_path / "out.zarr"), plugin="napari-dense-ssl")
    np.testing.assert_allclose(labels.colormap.map(np.array([1, 3], np.uint8)), [[0, 0, 1, 1]] * 2)
    assert labels.colormap.map(np.array([0], np.uint8))[0, 3] == 0
    assert "class: membrane" in labels.get_status((2 * 50, 50, 50), world=True)["value"]
    saved = tmp_path / "saved.zarr"
    viewer.layers.save(str(saved), plugin="napari-dense-ssl")
    (name,) = [path.name for path in (saved / "labels").iterdir() if path.is_dir()]
    assert read_map_classes(saved, f"labels/{name}") == SavedClasses(book), "and takes them along"
    attributes = json.loads((saved / "labels" / name / "zarr.json").read_text())["attributes"]
    assert attributes["ome"]["image-label"]["properties"][2] == {
        "label-value": 3,
        "name": "membrane",
        "class": 2,
        "group": 1,
    }


def test_a_layer_in_memory_takes_its_names_along(qtbot, em_viewer, dock, tmp_path):
    dock.look.model.rename(4, "mitochondria")
    qtbot.waitUntil(lambda: em_viewer.layers[CLASSES].metadata[KEY]["classes"].book.name(3) == "mitochondria")
    em_viewer.layers.selection = {em_viewer.layers[CLASSES]}
    em_viewer.layers.save(str(tmp_path / "s.zarr"), selected=True, plugin="napari-dense-ssl")
    assert read_map_classes(tmp_path / "s.zarr", None).book.name(3) == "mitochondria"
