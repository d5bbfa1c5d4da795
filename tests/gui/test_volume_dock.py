"""The Volume dock, driven as a person does."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_dense_ssl.gui.remember import recent


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
