"""The folder of a run's checkpoints, seen from outside: which is the newest whole one (no torch here)."""

from __future__ import annotations

import os
from pathlib import Path

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


def write_text_whole(path: Path, text: str) -> None:
    """Replace a small text file in one step, so that readers see the old or the new one."""
    aside = path.with_name(f".{path.name}.tmp")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)


def step_of(path: Path) -> int:
    """Return N of a checkpoint ``step-N``; -1 of any other path."""
    number = path.name.removeprefix("step-")
    return int(number) if number.isdigit() else -1


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders; its renames are ordered by the journal
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
