"""The manifest, and each of its contributions in a real window: menus, readers, samples, writer."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from napari._app_model import get_app_model
from napari._app_model.constants import MenuId
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from napari.errors import ReaderPluginError
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from npe2.manifest.contributions import WidgetContribution
from npe2.manifest.utils import import_python_name
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QAction, QShortcut
from qtpy.QtWidgets import QFileDialog

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.gui.reader import get_reader


def test_every_command_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name))


def test_menus_are_ones_that_napari_shows(manifest):
    known = {menu.value for menu in MenuId.contributables()}
    own = {menu.id for menu in manifest.contributions.submenus}
    assert set(manifest.contributions.menus) <= known | own


def test_nothing_that_older_npe2_refuses(manifest, root: Path):
    # npe2 0.9 forbids fields that it does not know; these two came with 0.10.
    text = (root / "src/napari_dense_ssl/napari.yaml").read_text()
    new = {"default_dock_area", "tabify"} & set(WidgetContribution.model_fields)
    assert not any(word in text for word in new)


def test_the_manifest_at_the_top_is_the_packaged_one(root: Path):
    assert (root / "napari.yaml").read_text() == (root / "src/napari_dense_ssl/napari.yaml").read_text()


def test_every_menu_entry_opens_its_dock(qtbot, make_napari_viewer, manifest, plugin, docks):
    viewer = make_napari_viewer()
    app = get_app_model()
    names = {widget.command: widget.display_name for widget in manifest.contributions.widgets}
    for menu, items in manifest.contributions.menus.items():
        shown = app.menus.get_menu(menu)
        for item in items:
            if hasattr(item, "submenu"):
                assert item.submenu in {getattr(entry, "submenu", None) for entry in shown}
                continue
            (entry,) = (e for e in shown if getattr(getattr(e, "command", None), "id", None) == item.command)
            assert names[item.command] in entry.command.title
    for command, name in names.items():
        app.commands.execute_command(command).result()
        (title,) = (title for title in viewer.window.dock_widgets if name in title)
        widget = viewer.window.dock_widgets[title]
        docks.append(weakref.ref(widget))


def test_the_menus_of_the_window(qtbot, make_napari_viewer, plugin):
    viewer = make_napari_viewer()
    window = viewer.window

    def entry(menu, *titles: str):
        for title in titles:
            menu.aboutToShow.emit()
            action = next(a for a in menu.actions() if a.text().replace("&", "").startswith(title))
            menu = action.menu()
        return action

    for place in (("Segment", "Dense SSL"), ("Classify",), ("Measure",)):
        action = entry(window.layers_menu, *place, "Classes")
        assert action.isEnabled()
    assert entry(window.layers_menu, "Measure", "Evaluate").isEnabled()
    entry(window.layers_menu, "Segment", "Dense SSL", "Volume").trigger()
    assert any("Volume" in name for name in window.dock_widgets)
    assert entry(window.file_menu, "Open Sample", "Dense SSL", "Synthetic EM volume").isEnabled()
    assert entry(window.plugins_menu, "Dense SSL", "Train").isEnabled()


def entries(menu) -> Iterator[QAction]:
    """Yield all entries of a menu and of those below it."""
    menu.aboutToShow.emit()
    for action in menu.actions():
        yield action
        if action.menu() is not None:
            yield from entries(action.menu())


def test_napari_keeps_its_own_keys(make_napari_viewer, open_dock):
    viewer = make_napari_viewer()
    before = dict(viewer.keymap), dict(type(viewer).class_keymap), dict(get_settings().shortcuts.shortcuts)
    docks = [open_dock(viewer, name) for name in ("Volume", "Train", "Classes", "Scribble", "Evaluate")]
    assert before == (
        dict(viewer.keymap),
        dict(type(viewer).class_keymap),
        dict(get_settings().shortcuts.shortcuts),
    )
    window = viewer.window._qt_window
    menus = window.menuBar().actions()
    taken = {action.shortcut().toString() for menu in menus for action in entries(menu.menu())} - {""}
    taken |= {str(key) for keys in before[2].values() for key in keys}
    taken |= {f"Alt+{menu.text().partition('&')[2][:1].upper()}" for menu in menus if "&" in menu.text()}
    assert {"Ctrl+O", "Ctrl+E", "Alt+L"} <= taken
    for dock in docks:
        for shortcut in dock.findChildren(QShortcut):
            assert shortcut.context() == Qt.ShortcutContext.WidgetWithChildrenShortcut
            assert shortcut.key().toString() not in taken


def write(path: Path, stack: np.ndarray) -> None:
    match path.suffix:
        case ".tif":
            tifffile.imwrite(path, stack, photometric="minisblack")
        case ".h5":
            with h5py.File(path, "w") as file:
                file["stack"] = stack
        case ".mrc":
            with mrcfile.new(path) as file:
                file.set_data(stack.astype(np.int16))
                file.voxel_size = (50, 50, 500)  # ångström, X Y Z
        case ".zarr":
            zarr.create_array(path, data=stack)
        case _:
            path.mkdir()
            for z, plane in enumerate(stack):
                tifffile.imwrite(path / f"{z:03d}.tif", plane)


@pytest.mark.parametrize("name", ["a.tif", "a.h5", "a.mrc", "a.zarr", "slices"])
def test_napari_opens_every_format_through_the_plugin(make_napari_viewer, plugin, tmp_path, stack, name):
    path = tmp_path / name
    write(path, stack)
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(path), plugin="napari-dense-ssl")
    np.testing.assert_array_equal(np.asarray(layer.data), stack)
    assert layer.axis_labels == ("z", "y", "x")
    known = name == "a.mrc"  # the others say nothing of their voxels: no length is made up
    assert [str(unit) for unit in layer.units] == ["nanometer" if known else "pixel"] * 3
    if known:
        np.testing.assert_allclose(layer.scale, (50, 5, 5))


def choose_ours(monkeypatch) -> None:
    """Answer napari's question which plugin is to read a file."""
    monkeypatch.setattr(QtReaderDialog, "get_user_choices", lambda self: ("Dense SSL", False))


