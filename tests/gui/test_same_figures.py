"""Scribbles give the same segmentation and the same figures from the dock, the command and Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from tests.cli.conftest import TINY
from typer.testing import CliRunner

from napari_dense_ssl import evaluate, probe
from napari_dense_ssl.cli.main import app
from napari_dense_ssl.volume import open_volume

SIZE = 256
PLANES = (0, 5, 10, 15)  # those that are scribbled


@dataclass(frozen=True)
class Files:
    raw: Path
    truth: Path
    scribbles: Path


def written(folder: Path, raw, truth, scribbles) -> Files:
    files = Files(folder / "raw.tif", folder / "truth.tif", folder / "scribbles.tif")
    for path, data in ((files.raw, raw), (files.truth, truth), (files.scribbles, scribbles)):
        tifffile.imwrite(path, data, photometric="minisblack")
    return files


@pytest.fixture(params=["sample", "vnc 20", "vnc 200", "hrdv2"])
def files(request, tmp_path, real_data) -> Files:
    """Return four slices, their truth and scribbles on them; or a 2-D image with a person's own scribbles.

    Asked for before napari's viewer, whose fixture does not bear that a later one skips the test.
    """
    if request.param == "sample":
        raw, truth = (
            open_volume(f"sample:{what}?shape=4x{SIZE}x{SIZE}").data.compute() for what in ("em", "em-labels")
        )
        places = np.random.default_rng(0).random(truth.shape) < 0.001
        return written(tmp_path, raw, truth, np.where(places, truth, 0).astype(np.uint8))
    if request.param == "hrdv2":
        raw, scribbles = (
            tifffile.imread(real_data(f"hrdv2/{name}.tif"), key=0)[:SIZE, :SIZE]
            for name in ("raw", "scribbles")
        )
        return written(tmp_path, raw, scribbles, scribbles)
    number = request.param.split()[1]
    stacks = [
        tifffile.imread(real_data(f"vnc/{name}.tif"), key=PLANES)
        for name in ("raw", "labels", f"scribbles_{number}")
    ]
    y, x = most_scribbled(stacks[2])
    return written(tmp_path, *(stack[:, y : y + SIZE, x : x + SIZE] for stack in stacks))


def most_scribbled(scribbles) -> tuple[int, int]:
    """Return the corner of the square that has most kinds of scribbles, and most of the rarest."""
    corners = [(y, x) for y in range(0, 1024 - SIZE + 1, 64) for x in range(0, 1024 - SIZE + 1, 64)]

    def richness(corner) -> tuple[int, int]:
        y, x = corner
        counts = np.bincount(scribbles[:, y : y + SIZE, x : x + SIZE].ravel(), minlength=6)[1:]
        return int((counts > 0).sum()), int(counts.min())

    return max(corners, key=richness)


def command(*arguments: object) -> str:
    answer = CliRunner().invoke(app, [str(a) for a in arguments])
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout


def labels_of(path: Path) -> np.ndarray:
    return open_volume(path, dataset="labels/segmentation").data.compute()


def bytes_of(path: Path) -> dict[str, bytes]:
    """Return the chunks of a label image, as they lie on disk."""
    image = path / "labels" / "segmentation"
    return {
        str(file.relative_to(image)): file.read_bytes()
        for file in sorted(image.rglob("*"))
        if file.is_file() and file.name != "zarr.json"
    }


def by_the_dock(qtbot, viewer, open_dock, monkeypatch, files: Files, run: Path, out: Path) -> None:
    """Open the volume, load the scribbles and segment everything to disk."""
    viewer.open(str(files.raw), plugin="napari-dense-ssl")
    dock = open_dock(viewer, "Scribble")
    dock.run_field.set_path(str(run))
    dock.device.addItem("cpu", "cpu")
    dock.device.setCurrentIndex(dock.device.findData("cpu"))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(files.scribbles), ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(out), ""))
    dock.load_menu.aboutToShow.emit()
    dock.load_menu.actions()[0].trigger()
    qtbot.waitUntil(lambda: not dock.busy and dock.scribbles.layer() is not None, timeout=120_000)
    dock.follow.setChecked(False)
    qtbot.mouseClick(dock.apply_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.busy, timeout=600_000)
    assert dock.status.text() == f"The segmentation is in {out}."


@pytest.mark.timeout(1200)
def test_three_ways_from_scribbles_to_figures(
    files, qtbot, make_napari_viewer_proxy, open_dock, monkeypatch, tmp_path, errors
):
    run, outs = tmp_path / "run", [tmp_path / f"{way}.zarr" for way in ("command", "python", "dock")]
    command("train", files.raw, "--out", run, "--steps", 3, *TINY)

    command(
        "probe", files.raw, "--run", run, "--scribbles", files.scribbles, "--out", outs[0], "--device", "cpu"
    )
    for _ in probe(open_volume(files.raw), run, files.scribbles, outs[1], device="cpu"):
        pass
    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    by_the_dock(qtbot, viewer, open_dock, monkeypatch, files, run, outs[2])
    found = [labels_of(out) for out in outs]
    assert len(np.unique(found[0])) > 1
    assert found[0].min() >= 1
    for other in outs[1:]:
        assert bytes_of(other) == bytes_of(outs[0])

    figures = evaluate(outs[1], files.truth, named=True).as_dict()
    printed = json.loads(command("evaluate", outs[0], files.truth, "--named", "--json"))
    dock = open_dock(viewer, "Evaluate")
    dock.truth.prediction.layer.choose(viewer.layers["raw segmentation (dock)"])
    dock.truth.truth.use_file.setChecked(True)
    dock.truth.truth.path.set_path(str(files.truth))
    dock.truth.named.setChecked(True)
    qtbot.mouseClick(dock.truth.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.busy and dock.truth.found is not None, timeout=120_000)
    seen = dock.truth.found.as_dict()
    for name in ("miou", "mdice", "accuracy", "ari", "voi_split", "voi_merge", "pixels"):
        assert figures[name] == printed[name] == seen[name]
    assert errors() == []
