"""Which parts of an output are finished: a list that survives a killed process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from napari_dense_ssl.volume.places import output_errors


class Manifest:
    """Append-only text file, a key a line, synced to disk line by line; safe from several threads.

    A line counts only with its end: what a killed process or a full disk cut short is dropped.

    Parameters
    ----------
    path : Path
        The file; made when the first key is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # Read when first asked for: of several processes that write an output one alone keeps its manifest,
        # and mending a torn line is for that one.
        self._keys: set[str] | None = None

    def keys(self) -> set[str]:
        """Return the finished keys."""
        with self._lock:
            return set(self._known())

    def add(self, key: str) -> None:
        """Add a key and wait until it is on the disk.

        Raises
        ------
        ValueError
            If the key is empty or has a line break.
        OutputError
            If it cannot be written.
        """
        if not key or "\n" in key:
            raise ValueError(f"a key must be one line that is not empty, got {key!r}")
        with self._lock, output_errors(self._path):
            known = self._known()
            with self._path.open("ab") as file:
                file.write(f"{key}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            known.add(key)

    def _known(self) -> set[str]:
        if self._keys is None:
            self._keys = self._read()
        return self._keys

    def _read(self) -> set[str]:
        with output_errors(self._path):
            if not self._path.exists():
                return set()
            whole, _, torn = self._path.read_bytes().rpartition(b"\n")
            if torn:  # else the next key would be glued to it
                os.truncate(self._path, len(whole) + 1 if whole else 0)
        return set(whole.decode().splitlines())
