"""Ends of things: outputs that are, lie in or hold the input, that exist, that a disk has no room for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_dense_ssl.volume import open_output, open_volume

from .conftest import SMALL, TINY, Answer


def _answered(answer: Answer, part: str) -> None:
    assert answer.status == 2, answer
    assert answer.out == ""
    last = answer.err.splitlines()[-1]
    assert part in last, answer.err
    assert last.endswith(".")
    assert "Traceback" not in answer.err


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The small sample as a Zarr folder."""
    path = tmp_path / "volume.zarr"
    pixels = open_volume(SMALL).data.compute()
    array = zarr.create_array(str(path), shape=pixels.shape, chunks=(1, 96, 96), dtype=pixels.dtype)
    array[:] = pixels
    return path


def _same(path: Path) -> bool:
    return bool((np.asarray(open_volume(path).data) == open_volume(SMALL).data.compute()).all())


def test_the_input_is_never_written_to(
    call: Callable[..., Answer], small_run: Path, volume: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.zarr"
    link.symlink_to(volume)
    files = sorted(volume.rglob("*"))
    for out, part in (
        (volume, "is the input itself"),
        (link, "is the input itself"),
        (volume.parent / "." / "volume.zarr", "is the input itself"),
        (volume / "out.zarr", "lies inside the input"),
        (tmp_path, "holds the input"),
    ):
        for more in ((), ("--overwrite",)):
            _answered(call("predict", volume, "--run", small_run, "--out", out, *more), part)
        _answered(call("train", volume, "--out", out, "--steps", "2", *TINY), part)
    assert sorted(volume.rglob("*")) == files
    assert _same(volume)


def test_an_output_that_exists(
    call: Callable[..., Answer], small_run: Path, volume: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.zarr"
    predict = ("predict", volume, "--run", small_run, "--out", out, "--what", "classes")
    assert call(*predict).status == 0
    before = open_output(out).label()[:]
    _answered(call(*predict), "exists already")
    # Continued only where the settings agree; what else is asked for leaves it alone.
    _answered(call(*predict, "--resume", "--halo", "8"), "cannot be resumed")
    _answered(call(*predict, "--resume", "--roi", "0:2,:,:"), "cannot be resumed")
    assert call(*predict, "--resume").status == 0
    np.testing.assert_array_equal(open_output(out).label()[:], before)
    assert call(*predict, "--overwrite", "--roi", "0:1,:,:").status == 0
    assert not open_output(out).label()[1:].any()

    mine = tmp_path / "photos.zarr"
    mine.mkdir()
    (mine / "holiday.jpg").write_text("mine")
    photos = ("predict", volume, "--run", small_run, "--out", mine)
    _answered(call(*photos, "--overwrite"), "not written by this program")
    _answered(call(*photos, "--resume"), "no output of this program")
    assert (mine / "holiday.jpg").read_text() == "mine"


def test_a_run_that_exists(call: Callable[..., Answer], small_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    weights = (run / "checkpoints" / "step-4" / "weights.safetensors").read_bytes()
    _answered(call("train", SMALL, "--out", run, "--steps", "5", *TINY), "--resume")
    _answered(call("train", SMALL, "--out", run, "--resume", "--steps", "5", "--classes", "9"), "classes")
    _answered(
        call("train", "sample:em?shape=6x200x192&seed=1", "--out", run, "--resume", "--steps", "5"), "shape"
    )
    assert (run / "checkpoints" / "step-4" / "weights.safetensors").read_bytes() == weights


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("NO SMALL DISK: mounting a tmpfs needs root; going on after it was not tested")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_prediction_goes_on_when_a_full_disk_has_room_again(
    call: Callable[..., Answer], small_run: Path, disk: Path, tmp_path: Path
) -> None:
    what = ("predict", SMALL, "--run", small_run, "--what", "classes", "--chunk", "96")
    assert call(*what, "--out", tmp_path / "whole.zarr").status == 0
    _answered(call(*what, "--out", disk / "out.zarr"), "no space left")
    done = len(open_output(disk / "out.zarr").finished())
    assert done < 6
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    answer = call(*what, "--out", disk / "out.zarr", "--resume")
    assert answer.status == 0, answer.err
    for name in ("image", "label"):
        one, two = (open_output(path) for path in (tmp_path / "whole.zarr", disk / "out.zarr"))
        first, second = (o.image[:] if name == "image" else o.label()[:] for o in (one, two))
        np.testing.assert_array_equal(first, second)
