"""Bad input through the docks: one notification that says what to do, no traceback, and the dock goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from qtpy.QtCore import Qt

from napari_dense_ssl.engine import train
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.gui import whole as whole_module
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.volume import Volume

from .real import make_small, structured_stack

Z, Y, X = 4, 96, 128


def only(errors: Callable[[], list[str]], dock: Any, said: str) -> None:
    """Check that there was one error, that the dock repeats it, and that it is no bug."""
    (text,) = errors()
    assert said.lower() in text.lower()
    assert "bug" not in text
    assert "Traceback" not in text
    assert dock.status.text() == text
    assert not dock.busy


# -- Volume ------------------------------------------------------------------------------------------------


def bare_folder(at: Path) -> Path:
    at.mkdir()
    (at / "notes.txt").write_text("no images")
    return at


def text(at: Path) -> Path:
    at.write_text("a letter")
    return at


def tiff(array: np.ndarray, photometric: str = "minisblack") -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        tifffile.imwrite(at, array, photometric=photometric)
        return at

    return make


def truncated(at: Path) -> Path:
    tiff(np.ones((Z, Y, X), np.uint8))(at)
    at.write_bytes(at.read_bytes()[:20_000])
    return at


def array(values: np.ndarray) -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        zarr.create_array(at, data=values)
        return at

    return make


def without_volumes(at: Path) -> Path:
    with h5py.File(at, "w") as file:
        file["table"] = np.zeros(3)
    return at


VOLUMES: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "no such path": ("missing.tif", lambda at: at, "There is no file or folder"),
    "a directory without images": ("bare", bare_folder, "holds no images"),
    "a text file named .tif": ("letter.tif", text, "letter.tif"),
    "a truncated TIFF": ("cut.tif", truncated, "cut.tif"),
    "an HDF5 without volumes": ("table.h5", without_volumes, "table.h5"),
    "6-D": ("six.zarr", array(np.zeros((2, 1, 1, Z, Y, X), np.uint8)), "six.zarr"),
    "complex": ("c.zarr", array(np.zeros((Z, Y, X), np.complex64)), "complex"),
    "a scheme that is not known": ("ftp://host/a.zarr", lambda at: at, "no location that can be read"),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volumes(qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, case):
    name, make, said = VOLUMES[case]
    path = name if "://" in name else str(make(tmp_path / name))
    dock = open_dock(make_napari_viewer_proxy(ensure_main_thread=True), "Volume")
    dock.path.choose(path)
    qtbot.waitUntil(lambda: bool(errors()) and not dock.busy, timeout=20_000)
    only(errors, dock, said)
    assert not dock.open_button.isEnabled()


def test_boolean_volumes_are_shown_with_a_note(qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors):
    zarr.create_array(tmp_path / "b.zarr", data=np.ones((Z, Y, X), bool))
    dock = open_dock(make_napari_viewer_proxy(ensure_main_thread=True), "Volume")
    dock.path.choose(str(tmp_path / "b.zarr"))
    qtbot.waitUntil(lambda: dock.open_button.isEnabled() or bool(errors()), timeout=20_000)
    assert errors() or "bool" in dock.status.text().lower()


# -- Train -------------------------------------------------------------------------------------------------


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


LAYERS: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "all NaN": (np.full((Z, Y, X), np.nan, np.float32), {"contrast_limits": (0, 1)}, "no finite value"),
    "constant": (np.full((Z, Y, X), 7, np.uint8), {}, "same value everywhere"),
    "2-D": (np.zeros((Y, X), np.uint8), {}, "has 2 axes"),
    "4-D": (np.zeros((2, Z, Y, X), np.uint8), {}, "has 4 axes"),
    "RGB": (np.zeros((Z, Y, X, 3), np.uint8), {"rgb": True}, "colour"),
    "smaller than a crop": (structured_stack((Z, 20, 20)), {}, "region"),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_to_train_on(qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, case):
    data, keywords, said = LAYERS[case]
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    viewer.add_image(data, name="x", **keywords)
    dock = open_dock(viewer, "Train")
    make_small(dock, steps=2)
    dock.folder.set_path(str(tmp_path / "run"))
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: bool(errors()) and not dock.busy, timeout=60_000)
    only(errors, dock, said)
    assert dock.start_button.isEnabled()


def empty_range(viewer: Any, dock: Any, folder: Path) -> None:
    dock.region.choice.setCurrentIndex(1)
    dock.region.first.setValue(3)
    dock.region.last.setValue(1)


def nothing_drawn(viewer: Any, dock: Any, folder: Path) -> None:
    dock.region.choice.setCurrentIndex(2)


def drawn_outside(viewer: Any, dock: Any, folder: Path) -> None:
    viewer.add_shapes([np.array([[-90, -90], [-90, -50], [-50, -50], [-50, -90]])], name="far")
    dock.region.choice.setCurrentIndex(2)


def drawn_too_small(viewer: Any, dock: Any, folder: Path) -> None:
    viewer.add_shapes([np.array([[5, 5], [5, 15], [15, 15], [15, 5]])], name="small")
    dock.region.choice.setCurrentIndex(2)


def crop_and_stride(viewer: Any, dock: Any, folder: Path) -> None:
    dock.form.editors["encoder"].editors["depths"].set_value((1, 1, 1))


def not_a_list(viewer: Any, dock: Any, folder: Path) -> None:
    dock.form.editors["encoder"].editors["depths"].inner.widget.setText("[1,")


def no_place_to_write(viewer: Any, dock: Any, folder: Path) -> None:
    (folder / "file").write_text("")
    dock.folder.set_path(str(folder / "file" / "run"))


def run_exists(viewer: Any, dock: Any, folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "settings.yaml").write_text("{}")


SETTINGS: dict[str, tuple[Callable[[Any, Any, Path], None], str]] = {
    "a range that ends before it begins": (empty_range, "empty"),
    "no shape": (nothing_drawn, "Nothing is drawn"),
    "a shape outside of the image": (drawn_outside, "outside"),
    "a region smaller than a crop": (drawn_too_small, "region"),
    "settings that contradict each other": (crop_and_stride, "depths has 3 entries for 2 stages"),
    "a list that is none": (not_a_list, "expected a list"),
    "no place to write": (no_place_to_write, "cannot be written"),
    "a run that exists": (run_exists, "holds a run already"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_of_a_training(qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, case):
    spoil, said = SETTINGS[case]
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    viewer.add_image(structured_stack((Z, Y, X)), name="x")
    dock = open_dock(viewer, "Train")
    make_small(dock, steps=2)
    dock.folder.set_path(str(tmp_path / "run"))
    spoil(viewer, dock, tmp_path)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: bool(errors()) and not dock.busy, timeout=60_000)
    only(errors, dock, said)
    assert dock.start_button.isEnabled()


# -- Classes -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run of two steps."""
    run = tmp_path_factory.mktemp("trained") / "run"
    settings = TrainSettings.model_validate(
        {
            "classes": 6,
            "minutes": None,
            "steps": 2,
            "device": "cpu",
            "threads": 1,
            "encoder": {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4},
            "sampler": {"crop": 32, "view_shift": 16, "block": 64, "batch": 4, "pool": 4, "reuse": 4},
            "objective": {"codebook_pixels": 2000, "mask_size": 8},
        }
    )
    for _ in train(Volume.from_arrays([structured_stack((Z, Y, X))]), run, settings):
        pass
    return run


