"""The whole way through the real engine, as a person goes it: from a file to maps in another window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_dense_ssl.gui import classes_dock as classes_module
from napari_dense_ssl.gui.layers import KEY

from .real import make_small

PLUGIN = "napari-dense-ssl"
LONG = 240_000  # ms; machines may be busy
SAMPLE = "sample:em?shape=6x96x128"


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture(params=["sample", "vnc"])
def volume(request, tmp_path, real_data) -> tuple[str, str, tuple[float, float, float] | None]:
    """Return a path, the name its layer will have, and the voxel size to enter where the file has none.

    Asked for before napari's viewer, whose fixture does not bear that a later one skips the test.
    """
    if request.param == "sample":
        return SAMPLE, "sample:em", None
    path = tmp_path / "vnc.tif"
    stack = tifffile.imread(real_data("vnc/raw.tif"), key=range(6))
    tifffile.imwrite(path, stack[:, 200:296, 200:328], photometric="minisblack")
    return str(path), "vnc", (50.0, 4.6, 4.6)


def finest(layer) -> np.ndarray:
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


@pytest.mark.timeout(900)
def test_from_a_file_to_maps_in_another_window(
    volume, qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, monkeypatch
):
    path, name, entered = volume
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    scale = opened(qtbot, viewer, open_dock, path, name, entered)
    trained_while_scrolling(qtbot, viewer, open_dock, tmp_path / "run", name, scale)
    assert errors() == []

    classes = open_dock(viewer, "Classes")
    assert Path(classes.run_field.path()) == tmp_path / "run"
    seen = looked_slice_by_slice(qtbot, viewer, classes, name)
    threshold_hides(viewer, classes, name)
    assert errors() == []

    out = tmp_path / "out.zarr"
    monkeypatch.setattr(classes_module, "ask_where", lambda *_: out)
    on_disk = written_in_two_goes(qtbot, viewer, open_dock, classes, name, out, seen)
    np.testing.assert_allclose(on_disk.scale, scale)
    assert [str(unit) for unit in on_disk.units] == ["nanometer"] * 3
    assert errors() == []

    saved = tmp_path / "saved.zarr"
    data = finest(on_disk)
    viewer.layers.selection = {viewer.layers[name], on_disk}
    assert viewer.layers.save(str(saved), selected=True, plugin=PLUGIN) == [str(saved)]
    raw = finest(viewer.layers[name])
    fresh = make_napari_viewer_proxy(ensure_main_thread=True)
    for layer in fresh.open(str(saved), plugin=PLUGIN) + fresh.open(str(out), plugin=PLUGIN):
        np.testing.assert_allclose(layer.scale, scale)
        assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
        assert tuple(layer.axis_labels) == ("z", "y", "x")
    maps = [finest(layer) for layer in fresh.layers if isinstance(layer, Labels)]
    assert len(maps) == 2, "of what was saved, and of what the Classes dock wrote"
    for found in maps:
        np.testing.assert_array_equal(found, data)
    np.testing.assert_array_equal(finest(fresh.layers[0]), raw)
    assert errors() == []


def opened(qtbot, viewer, open_dock, path, name, entered) -> tuple[float, ...]:
    """Open the volume through its dock; return the scale that everything made of it must have."""
    dock = open_dock(viewer, "Volume")
    dock.path.set_path(path)
    qtbot.waitUntil(dock.open_button.isEnabled, timeout=LONG)
    assert dock.voxels.isEnabled() == (entered is not None)
    if entered is not None:
        dock.voxels.set_values(entered)
    click(qtbot, dock.open_button)
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=LONG)
    scale = tuple(viewer.layers[name].scale)
    np.testing.assert_allclose(scale, dock.volume.voxel_size if entered is None else entered)
    return scale


def trained_while_scrolling(qtbot, viewer, open_dock, run, name, scale) -> None:
    """Train until the live map has followed to another slice, and stop."""
    dock = open_dock(viewer, "Train")
    make_small(dock, steps=100_000)
    dock.folder.set_path(str(run))
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: f"{name} classes (live)" in viewer.layers, timeout=LONG)
    live = viewer.layers[f"{name} classes (live)"]
    z = viewer.dims.current_step[0]
    assert np.asarray(live.data[z]).min() >= 1
    np.testing.assert_allclose(live.scale, scale)
    for other in (z - 1, z - 2):
        viewer.dims.set_current_step(0, other)
        qtbot.waitUntil(lambda z=other: bool(np.asarray(live.data[z]).any()), timeout=LONG)
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    assert (run / "checkpoints").is_dir()
    viewer.layers.remove(live)


def looked_slice_by_slice(qtbot, viewer, classes, name) -> dict[int, np.ndarray]:
    """Follow through three slices, with the error; return what was seen of the classes."""
    viewer.reset_view()
    viewer.scene.camera.zoom /= 2  # all of the plane is in view, whatever the window's size
    classes.follow.setChecked(True)
    seen = {}
    for z in (1, 2, 4):
        viewer.dims.set_current_step(0, z)
        qtbot.waitUntil(lambda z=z: classes.view_line.text() == f"Slice {z}: computed", timeout=LONG)
        seen[z] = finest(viewer.layers[f"{name} classes"])[z]
        assert seen[z].min() >= 1
        assert seen[z].max() <= 6
        error = finest(viewer.layers[f"{name} equivariance error (0 to 1)"])[z]
        assert 0 <= error.min() <= error.max() <= 1
    return seen


def threshold_hides(viewer, classes, name) -> None:
    """Set the threshold to the median error: the classes beyond it are not shown, and come back."""
    z = viewer.dims.current_step[0]
    layer = viewer.layers[f"{name} classes"]
    error = finest(viewer.layers[f"{name} equivariance error (0 to 1)"])[z].astype(np.float32)
    whole = finest(layer)[z]
    limit = round(float(np.median(error)), 2)
    classes.trust.set_value(limit)
    np.testing.assert_array_equal(finest(layer)[z], np.where(error > np.float32(limit), 0, whole))
    classes.trust.set_value(1.0)
    np.testing.assert_array_equal(finest(layer)[z], whole)


def written_in_two_goes(qtbot, viewer, open_dock, classes, name, out, seen):
    """Write the whole volume, close the dock in the middle, open it and go on; return the map's layer."""
    viewer.layers[f"{name} classes"].opacity = 0.3
    click(qtbot, classes.whole_button)
    assert not classes.slice_button.isEnabled()
    qtbot.waitUntil(lambda: classes.progress.value() > 0, timeout=LONG)
    job = classes.job
    viewer.window.remove_dock_widget(classes)
    qtbot.waitUntil(lambda: not job.running, timeout=LONG)
    classes = open_dock(viewer, "Classes")
    told = []
    click(qtbot, classes.whole_button)
    classes.job.happened.connect(told.append)
    qtbot.waitUntil(lambda: not classes.busy, timeout=LONG)
    assert classes.status.text() == f"The whole volume is in {out}."
    begun = next(event for event in told if type(event).__name__ == "Started")
    assert begun.details["done_before"] > 0, "what was written before the dock was closed is not done again"
    layer = viewer.layers[f"{name} classes"]
    assert layer.metadata[KEY]["out"] == str(out)
    assert layer.opacity == 0.3, "what the user had set for the map in memory"
    assert [other.name for other in viewer.layers].count(f"{name} classes") == 1
    data = finest(layer)
    assert data.min() >= 1
    for z, plane in seen.items():
        np.testing.assert_array_equal(data[z], plane)
    qtbot.waitUntil(lambda: classes.table.rows.whole, timeout=LONG)
    assert classes.table_line.text().endswith("classes, of the whole volume.")
    assert classes.table.rows.labels == np.flatnonzero(np.bincount(data.ravel(), minlength=256)).tolist()
    classes.follow.setChecked(True)
    assert not classes.follow.isChecked(), "all is computed"
    return layer
