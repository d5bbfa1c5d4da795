"""The whole way through the real engine: opened, trained with the live map, stopped, maps, OME-Zarr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_dense_ssl.gui import whole as whole_module
from napari_dense_ssl.gui.layers import KEY

from .real import make_small, structured_stack


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.timeout(600)
def test_from_a_file_to_maps_on_disk(
    qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, monkeypatch
):
    path = tmp_path / "raw.tif"
    tifffile.imwrite(path, structured_stack(), photometric="minisblack")
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    volume = open_dock(viewer, "Volume")
    volume.path.set_path(str(path))
    qtbot.waitUntil(volume.open_button.isEnabled, timeout=20_000)
    volume.voxels.set_values((40, 4, 4))
    click(qtbot, volume.open_button)
    qtbot.waitUntil(lambda: "raw" in viewer.layers, timeout=20_000)

    train = open_dock(viewer, "Train")
    make_small(train, steps=10_000)
    train.folder.set_path(str(tmp_path / "run"))
    click(qtbot, train.start_button)
    qtbot.waitUntil(lambda: "raw classes (live)" in viewer.layers, timeout=120_000)
    live = viewer.layers["raw classes (live)"]
    z = viewer.dims.current_step[0]
    assert np.asarray(live.data[z]).min() >= 1
    np.testing.assert_allclose(live.scale, (40, 4, 4))
    other = (z + 2) % 6
    viewer.dims.set_current_step(0, other)
    qtbot.waitUntil(lambda: bool(np.asarray(live.data[other]).any()), timeout=60_000)
    click(qtbot, train.stop_button)
    qtbot.waitUntil(lambda: not train.busy, timeout=10_000)
    assert errors() == []
    assert (tmp_path / "run" / "checkpoints").is_dir()

    classes = open_dock(viewer, "Classes")
    assert Path(classes.run_field.path()) == tmp_path / "run"
    click(qtbot, classes.slice_button)
    qtbot.waitUntil(lambda: not classes.busy, timeout=60_000)
    assert errors() == []
    shown = np.asarray(viewer.layers["raw classes"].data[other])
    assert shown.min() >= 1
    assert shown.max() <= 6
    error = np.asarray(viewer.layers["raw equivariance error (0 to 1)"].data[other])
    assert 0 <= error.min() <= error.max() <= 1

    out = tmp_path / "out.zarr"
    monkeypatch.setattr(whole_module.QFileDialog, "getSaveFileName", lambda *_, **__: (str(out), ""))
    viewer.layers["raw classes"].opacity = 0.3
    click(qtbot, classes.whole_button)
    qtbot.waitUntil(lambda: classes.progress.value() > 0, timeout=60_000)
    click(qtbot, classes.stop_button)
    qtbot.waitUntil(lambda: not classes.busy, timeout=60_000)
    assert (
        classes.status.text() == f"Stopped. Choose {out} again under Whole volume to go on where it stands."
    )
    click(qtbot, classes.whole_button)
    qtbot.waitUntil(lambda: not classes.busy, timeout=120_000)
    assert errors() == []
    assert classes.status.text() == f"The whole volume is in {out}."
    from_disk = viewer.layers["raw classes"]
    assert from_disk.metadata[KEY]["run"] == str(tmp_path / "run")
    assert from_disk.metadata[KEY]["out"] == str(out)
    assert from_disk.opacity == 0.3, "what the user had set for the map in memory"
    np.testing.assert_allclose(from_disk.scale, (40, 4, 4))
    assert [str(unit) for unit in from_disk.units] == ["nanometer"] * 3
    data = np.asarray(from_disk.data[0] if from_disk.multiscale else from_disk.data)
    assert data.shape == (6, 96, 128)
    assert data.min() >= 1
    np.testing.assert_array_equal(data[other], shown)
    qtbot.waitUntil(lambda: classes.table.rows.whole, timeout=60_000)
    assert classes.table_line.text().endswith("classes, of the whole volume.")
    counted = np.bincount(data.ravel(), minlength=256)
    assert classes.table.rows.labels == np.flatnonzero(counted).tolist()

    # The threshold hides what is on disk as well, and nothing is left to follow.
    errors_on_disk = np.asarray(viewer.layers["raw equivariance error (0 to 1)"].data).astype(np.float32)
    limit = round(float(np.median(errors_on_disk)), 2)
    classes.trust.set_value(limit)
    drawn = np.asarray(from_disk.data)
    np.testing.assert_array_equal(drawn, np.where(errors_on_disk > np.float32(limit), 0, data))
    classes.follow.setChecked(True)
    assert not classes.follow.isChecked()
    assert "there is nothing to follow" in classes.view_line.text()

    # Once more into the finished output: nothing is computed anew, nothing is lost.
    click(qtbot, classes.whole_button)
    qtbot.waitUntil(lambda: not classes.busy, timeout=60_000)
    assert errors() == []
    assert [layer.name for layer in viewer.layers].count("raw classes") == 1