@pytest.mark.parametrize("name", ["a.h5", "a.mrc", "a.zarr"])
def test_dropping_a_file_on_the_window(make_napari_viewer, plugin, tmp_path, stack, monkeypatch, name):
    choose_ours(monkeypatch)
    write(tmp_path / name, stack)
    viewer = make_napari_viewer()
    urls = [QUrl.fromLocalFile(str(tmp_path / name))]
    viewer.window._qt_viewer._open_from_list_of_urls_data(urls, stack=False, choose_plugin=False)
    (layer,) = viewer.layers
    assert layer.axis_labels == ("z", "y", "x")


def test_several_files_and_bad_ones(make_napari_viewer, plugin, tmp_path, stack):
    paths = [str(tmp_path / name) for name in ("a.mrc", "b.mrc")]
    for path in paths:
        write(Path(path), stack)
    viewer = make_napari_viewer()
    viewer.open(paths, plugin="napari-dense-ssl")
    assert [layer.name for layer in viewer.layers] == ["a", "b"]
    with pytest.raises(ValueError, match="refused the file"):  # a stack of files is not ours to read
        viewer.open(paths, stack=True, plugin="napari-dense-ssl")
    bad = tmp_path / "bad.mrc"
    bad.write_bytes(b"no picture")
    with pytest.raises(ReaderPluginError, match=f"VolumeError: {re.escape(str(bad))}"):
        viewer.open(str(bad), plugin=None)  # as the window does it
    assert len(viewer.layers) == 2


def test_what_is_no_volume_in_a_container_is_left_out(make_napari_viewer, plugin, tmp_path, stack):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["raw"], file["embedding"] = stack, np.zeros((8, 6, 96, 128), np.float32)
    viewer = make_napari_viewer()
    notification_manager.records.clear()
    (layer,) = viewer.open(str(tmp_path / "two.h5"), plugin="napari-dense-ssl")
    assert layer.name == "two raw"
    (warning,) = (n.message for n in notification_manager.records if str(n.severity) == "warning")
    assert warning.startswith("Left out: ")
    assert "embedding" in warning


def test_saving_through_the_window(make_napari_viewer, plugin, tmp_path, stack, monkeypatch):
    path = tmp_path / "from the window"
    asked: list[str] = []

    def choose(*_, filter: str, **__):
        asked.append(filter)
        return str(path), next(part for part in filter.split(";;") if part.startswith("Dense SSL"))

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    viewer = make_napari_viewer()
    viewer.add_image(stack, name="em", scale=(50, 5, 5), units="nm")
    viewer.add_labels(stack // 32, name="classes", scale=(50, 5, 5), units="nm")
    viewer.window._qt_viewer._save_layers_dialog()
    assert "Dense SSL OME-Zarr (*.zarr)" in asked[0]
    layers = viewer.open(f"{path}.zarr", plugin="napari-dense-ssl")
    assert [type(layer).__name__ for layer in layers] == ["Image", "Labels"]
    np.testing.assert_array_equal(layers[0].scale, (50, 5, 5))


def test_each_volume_of_a_container_becomes_a_layer(make_napari_viewer, plugin, tmp_path, stack):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["raw"], file["labels"] = stack, (stack > 100).astype(np.uint8)
    viewer = make_napari_viewer()
    layers = viewer.open(str(tmp_path / "two.h5"), plugin="napari-dense-ssl")
    assert {(layer.name, type(layer).__name__) for layer in layers} == {
        ("two raw", "Image"),
        ("two labels", "Labels"),
    }


@pytest.mark.parametrize("key", ["synthetic-em", "synthetic-em-labels"])
def test_sample_data(make_napari_viewer, plugin, key, monkeypatch):
    from napari_dense_ssl.gui import samples

    asked: list[str] = []

    def small(source: str):
        from napari_dense_ssl.gui.reader import read

        asked.append(source)
        return read(f"{source}?shape=4x64x64")

    monkeypatch.setattr(samples, "read", small)
    viewer = make_napari_viewer()
    viewer.open_sample("napari-dense-ssl", key)
    assert asked[0] == "sample:em"
    kinds = [type(layer).__name__ for layer in viewer.layers]
    assert kinds == (["Image"] if key == "synthetic-em" else ["Image", "Labels"])


def test_the_reader_says_what_is_wrong_with_a_file(tmp_path):
    (tmp_path / "text.tif").write_text("not a picture")
    reader = get_reader(str(tmp_path / "text.tif"))
    with pytest.raises(VolumeError):
        reader(str(tmp_path / "text.tif"))
    assert get_reader([str(tmp_path / "text.tif")]) is None
    (tmp_path / "empty").mkdir()
    assert get_reader(str(tmp_path / "empty")) is None
