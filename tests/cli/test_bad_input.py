"""Bad input: one sentence on standard error, nothing on standard output, exit status 2, no traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from .conftest import SMALL, TINY, Answer


def _stack(dtype: str = "uint8", shape: tuple[int, ...] = (4, 128, 128)) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 200, shape).astype(dtype)


def _bare_directory(at: Path) -> Path:
    at.mkdir()
    (at / "notes.txt").write_text("no images here")
    return at


def _text_as_tiff(at: Path) -> Path:
    at.write_text("this is a letter, not an image")
    return at


def _truncated_tiff(at: Path) -> Path:
    tifffile.imwrite(at, _stack(), photometric="minisblack")
    at.write_bytes(at.read_bytes()[:20_000])
    return at


def _many_datasets(at: Path) -> Path:
    with h5py.File(at, "w") as file:
        file["raw"] = _stack()
        file["labels"] = _stack()
    return at


def _tiff(array: np.ndarray, photometric: str = "minisblack") -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        tifffile.imwrite(at, array, photometric=photometric)
        return at

    return make


def _zarr(array: np.ndarray) -> Callable[[Path], Path]:
    def make(at: Path) -> Path:
        zarr.save_array(at, array)
        return at

    return make


VOLUMES: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "no such path": ("missing.tif", lambda at: at, r"missing\.tif"),
    "directory without images": ("bare", _bare_directory, r"bare"),
    "text named .tif": ("letter.tif", _text_as_tiff, r"letter\.tif"),
    "truncated TIFF": ("cut.tif", _truncated_tiff, r"cut\.tif"),
    "several datasets": ("many.h5", _many_datasets, r"labels.*raw|raw.*labels"),
    "4-D": ("four.zarr", _zarr(_stack(shape=(2, 3, 64, 64))), r"four\.zarr"),
    "complex": ("complex.zarr", _zarr(_stack("complex64")), r"complex"),
    "boolean": ("bool.zarr", _zarr(_stack() > 100), r"bool"),
    "all NaN": ("nan.tif", _tiff(np.full((4, 128, 128), np.nan, "float32")), r"NaN|finite"),
    "constant": ("constant.tif", _tiff(np.full((4, 128, 128), 7, "uint8")), r"constant|one grey value"),
    "smaller than a crop": ("small.tif", _tiff(_stack(shape=(4, 40, 40))), r"40"),
}


def _is_one_sentence(answer: Answer, part: str) -> None:
    assert answer.status == 2, answer
    assert answer.out == ""
    lines = answer.err.splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].endswith("."), lines[0]
    assert "Traceback" not in answer.err
    assert re.search(part, answer.err), answer.err


@pytest.mark.parametrize("case", VOLUMES)
def test_a_bad_volume_is_answered_before_training(
    case: str, call: Callable[..., Answer], tmp_path: Path
) -> None:
    name, make, part = VOLUMES[case]
    run = tmp_path / "run"
    _is_one_sentence(call("train", make(tmp_path / name), "--out", run, "--steps", "2", *TINY), part)
    # Nothing is left behind that a second try would stumble over.
    assert not run.exists() or not any(run.iterdir())


@pytest.mark.parametrize(
    "case", [name for name in VOLUMES if name not in ("all NaN", "constant", "smaller than a crop")]
)
def test_a_bad_volume_is_answered_by_info(case: str, call: Callable[..., Answer], tmp_path: Path) -> None:
    name, make, part = VOLUMES[case]
    _is_one_sentence(call("info", make(tmp_path / name)), part)


SETTINGS: dict[str, tuple[list[str], str]] = {
    "region outside": (["--roi", "0:99,:,:"], r"0:99,0:192,0:192 reaches outside"),
    "region empty": (["--roi", "3:3,:,:"], r"empty"),
    "region malformed": (["--roi", "0:4,:"], r"2 ranges"),
    "region not numbers": (["--roi", "a:b,:,:"], r"'a:b'"),
    "region smaller than a crop": (["--roi", ":,0:40,0:40"], r"40"),
    "unknown recipe": (["--recipe", "alchemy"], r"'alchemy'.*masked-clusters"),
    "one class": (["--classes", "1"], r"'classes': '?1'? came, expected: .*2"),
    "no number": (["--steps", "many"], r"'steps': 'many' came"),
    "unknown device": (["--device", "abacus"], r"'device': 'abacus' came"),
    "context of one": (["--context", "1"], r"'context'"),
    "unknown setting": (["--set", "sampler.colour=red"], r"'sampler\.colour' is unknown"),
    "no assignment": (["--set", "sampler.crop"], r"name=value"),
    "assignment through a value": (
        ["--set", "classes=5", "--set", "classes.x=1"],
        r"'classes' was given a value",
    ),
    "crop that does not fit": (["--set", "sampler.crop=40"], r"'sampler.crop': 40 came.*multiple of 16"),
    "no settings file": (["--settings", "nowhere.yaml"], r"nowhere\.yaml"),
    "voxel size": (["--voxel-size", "4,4"], r"'4,4'.*three"),
    "voxel size of zero": (["--voxel-size", "4,0,4"], r"above 0"),
    "unknown flag": (["--colour", "red"], r"--colour"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_bad_setting_is_answered(case: str, call: Callable[..., Answer], tmp_path: Path) -> None:
    arguments, part = SETTINGS[case]
    tiny = TINY[4:] if case == "crop that does not fit" else TINY
    _is_one_sentence(call("train", SMALL, "--out", tmp_path / "run", "--steps", "2", *tiny, *arguments), part)


@pytest.mark.parametrize("content", ["[1, 2]", "classes: [", "classes: 1", "colour: red"])
def test_a_bad_settings_file_is_answered(content: str, call: Callable[..., Answer], tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    answer = call("train", SMALL, "--out", tmp_path / "run", "--settings", file)
    _is_one_sentence(answer, "settings.yaml|'classes'|'colour'")


USAGE: dict[str, tuple[list[str], str]] = {
    "no such command": (["paint"], "paint"),
    "no volume": (["info"], "VOLUME|volume"),
    "no run": (["predict", SMALL, "--out", "x.zarr"], "--run"),
    "unknown kind": (
        ["predict", SMALL, "--run", "r", "--out", "x.zarr", "--what", "colours"],
        "'colours'.*classes, error",
    ),
    "bad range": (["evaluate", "a", "b", "--fit", "5:2"], "--fit '5:2'"),
    "no prediction": (["evaluate", "nowhere.zarr", "sample:em-labels"], r"nowhere\.zarr"),
}


@pytest.mark.parametrize("case", USAGE)
def test_bad_usage_is_answered(case: str, call: Callable[..., Answer]) -> None:
    arguments, part = USAGE[case]
    _is_one_sentence(call(*arguments), part)


def _latest(run: Path) -> Path:
    return sorted((run / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)[-1]


def _other_version(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"format": 999}))


def _no_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()


def _tampered_checkpoint(run: Path) -> None:
    for step in (run / "checkpoints").glob("*/weights.safetensors"):
        content = bytearray(step.read_bytes())
        content[-1] ^= 0xFF
        step.write_bytes(content)


def _truncated_checkpoint(run: Path) -> None:
    for step in (run / "checkpoints").glob("*/weights.safetensors"):
        step.write_bytes(step.read_bytes()[:100])


def _other_settings(run: Path) -> None:
    text = (run / "settings.yaml").read_text()
    (run / "settings.yaml").write_text(text.replace("classes: 8", "classes: 9"))


RUNS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no run folder": (shutil.rmtree, "run folder"),
    "another folder": (lambda run: (run / "run.json").unlink(), "not a run folder"),
    "damaged record": (lambda run: (run / "run.json").write_text("{"), "damaged"),
    "another version": (_other_version, "format 999"),
    "missing checkpoint": (_no_checkpoint, "no whole checkpoint"),
    "tampered checkpoint": (_tampered_checkpoint, "checkpoint"),
    "truncated checkpoint": (_truncated_checkpoint, "checkpoint"),
    "changed settings": (_other_settings, "does not fit|changed"),
}


@pytest.mark.parametrize("case", RUNS)
def test_a_bad_run_folder_is_answered(
    case: str, call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    damage, part = RUNS[case]
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    damage(run)
    out = tmp_path / "out.zarr"
    _is_one_sentence(call("predict", SMALL, "--run", run, "--out", out), part)
    assert not out.exists()


def test_a_run_that_exists_is_not_overwritten(call: Callable[..., Answer], small_run: Path) -> None:
    _is_one_sentence(call("train", SMALL, "--out", small_run, "--steps", "2", *TINY), "--resume")


@pytest.mark.parametrize("place", ["file", "proc"])
def test_no_write_permission_is_answered(
    place: str, call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    # Permissions mean nothing to root; a place below a file, or in /proc, refuses everybody.
    if place == "file":
        (tmp_path / "file").write_text("")
        below = tmp_path / "file" / "below"
    elif sys.platform == "linux":
        below = Path("/proc/below")
    else:
        pytest.skip("NO /proc HERE: the read-only place is tested on Linux only")
    _is_one_sentence(call("train", SMALL, "--out", below, "--steps", "2", *TINY), str(below))
    _is_one_sentence(call("predict", SMALL, "--run", small_run, "--out", below / "out.zarr"), str(below))


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_folder_is_answered(call: Callable[..., Answer], small_run: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    _is_one_sentence(call("train", SMALL, "--out", closed / "run", "--steps", "2", *TINY), "closed")
    _is_one_sentence(call("predict", SMALL, "--run", small_run, "--out", closed / "out.zarr"), "closed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a tmpfs of some kB; skips where mounting is not allowed."""
    mounted: list[Path] = []

    def mount(kilobytes: int) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        if (
            shutil.which("mount") is None
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("NO SMALL DISK: mounting a tmpfs needs root; 'no space left' was not tested")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_answered_in_training(
    call: Callable[..., Answer], small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(512)
    answer = call("train", SMALL, "--out", disk / "run", "--steps", "2", *TINY)
    assert answer.status == 2, answer
    # The training had begun, so its progress stands above the sentence.
    assert re.search(r"space|full", answer.err.splitlines()[-1])
    assert "Traceback" not in answer.err


def test_a_full_disk_is_answered_in_prediction(
    call: Callable[..., Answer], small_disk: Callable[[int], Path], small_run: Path
) -> None:
    disk = small_disk(64)
    answer = call("predict", SMALL, "--run", small_run, "--out", disk / "out.zarr")
    assert answer.status == 2, answer
    assert re.search(r"space|full", answer.err.splitlines()[-1])
    assert "Traceback" not in answer.err


def test_a_subprocess_answers_in_the_same_way(spawn: Callable[..., Answer], tmp_path: Path) -> None:
    _is_one_sentence(spawn("info", tmp_path / "missing.tif"), r"missing\.tif")
    _is_one_sentence(spawn("train", SMALL), "--out")
