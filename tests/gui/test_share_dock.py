"""The Share dock in a real window: a run out and in again, with real files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import yaml
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from tests.share.conftest import make_run

from napari_dense_ssl.gui.remember import recent
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.model import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "my run")


@pytest.fixture
def dock(make_napari_viewer_proxy, open_dock):
    return open_dock(make_napari_viewer_proxy(ensure_main_thread=True), "Share")


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def infos() -> list[str]:
    return [str(n.message) for n in notification_manager.records if str(n.severity) == "info"]


def test_a_run_out_and_in_again(qtbot, dock, run, tmp_path, monkeypatch, errors):
    assert not dock.export_button.isEnabled()
    assert not dock.import_button.isEnabled()
    dock.run_field.set_path(str(run.path))
    dock.authors.setText("Ada Lovelace (Analytical Engines); Charles Babbage")
    dock.tags.setText("fly, cortex")
    dock.form.editors["license"].set_value("CC0-1.0")
    asked = []

    def where(parent, title, suggestion, kinds, **_):
        asked.append(suggestion)
        return str(tmp_path / "model"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", where)
    click(qtbot, dock.export_button)
    assert dock.stop_button.isEnabled()
    qtbot.waitUntil(lambda: not dock.busy, timeout=60_000)
    assert errors() == []
    assert asked == [str(tmp_path / "my run.zip")]
    package = tmp_path / "model.zip"
    assert str(package) in dock.status.text()
    assert "CC0-1.0" in infos()[-1]
    with zipfile.ZipFile(package) as file:
        table = yaml.safe_load(file.read("rdf.yaml"))
    assert [author["name"] for author in table["authors"]] == ["Ada Lovelace", "Charles Babbage"]
    assert {"fly", "cortex"} <= set(table["tags"])

    dock.source.choose(str(package))
    click(qtbot, dock.import_button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=60_000)
    assert errors() == []
    made = Path(runs_of_session().latest)
    assert RunFolder.open(made).classes == 5
    assert recent("runs")[0] == str(made)
    assert dock.run_field.path() == str(made), "what was taken in can be looked at next"
    assert "licence CC0-1.0" in dock.status.text()
    assert dock.progress.format() == "done"


def test_what_cannot_be_is_told(qtbot, dock, tmp_path, errors):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../evil.txt", "gotcha")
    dock.source.set_path(str(tmp_path / "evil.zip"))
    click(qtbot, dock.import_button)
    qtbot.waitUntil(lambda: not dock.busy and bool(errors()), timeout=60_000)
    assert "leads out of the folder" in errors()[0]
    assert "leads out of the folder" in dock.status.text()
    assert dock.import_button.isEnabled()
    dock.run_field.set_path(str(tmp_path))
    dock.form.editors["license"].set_value("two words")
    click(qtbot, dock.export_button)
    assert not dock.busy
    assert "CC-BY-4.0" in errors()[-1]


def test_authors_and_licence_are_remembered(dock, make_napari_viewer_proxy, open_dock):
    from napari_dense_ssl.gui.remember import remember

    remember("share/licence", "MIT")
    remember("share/authors", "Ada Lovelace")
    again = type(dock)(dock.viewer)
    assert again.settings().license == "MIT"
    assert again.settings().authors == ("Ada Lovelace",)
    again.shut()
    again.deleteLater()
