"""docs/sharing.md runs: its commands in order, then its Python."""

from __future__ import annotations

import gc
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import tifffile
from typer.testing import CliRunner

from napari_dense_ssl import open_volume
from napari_dense_ssl.cli.main import app

from .share.conftest import SOURCE, make_run

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "sharing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [match["text"] for match in BLOCK.finditer(PAGE) if match["kind"].strip() == kind]


@pytest.fixture
def closed() -> Iterator[None]:
    """Let go of the files that bioimageio leaves open, while its warnings are ignored."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("closed")
def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "run")
    tifffile.imwrite(tmp_path / "stack.tif", open_volume(SOURCE).data.compute(), photometric="minisblack")
    (commands,) = blocks("bash run")
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "napari-dense-ssl"
        answer = CliRunner().invoke(app, arguments)
        assert answer.exit_code == 0, (line, answer.output)
    assert (tmp_path / "other-run" / "settings.yaml").exists()
    first, second = blocks("python")
    found: dict = {}
    exec(first, found)
    assert found["classes"].shape == (1, 128, 160)
    exec(second, found)
    assert found["event"].summary["licence"] == "CC0-1.0"
    assert (tmp_path / "third-run" / "settings.yaml").exists()
