"""Every block of the README runs: Python blocks as they stand, shell blocks that are marked ``run``.

Budgets are cut by the replacements below, each of which must occur: a block that changes is noticed.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from napari_dense_ssl import open_volume

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SMALL_BUDGETS = {
    "minutes=2": "steps=3, minutes=None, classes=8, sampler={'batch': 2}, "
    "objective={'kind': 'masked-clusters', 'codebook_pixels': 2000}",
    "--minutes 15": "--steps 3 --classes 8 --set sampler.batch=2 --set objective.codebook_pixels=2000",
}


def _blocks(kind: str) -> list[str]:
    return [match["text"] for match in BLOCK.finditer(README) if match["kind"].strip() == kind]


def _cheap(text: str) -> str:
    for long, short in SMALL_BUDGETS.items():
        text = text.replace(long, short)
    return text


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """The user's file that the README talks of."""
    array = open_volume("sample:em?shape=4x192x192").data.compute()
    tifffile.imwrite(tmp_path / "stack.tif", array, photometric="minisblack")
    truth = open_volume("sample:em-labels?shape=4x192x192").data.compute()
    tifffile.imwrite(tmp_path / "truth.tif", truth, photometric="minisblack")
    return tmp_path


def test_the_first_commands_are_make_demo_and_make_test() -> None:
    first = BLOCK.search(README)
    assert first is not None
    lines = [line.partition("#")[0].strip() for line in first["text"].splitlines()]
    assert lines == ["make demo", "make test"]


def test_continuous_integration_calls_what_the_readme_names() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make")]
    assert lines == ["make test"]


def test_each_budget_that_is_cut_occurs() -> None:
    assert all(long in README for long in SMALL_BUDGETS)


def test_python_blocks_run(stack: Path) -> None:
    blocks = _blocks("python")
    assert blocks
    program = _cheap("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=stack, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_shell_blocks_run(stack: Path) -> None:
    """Blocks marked ``bash run`` call ``napari-dense-ssl`` only, line by line."""
    blocks = _blocks("bash run")
    assert blocks
    for line in _cheap("\n".join(blocks)).splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        program, *arguments = words
        assert program == "napari-dense-ssl", line
        done = subprocess.run(
            [sys.executable, "-m", "napari_dense_ssl", *arguments],
            cwd=stack,
            env=os.environ | {"COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)


def test_every_command_is_in_the_readme() -> None:
    from napari_dense_ssl.cli.main import app

    for command in app.registered_commands:
        assert f"napari-dense-ssl {command.name}" in README, command.name


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
