"""The log of runs: what was measured once is not measured again."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLUMNS = (
    "hash",
    "volume",
    "method",
    "seed",
    "minutes",
    "steps",
    "mi_frac",
    "miou",
    "ami",
    "probe_20",
    "probe_200",
    "verdict",
    "leak",
    "content",
    "seconds",
    "version",
    "settings",
)


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Hash what decides a run's outcome: its settings, not where and when it ran."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:12]


class RunsLog:
    """A CSV file that is only ever appended to; a line is a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = list(csv.DictReader(file))
                if self.rows and tuple(self.rows[0]) != COLUMNS:
                    raise SystemExit(
                        f"{path} has other columns than {', '.join(COLUMNS)}; choose another --log"
                    )

    def find(self, key: str) -> dict[str, str] | None:
        """Return the run with that hash, the latest if there are several."""
        return next((row for row in reversed(self.rows) if row["hash"] == key), None)

    def append(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Write a run; figures are rounded to four places."""
        text = {name: _text(row.get(name)) for name in COLUMNS}
        new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(text)
        self.rows.append(text)
        return text


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
