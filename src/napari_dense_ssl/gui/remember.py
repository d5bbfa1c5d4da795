"""What the docks remember from one session to the next, and where runs go by default."""

from __future__ import annotations

import time
from pathlib import Path

import platformdirs
from qtpy.QtCore import QSettings

APPLICATION = "napari-dense-ssl"

_RECENT = 10


def _settings() -> QSettings:
    path = platformdirs.user_config_path(APPLICATION) / "docks.ini"
    return QSettings(str(path), QSettings.Format.IniFormat)


def recent(kind: str) -> list[str]:
    """Return the paths of a kind (``"volumes"``, ``"runs"``) that were used last, newest first."""
    text = str(_settings().value(f"recent/{kind}", ""))
    return [line for line in text.split("\n") if line]


def add_recent(kind: str, path: str) -> None:
    """Put a path at the head of the recent ones."""
    paths = [path, *(other for other in recent(kind) if other != path)]
    _settings().setValue(f"recent/{kind}", "\n".join(paths[:_RECENT]))


def remembered(name: str, default: str = "") -> str:
    """Return what a dock's field held last."""
    return str(_settings().value(f"fields/{name}", default))


def remember(name: str, value: str) -> None:
    """Keep what a dock's field holds."""
    _settings().setValue(f"fields/{name}", value)


def runs_folder() -> Path:
    """Return the folder that runs go to unless another is chosen."""
    return platformdirs.user_data_path(APPLICATION) / "runs"


_given: set[Path] = set()
"""Paths of new runs, which a worker makes later than a second window may ask for one."""


def new_run_folder(name: str) -> Path:
    """Return a path for a new run, named after its volume and the time, that nothing has yet."""
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip("-.")[:40] or "volume"
    stem = f"{plain} {time.strftime('%Y-%m-%d %H-%M')}"
    path, count = runs_folder() / stem, 1
    while path.exists() or path in _given:
        count += 1
        path = runs_folder() / f"{stem} ({count})"
    _given.add(path)
    return path
