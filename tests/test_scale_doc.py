"""docs/scale.md runs: blocks marked ``run``, line by line, in one folder, with small budgets.

What ends with ``&`` is ended after its block. Each replacement below must occur: a block that changes is
noticed.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
import zarr

from napari_dense_ssl import open_volume

from .engine.conftest import small_settings

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```bash run\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CUT = {
    "--minutes 30": "--settings small.yaml --steps 2 --threads 1",
    "--minutes 30 --resume": "--resume --steps 3",
    "--minutes 45 --resume": "--resume --steps 4",
    "--workers 4": "--workers 2",
}
PROGRAMS = {
    "napari-dense-ssl": [sys.executable, "-m", "napari_dense_ssl"],
    "torchrun": [sys.executable, "-m", "torch.distributed.run"],
    "dask": [sys.executable, "-m", "dask"],
}
BLOCKS = [match["text"] for match in BLOCK.finditer(PAGE)]


def words_of(line: str) -> list[str]:
    for long, short in sorted(CUT.items(), key=lambda pair: -len(pair[0])):
        line = line.replace(long, short)
    program, *arguments = shlex.split(line)
    return [*PROGRAMS[program], *arguments]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the blocks run: em.zarr is there, and the settings that are small."""
    pixels = open_volume("sample:em?shape=6x96x96").data.compute()
    volume = zarr.create_array(
        str(tmp_path / "em.zarr"), shape=pixels.shape, chunks=(2, 48, 48), dtype=pixels.dtype
    )
    volume[:] = pixels
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small_settings().to_yaml()))
    return tmp_path


def test_each_budget_that_is_cut_occurs() -> None:
    assert len(BLOCKS) == 3
    assert all(any(long in block for block in BLOCKS) for long in CUT)


@pytest.mark.timeout(900)
def test_blocks_run(place: Path) -> None:
    for block in BLOCKS:
        shutil.rmtree(place / "classes.zarr", ignore_errors=True)
        behind: list[subprocess.Popen[bytes]] = []
        try:
            for line in block.replace("\\\n", " ").splitlines():
                if not line or line.startswith("#"):
                    continue
                text, _, comment = line.partition("  #")
                if text.endswith("&"):
                    behind.append(subprocess.Popen(words_of(text.removesuffix("&")), cwd=place))
                    continue
                done = subprocess.run(
                    words_of(text), cwd=place, capture_output=True, text=True, check=False, timeout=400
                )
                assert done.returncode == 0, (line, comment, done.stderr[-3000:])
        finally:
            for process in behind:
                process.terminate()
            for process in behind:
                process.wait(60)
    lines = (place / "run" / "events.jsonl").read_text().splitlines()
    assert sum('"event": "Step"' in line for line in lines) == 4
    assert (place / "classes.zarr").is_dir()
