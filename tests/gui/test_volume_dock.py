"""The Volume dock, driven as a person does."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from napari.layers import Image
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.remember import add_recent, recent
from napari_dense_ssl.volume import Part, World, writing


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(ensure_main_thread=True)


@pytest.fixture
def dock(viewer, open_dock):
    return open_dock(viewer, "Volume")


def type_path(qtbot, dock, path) -> None:
    dock.path.box.lineEdit().setText(str(path))
    qtbot.keyClick(dock.path.box.lineEdit(), Qt.Key.Key_Return)


def open_it(qtbot, dock, viewer) -> None:
    count = len(viewer.layers)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    qtbot.mouseClick(dock.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == count + 1, timeout=10_000)


def test_a_tiff_without_voxel_size(qtbot, viewer, dock, stack, tmp_path, errors):
    path = tmp_path / "raw.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    type_path(qtbot, dock, path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    facts = {name: value.text() for name, value in dock.facts.values.items()}
    assert facts["Shape"] == "6 × 96 × 128 voxels (Z Y X)"
    assert facts["Type"] == "uint8"
    assert facts["Extent"] == "unknown"
    assert facts["In memory"] == "73.73 kB (finest level)"
    assert dock.voxels.isEnabled()
    dock.voxels.set_values((50, 4.6, 4.6))
    open_it(qtbot, dock, viewer)
    layer = viewer.layers["raw"]
    np.testing.assert_allclose(layer.scale, (50, 4.6, 4.6))
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert recent("volumes") == [str(path)]
    assert [dock.path.box.itemText(i) for i in range(dock.path.box.count())] == [str(path)]
    assert dock.path.path() == str(path)
    assert dock.status.text() == "Opened as the layer raw.", "and nothing is looked up again"
    assert dock.facts.values["Type"].text() == "uint8"
    assert errors() == []


def test_a_file_that_knows_its_voxel_size(qtbot, viewer, dock, errors):
    type_path(qtbot, dock, "sample:em?shape=4x64x64")
    open_it(qtbot, dock, viewer)
    assert not dock.voxels.isEnabled()
    assert "Taken over" in dock.size_note.text()
    assert "µm" in dock.facts.values["Extent"].text()
    assert viewer.layers[0].scale[0] > viewer.layers[0].scale[1]
    assert errors() == []


def test_a_file_with_several_datasets(qtbot, viewer, dock, stack, tmp_path, errors):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a/raw"], file["b/raw"] = stack, stack[:3]
    type_path(qtbot, dock, tmp_path / "two.h5")
    qtbot.waitUntil(lambda: dock.dataset.count() == 3, timeout=10_000)
    assert not dock.open_button.isEnabled()
    assert "choose one" in dock.status.text()
    dock.dataset.setCurrentIndex(dock.dataset.findData("b/raw"))
    dock.dataset.activated.emit(dock.dataset.currentIndex())
    open_it(qtbot, dock, viewer)
    assert viewer.layers["two b/raw"].data.shape == (3, 96, 128)
    assert dock.dataset.currentData() == "b/raw"
    assert errors() == []


def test_typing_looks_by_itself_and_forgets_what_was(qtbot, dock):
    dock.path.set_path("sample:em?shape=4x64x64")
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    dock.path.set_path("")
    assert not dock.open_button.isEnabled()
    assert dock.facts.values["Shape"].text() == "–"


def test_browsing(dock, tmp_path, monkeypatch):
    from napari_dense_ssl.gui import fields

    monkeypatch.setattr(fields.QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "a.tif"), ""))
    monkeypatch.setattr(fields.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    dock.path.browse_file()
    assert dock.path.path() == str(tmp_path / "a.tif")
    dock.path.browse_folder()
    assert dock.path.path() == str(tmp_path)
    assert dock.path.button.menu().actions()[0].text().startswith("File")


def drop(target, *urls: QUrl) -> bool:
    """Drop files on a widget; False where it does not welcome them."""
    data = QMimeData()
    data.setUrls(list(urls))
    arguments = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), *arguments)
    enter.ignore()
    target.dragEnterEvent(enter)
    if enter.isAccepted():
        target.dropEvent(QDropEvent(QPointF(5, 5), *arguments))
    return enter.isAccepted()


def test_dropping_a_file_looks_at_it(qtbot, dock, tmp_path, stack):
    path = tmp_path / "Schädel µ 1.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    assert drop(dock, QUrl.fromLocalFile(str(path)))
    assert dock.path.path() == str(path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    assert dock.facts.values["Shape"].text() == "6 × 96 × 128 voxels (Z Y X)"
    assert not drop(dock.path, QUrl.fromLocalFile("/a"), QUrl.fromLocalFile("/b"))  # one at a time
    assert not dock.path.box.lineEdit().acceptDrops()  # it would take the file as text


def test_only_a_whole_path_is_worth_a_notification(qtbot, dock, tmp_path, errors):
    dock.path.set_path(str(tmp_path / "ra"))  # as typed so far
    qtbot.waitUntil(lambda: "There is no file" in dock.status.text(), timeout=10_000)
    assert errors() == []
    qtbot.keyClick(dock.path.box.lineEdit(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(errors()) == 1, timeout=10_000)
    assert errors()[0] == dock.status.text()
    assert dock.details.isHidden()


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((96, 128), {}, "read as a volume of one slice"),
        ((96, 128, 3), {"photometric": "rgb"}, "the luminance is read"),
    ],
)
def test_an_image_is_one_slice_of_grey_values(
    qtbot, viewer, dock, tmp_path, errors, shape, options, sentence
):
    path = tmp_path / "flat.tif"
    tifffile.imwrite(path, np.full(shape, 7, np.uint8), **options)
    type_path(qtbot, dock, path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    assert sentence in dock.status.text()
    qtbot.mouseClick(dock.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "flat" in viewer.layers, timeout=10_000)
    np.testing.assert_array_equal(viewer.layers["flat"].data, np.full((1, 96, 128), 7))
    assert errors() == []


def test_one_of_several_channels(qtbot, viewer, dock, tmp_path, errors):
    both = np.stack([np.zeros((3, 32, 48), np.uint8), np.ones((3, 32, 48), np.uint8)], axis=1)
    tifffile.imwrite(tmp_path / "two.tif", both, imagej=True, metadata={"axes": "ZCYX"})
    type_path(qtbot, dock, tmp_path / "two.tif")
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    assert dock.planes["timepoint"].isHidden()
    assert (dock.planes["channel"].minimum(), dock.planes["channel"].maximum()) == (0, 1)
    dock.planes["channel"].setValue(1)
    open_it(qtbot, dock, viewer)
    (layer,) = viewer.layers
    assert layer.name == "two channel 1"
    assert np.asarray(layer.data).all()
    # a job works on the channel that is shown
    assert layer_source(layer).open().read(Box.whole((3, 32, 48))).all()
    assert errors() == []


def test_labels_come_with_their_image(qtbot, viewer, dock, stack, tmp_path, errors):
    path = tmp_path / "both.zarr"
    world = World((50, 5, 5), (0, 0, 0))
    for _ in writing(path, [Part("em", stack, world), Part("classes", stack // 32, world, labels=True)]):
        pass
    type_path(qtbot, dock, path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    assert not dock.with_labels.isHidden()
    qtbot.waitUntil(lambda: "counting" not in dock.facts.values["On disk"].text(), timeout=10_000)
    qtbot.mouseClick(dock.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels"]
    np.testing.assert_array_equal(viewer.layers[0].scale, viewer.layers[1].scale)
    dock.with_labels.setChecked(False)
    open_it(qtbot, dock, viewer)
    assert isinstance(viewer.layers[-1], Image)
    assert errors() == []


def test_deleted_between_the_look_and_the_opening(qtbot, viewer, dock, stack, tmp_path, errors):
    path = tmp_path / "raw.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    type_path(qtbot, dock, path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    path.unlink()
    qtbot.mouseClick(dock.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(errors()) == 1, timeout=10_000)
    assert "There is no file or folder" in dock.status.text()
    assert len(viewer.layers) == 0
    assert dock.open_button.isEnabled()  # it may come back


def test_a_voxel_size_is_entered_once(qtbot, viewer, dock, stack, tmp_path):
    path = tmp_path / "raw.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    type_path(qtbot, dock, path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    dock.voxels.boxes[0].setValue(50)
    assert dock.facts.values["Extent"].text() == "0.3 × 0.096 × 0.128 µm"
    open_it(qtbot, dock, viewer)
    dock.path.set_path("")
    type_path(qtbot, dock, path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=10_000)
    assert dock.voxels.values() == (50, 1, 1)
    assert dock.size_note.text().startswith("As entered last time")


def test_recent_paths_that_are_gone_cannot_be_chosen(qtbot, viewer, open_dock, tmp_path):
    for path in ("sample:em", str(tmp_path), str(tmp_path / "gone.tif")):
        add_recent("volumes", path)
    dock = open_dock(viewer, "Volume")
    dock.path.box.setCurrentIndex(1)
    dock.path.set_path("typed since")
    dock.path.box.showPopup()
    model = dock.path.box.model()
    qtbot.waitUntil(lambda: not model.item(0).isEnabled(), timeout=10_000)
    dock.path.box.hidePopup()
    assert [model.item(i).isEnabled() for i in range(3)] == [False, True, True]
    assert dock.path.box.itemData(0, Qt.ItemDataRole.ToolTipRole).startswith("Not there now: ")
    assert dock.path.path() == "typed since"


def test_two_windows_do_not_mix(qtbot, make_napari_viewer_proxy, open_dock):
    viewers = [make_napari_viewer_proxy(ensure_main_thread=True) for _ in range(2)]
    docks = [open_dock(viewer, "Volume") for viewer in viewers]
    for dock, shape in zip(docks, ("4x64x64", "5x64x64"), strict=True):
        dock.path.choose(f"sample:em?shape={shape}")
    for dock in docks:
        qtbot.waitUntil(dock.open_button.isEnabled, timeout=20_000)
    open_it(qtbot, docks[1], viewers[1])
    assert [len(viewer.layers) for viewer in viewers] == [0, 1]
    assert viewers[1].layers[0].data.shape[0] == 5


def test_with_the_keyboard_alone(qtbot, make_napari_viewer_proxy, open_dock, errors):
    viewer = make_napari_viewer_proxy(ensure_main_thread=True, show=True)
    dock = open_dock(viewer, "Volume")
    line = dock.path.box.lineEdit()
    viewer.window.activate()
    dock.open_button.setFocus()
    dock.path.button.setFocus()
    qtbot.waitUntil(dock.path.button.hasFocus)
    qtbot.keyClick(dock.path.button, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(line.hasFocus)
    qtbot.keyClicks(line, "sample:em?shape=4x64x64")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=20_000)
    # Tab goes through what can be used, from top to bottom
    visited = [QApplication.focusWidget()]
    while visited[-1] is not dock.open_button and len(visited) < 6:
        qtbot.keyClick(visited[-1], Qt.Key.Key_Tab)
        visited.append(QApplication.focusWidget())
    assert visited[1:] == [dock.path.button, dock.open_button]  # the voxel size is the file's own
    assert dock.open_button.toolTip().endswith("(Ctrl+Return)")
    qtbot.keyClick(dock.open_button, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=20_000)
    assert errors() == []