def missing(run: Path) -> None:
    shutil.rmtree(run)


def not_a_run(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()


def other_version(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"format": 99}))


def no_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()


def tampered(run: Path) -> None:
    (weights,) = run.glob("checkpoints/step-*/weights.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def damaged_settings(run: Path) -> None:
    (run / "settings.yaml").write_text("][")


RUNS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (missing, "There is no run folder"),
    "not a run": (not_a_run, "is not a run folder"),
    "of another version": (other_version, "format 99"),
    "without a checkpoint": (no_checkpoint, "no whole checkpoint"),
    "tampered with": (tampered, "checkpoint"),
    "with damaged settings": (damaged_settings, "damaged"),
}


def classes_dock(make_napari_viewer_proxy, open_dock, run: Path) -> Any:
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    viewer.add_image(structured_stack((Z, Y, X)), name="x")
    runs_of_session().add(str(run))
    return open_dock(viewer, "Classes")


@pytest.mark.parametrize("case", RUNS)
def test_runs(qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, trained, case):
    spoil, said = RUNS[case]
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    spoil(run)
    dock = classes_dock(make_napari_viewer_proxy, open_dock, run)
    click(qtbot, dock.slice_button)
    qtbot.waitUntil(lambda: bool(errors()) and not dock.busy, timeout=60_000)
    only(errors, dock, said)
    assert dock.slice_button.isEnabled()
    assert [layer.name for layer in dock.viewer.layers] == ["x"]


def test_following_ends_at_an_error(qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, trained):
    dock = classes_dock(make_napari_viewer_proxy, open_dock, tmp_path / "nothing")
    dock.follow.setChecked(True)
    qtbot.waitUntil(lambda: bool(errors()) and not dock.busy, timeout=60_000)
    qtbot.wait(400)
    only(errors, dock, "There is no run folder")
    assert not dock.follow.isChecked()


def foreign_output(out: Path) -> None:
    out.mkdir()
    (out / "letter.txt").write_text("mine")


def output_is_a_file(out: Path) -> None:
    out.write_text("mine")


def output_in_a_file(out: Path) -> None:
    out.parent.rmdir()
    out.parent.write_text("mine")


OUTPUTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "of somebody else": (foreign_output, "out.zarr"),
    "that is a file": (output_is_a_file, "out.zarr"),
    "where nothing can be written": (output_in_a_file, "out.zarr"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs(qtbot, make_napari_viewer_proxy, open_dock, tmp_path, errors, trained, monkeypatch, case):
    spoil, said = OUTPUTS[case]
    out = tmp_path / "place" / "out.zarr"
    out.parent.mkdir()
    spoil(out)
    dock = classes_dock(make_napari_viewer_proxy, open_dock, trained)
    monkeypatch.setattr(whole_module.QFileDialog, "getSaveFileName", lambda *_, **__: (str(out), ""))
    click(qtbot, dock.whole_button)
    qtbot.waitUntil(lambda: bool(errors()) and not dock.busy, timeout=60_000)
    only(errors, dock, said)
