"""The folder of a run's checkpoints, seen from outside: which is the newest whole one (no torch here)."""

from __future__ import annotations

from pathlib import Path

from napari_dense_ssl.core.files import sync as sync
from napari_dense_ssl.core.files import write_text_whole as write_text_whole

CHECKSUMS = "checksums.json"
"""Written last: a checkpoint that has it is whole."""


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of a ``checkpoints`` folder, or None where there is none."""
    named = folder / "latest"
    if named.is_file():
        path = folder / named.read_text().strip()
        if path.parent == folder and (path / CHECKSUMS).is_file():
            return path
    whole = [path for path in folder.glob("step-*") if (path / CHECKSUMS).is_file()]
    return max(whole, key=step_of, default=None)


def step_of(path: Path) -> int:
    """Return N of a checkpoint ``step-N``; -1 of any other path."""
    number = path.name.removeprefix("step-")
    return int(number) if number.isdigit() else -1
