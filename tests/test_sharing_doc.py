"""docs/sharing.md runs: its commands in order, then its Python."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import tifffile

from napari_dense_ssl import open_volume
from tests.share.conftest import SOURCE, make_run

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "sharing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [match["text"] for match in BLOCK.finditer(PAGE) if match["kind"].strip() == kind]


def test_the_page_runs(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    tifffile.imwrite(tmp_path / "stack.tif", open_volume(SOURCE).data.compute(), photometric="minisblack")

    def started(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    (commands,) = blocks("bash run")
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "napari-dense-ssl"
        started("-m", "napari_dense_ssl", *arguments)
    assert (tmp_path / "other-run" / "settings.yaml").exists()
    out = started("-c", "\n".join(blocks("python")))
    assert "(1, 128, 160)" in out
    assert "'licence': 'CC0-1.0'" in out
    assert (tmp_path / "third-run" / "settings.yaml").exists()
