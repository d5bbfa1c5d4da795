"""``export`` and ``import`` as a person types them."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .conftest import SMALL, Answer


def test_out_and_in_again(call: Callable[..., Answer], small_run: Path, tmp_path: Path) -> None:
    package, run = tmp_path / "model.zip", tmp_path / "run"
    answer = call(
        *("export", "--run", small_run, "--out", package, "--license", "CC0-1.0", "--pixels", "no"),
        *("--author", "Ada Lovelace (Analytical Engines)", "--author", "Charles Babbage", "--tag", "test"),
    )
    assert answer.status == 0, answer.err
    assert f"package {package}" in answer.out
    with zipfile.ZipFile(package) as file:
        table = yaml.safe_load(file.read("rdf.yaml"))
    assert [author["name"] for author in table["authors"]] == ["Ada Lovelace", "Charles Babbage"]
    assert "test" in table["tags"]

    answer = call("import", package, "--out", run)
    assert answer.status == 0, answer.err
    assert "licence CC0-1.0" in answer.out
    assert (
        call("predict", SMALL, "--run", run, "--out", tmp_path / "out.zarr", "--what", "classes").status == 0
    )
    answer = call("audit", SMALL, "--run", run, "--crops", "10", "--crop", "64")
    assert answer.status == 0, answer.err
    assert "verdict" in answer.out


def test_a_run_folder_from_another_machine_trains_on(
    call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "run"), "zip", small_run.parent, small_run.name))
    run = tmp_path / "here"
    assert call("import", packed, "--out", run).status == 0
    answer = call("train", SMALL, "--out", run, "--resume", "--steps", "5")
    assert answer.status == 0, answer.err
    assert (run / "checkpoints" / "step-5").is_dir()


BAD: dict[str, tuple[list[str], str]] = {
    "no licence": (["--license", "MINE"], "'MINE'.*CC-BY-4.0"),
    "no name": (["--name", "a/b?!!"], "'name'"),
    "no author": (["--author", "a/b"], "'authors"),
    "exists": ([], "exists already"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_exported_is_answered(
    case: str, call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    arguments, part = BAD[case]
    out = tmp_path / "model.zip"
    if case == "exists":
        out.write_text("mine")
    answer = call("export", "--run", small_run, "--out", out, *arguments)
    last = answer.err.splitlines()[-1]
    assert (answer.status, answer.out) == (2, "")
    assert re.search(part, last), last
    assert "Traceback" not in answer.err
    assert [path.name for path in tmp_path.iterdir()] == (["model.zip"] if case == "exists" else [])


def test_what_cannot_be_imported_is_answered(call: Callable[..., Answer], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../evil.txt", "gotcha")
    answer = call("import", tmp_path / "evil.zip", "--out", tmp_path / "run")
    assert (answer.status, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert "leads out of the folder" in line
    assert [path.name for path in tmp_path.iterdir()] == ["evil.zip"]
