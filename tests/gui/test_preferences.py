"""The plugin's page in napari's Preferences, and what the docks read from it."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import yaml
from napari import settings as napari_settings
from qtpy.QtWidgets import QComboBox, QLabel, QSpinBox

from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.gui.preferences import Preferences, preferences

NAME = "napari-dense-ssl"


@pytest.fixture
def file(tmp_path, monkeypatch, plugin):
    """Return where the settings of the plugin lie: not among the user's own."""
    monkeypatch.setattr(napari_settings, "_CFG_PATH", str(tmp_path / "settings.yaml"))
    monkeypatch.setattr(napari_settings, "_PLUGIN_SETTINGS", {})
    return tmp_path / f"{NAME}.yaml"


def test_the_manifest_declares_what_the_docks_read(manifest):
    declared = manifest.contributions.configurations["docks"].properties
    assert {name: entry.default for name, entry in declared.items()} == asdict(Preferences())
    for name, entry in declared.items():
        assert entry.title, name
        assert entry.description, name
    # the form of the Train dock begins with the same interval, and refuses the same
    preview = TrainSettings.model_fields["preview_seconds"]
    assert declared["preview_seconds"].default == preview.default
    assert declared["preview_seconds"].minimum == preview.metadata[0].ge


def test_a_change_is_read_at_once_and_kept(file):
    assert preferences() == Preferences()
    settings = napari_settings.get_plugin_settings(NAME)
    settings.docks.cache_mb = 64
    settings.docks.device = "cpu"
    assert preferences() == Preferences("cpu", 4.0, 64)
    assert yaml.safe_load(file.read_text())["docks"] == {"cache_mb": 64, "device": "cpu"}
    napari_settings._PLUGIN_SETTINGS.clear()  # the next start
    assert preferences() == Preferences("cpu", 4.0, 64)


def test_values_out_of_bounds_are_refused(file):
    docks = napari_settings.get_plugin_settings(NAME).docks
    for name, value in (("device", "abacus"), ("cache_mb", 1), ("preview_seconds", 0)):
        with pytest.raises(ValueError, match=name):
            setattr(docks, name, value)


@pytest.mark.parametrize("text", ["docks: {cache_mb: lots}", "docks: 3", "docks: {device: abacus}", "{{{"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_broken_file_does_not_break_the_docks(file, text):
    file.write_text(text)
    assert preferences() == Preferences()


def test_older_napari_has_none(monkeypatch):
    monkeypatch.delattr(napari_settings, "get_plugin_settings")
    assert preferences() == Preferences()


def test_unknown_plugin(monkeypatch):
    def none(name):
        raise KeyError(name)

    monkeypatch.setattr(napari_settings, "get_plugin_settings", none)
    assert preferences() == Preferences()


def test_napari_draws_the_page(make_napari_viewer, file):
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    viewer = make_napari_viewer()
    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    try:
        row = next(i for i in range(dialog._list.count()) if dialog._list.item(i).text() == "Dense SSL")
        page = dialog._stack.widget(row)
        titles = {label.text() for label in page.findChildren(QLabel)}
        assert {"Device", "Preview interval (s)", "Cache of maps (MB)"} <= titles
        (box,) = (box for box in page.findChildren(QComboBox) if box.findText("cuda") >= 0)
        box.setCurrentText("cpu")
        (number,) = page.findChildren(QSpinBox)
        number.setValue(32)
        assert preferences().device == "cpu"
        assert preferences().cache_mb == 32
    finally:
        dialog.close()
        dialog.deleteLater()
