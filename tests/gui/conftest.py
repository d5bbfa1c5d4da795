"""Fixtures of the docks: settings of their own, small volumes, and no job that outlives its test."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
import torchvision  # noqa: F401 - before any window: tests touch torch outside of jobs, see gui/triton_guard.py
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest
from qtpy.compat import isalive
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_dense_ssl.gui import session as session_module
from napari_dense_ssl.gui.job import close_all

PACKAGE = "napari_dense_ssl"
SOURCE = Path(__file__).parents[2] / "src" / "napari_dense_ssl"


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep recent paths and runs of a test out of the user's own."""
    monkeypatch.setattr(platformdirs, "user_config_path", lambda name: tmp_path / "config" / name)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / "data" / name)
    session_module.runs_of_session.cache_clear()


@pytest.fixture
def qtbot(qtbot, monkeypatch: pytest.MonkeyPatch):
    """Return pytest-qt's robot with patience for busy machines: it waits for 30 s where it would for 5."""
    for name in ("waitUntil", "waitSignal"):
        monkeypatch.setattr(qtbot, name, partial(getattr(qtbot, name), timeout=30_000))
    return qtbot


@pytest.fixture(autouse=True)
def errors(qtbot) -> Iterator[Callable[[], list[str]]]:
    """Return the errors that napari was told of; a job that outlives its test fails it."""
    notification_manager.records.clear()
    yield lambda: [str(n.message) for n in notification_manager.records if str(n.severity) == "error"]
    assert close_all()
    qtbot.wait(10)
    notification_manager.records.clear()


def _left(opened: list[Any]) -> list[Any]:
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    left = [dock for reference in opened if (dock := reference()) is not None and isalive(dock)]
    for window in QApplication.topLevelWidgets():
        left += [w for w in (window, *window.findChildren(QWidget)) if type(w).__module__.startswith(PACKAGE)]
    return left


@pytest.fixture(autouse=True)
def docks(qtbot, request) -> Iterator[list[Any]]:
    """Docks that a test opens; a widget of ours that outlives its window fails the test."""
    opened: list[Any] = []
    yield opened
    left = _left(opened)
    if left:  # a job that was running holds its dock in a cycle until Python looks for such
        del left
        request.node.funcargs.clear()  # pytest holds what it gave to the test until later than now
        gc.collect()
        left = _left(opened)
    names = [type(widget).__name__ for widget in left]
    assert not names, f"outlived their window: {names}"


@pytest.fixture
def manifest() -> PluginManifest:
    """The packaged manifest."""
    return PluginManifest.from_file(SOURCE / "napari.yaml")


@pytest.fixture
def plugin(manifest: PluginManifest) -> None:
    """Make sure that napari knows the plugin, installed or not."""
    manager = PluginManager.instance()
    if manifest.name not in manager:
        manager.register(manifest)


@pytest.fixture
def open_dock(qtbot, plugin, docks) -> Callable[..., Any]:
    """Open a dock as the menu does; `tabify` puts it before the others."""

    def dock(viewer: Any, name: str, tabify: bool = False) -> Any:
        frame, widget = viewer.window.add_plugin_dock_widget("napari-dense-ssl", name, tabify=tabify)
        if tabify:
            frame.raise_()
        docks.append(weakref.ref(widget))
        return widget

    return dock


@pytest.fixture
def stack() -> np.ndarray[Any, Any]:
    """A small stack of grey-value slices."""
    return np.random.default_rng(0).integers(0, 255, (6, 96, 128), np.uint8)


@pytest.fixture
def em_viewer(make_napari_viewer_proxy, stack) -> Any:
    """A viewer with a stack of anisotropic voxels in nm, its slider at slice 3."""
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    viewer.add_image(
        stack,
        name="em",
        scale=(50, 5, 5),
        translate=(100, 10, 20),
        units=("nm",) * 3,
        axis_labels=("z", "y", "x"),
    )
    viewer.dims.set_current_step(0, 3)
    return viewer
