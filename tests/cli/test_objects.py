"""The command ``objects``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_dense_ssl.volume import open_volume, write_volume

from .conftest import Answer


def test_objects_of_a_class(call: Callable[..., Answer], tmp_path: Path) -> None:
    array = np.full((4, 32, 32), 2, np.uint8)
    array[:, 4:8, 4:8], array[1:3, 20:24, 20:30] = 5, 6
    write_volume(tmp_path / "map.zarr", array, (50, 5, 5), labels=True)
    out = tmp_path / "objects.zarr"
    answer = call("objects", tmp_path / "map.zarr", "--class", "5,6", "--out", out, "--min-voxels", "70")
    assert answer.status == 0, answer.err
    assert "found    1; 1 of another size were left out" in answer.out
    assert np.count_nonzero(np.asarray(open_volume(out).data)) == 80
    assert (tmp_path / "objects.csv").is_file()
    again = call("objects", tmp_path / "map.zarr", "--class", "5", "--out", out)
    assert again.status == 2
    assert "exists already" in again.err
    answer = call(
        *("objects", tmp_path / "map.zarr", "--class", "5,6", "--out", out, "--overwrite", "--json"),
        *("--min-voxels", "1", "--roi", "0:2,:,:"),
    )
    found = json.loads(answer.out)
    assert (found["objects"], found["voxels"]) == (2, 32 + 40)
    cells = call("objects", tmp_path / "map.zarr", "--class", "5", "--out", tmp_path / "c.zarr", "--cells")
    assert cells.status == 0, cells.err


def test_bad_input_is_one_sentence(call: Callable[..., Answer], tmp_path: Path) -> None:
    write_volume(tmp_path / "map.zarr", np.full((2, 16, 16), 2, np.uint8), None, labels=True)
    for arguments, words in {
        ("--class", "many"): "'many' cannot be read",
        ("--class", "7"): "occurs nowhere",
        ("--class", "2", "--roi", "0:9,:,:"): "reaches outside",
        ("--class", "2", "--min-voxels", "0"): "min_voxels",
    }.items():
        answer = call("objects", tmp_path / "map.zarr", "--out", tmp_path / "out.zarr", *arguments)
        assert answer.status == 2
        assert words in answer.err.splitlines()[-1]
    assert not (tmp_path / "out.zarr").exists()
