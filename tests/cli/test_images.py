"""A 2-D image goes the whole way by the commands, as a volume of one slice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from napari_dense_ssl.volume import open_volume

from .conftest import TINY, Answer

SIZE = 128


def done(answer: Answer) -> str:
    assert answer.status == 0, answer.err
    return answer.out


def test_an_image_and_its_scribbles(call: Callable[..., Answer], tmp_path: Path) -> None:
    raw, truth = (
        open_volume(f"sample:{name}?shape=1x{SIZE}x{SIZE}").data.compute()[0] for name in ("em", "em-labels")
    )
    scribbles = np.where(np.random.default_rng(0).random(truth.shape) < 0.02, truth, 0).astype(np.uint8)
    for name, data in (("raw", raw), ("truth", truth), ("scribbles", scribbles)):
        tifffile.imwrite(tmp_path / f"{name}.tif", data, photometric="minisblack")
    image, run = tmp_path / "raw.tif", tmp_path / "run"
    assert f"1 x {SIZE} x {SIZE}" in done(call("info", image)).replace("×", "x").replace(" , ", " x ")
    done(call("train", image, "--out", run, "--steps", 2, *TINY))
    done(call("predict", image, "--run", run, "--out", tmp_path / "classes.zarr", "--device", "cpu"))
    classes = open_volume(tmp_path / "classes.zarr", dataset="labels/classes")
    assert classes.shape == (1, SIZE, SIZE)
    assert classes.data.min().compute() >= 1
    strokes, out = tmp_path / "scribbles.tif", tmp_path / "seg.zarr"
    done(call("probe", image, "--run", run, "--scribbles", strokes, "--out", out, "--device", "cpu"))
    told = done(call("evaluate", out, tmp_path / "truth.tif", "--named", "--json"))
    figures = json.loads(told)
    assert figures["pixels"] == (truth > 0).sum()
    assert figures["miou"] > 0.2
