"""What came from elsewhere, as names and bytes: a zip file or a folder, neither of which is trusted.

Nothing is unpacked: a name that is asked for is read, and all names are looked at first.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol, Self

from napari_dense_ssl.core.errors import RunError

LIMIT = 4 << 30
"""Bytes that all files together may have, unpacked."""

MOST_FILES = 10_000

MOST_RATIO = 200
"""How many times smaller a file of more than 1 MB may be packed: weights shrink by a tenth, texts 20-fold."""

_RATIO_FROM = 1 << 20
_DRIVE = re.compile(r"^[A-Za-z]:")
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Archive(Protocol):
    """Files by name, with ``/`` between the folders."""

    path: Path

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size of each file, bytes."""
        ...

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file for reading."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class ZipArchive:
    """A zip file whose every name and size was looked at before anything is read.

    Raises
    ------
    RunError
        If it is no zip file or truncated; if a name leads out of it (``../``, absolute, a drive), is a link
        or comes twice; if it is encrypted; if it would unpack to more than the limit, or is packed more
        tightly than honest files are.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except (*_DAMAGED, ValueError) as error:
            raise RunError(
                f"{path} cannot be read as a zip file ({str(error).rstrip('.')}): it is something else or "
                "was cut off on its way; copy or download it again."
            ) from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            for member in self._file.infolist():
                self._admit(member)
            check_sizes(path, [member.file_size for member in self._members.values()], limit)
        except RunError:
            self._file.close()
            raise

    def _admit(self, member: zipfile.ZipInfo) -> None:
        name, mode = member.orig_filename, member.external_attr >> 16
        if _leads_out(name) or "\0" in name or "\\" in name:
            raise _refused(
                self.path, f"the name {name!r} in it leads out of the folder it would be unpacked to"
            )
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(self.path, f"{name!r} in it is a link or a device")
        if member.is_dir():
            return
        if name in self._members:
            raise _refused(self.path, f"it holds {name!r} twice")
        if member.flag_bits & 1:
            raise _refused(self.path, f"{name!r} in it is encrypted")
        if member.file_size > max(_RATIO_FROM, MOST_RATIO * member.compress_size):
            raise _refused(
                self.path,
                f"{name!r} in it would unpack from {member.compress_size} to {member.file_size} bytes, more "
                f"than {MOST_RATIO} times its size",
            )
        self._members[name] = member

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size of each file as the central directory gives it, bytes; reading stops there."""
        return {name: member.file_size for name, member in self._members.items()}

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading.

        Raises
        ------
        RunError
            If what is read is damaged or packed in a way that is not known here.
        """
        try:
            with self._file.open(self._members[name]) as file:
                yield file
        except _DAMAGED as error:
            raise RunError(
                f"{self.path} is damaged at {name} ({str(error).rstrip('.')}); copy or download it again."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class FolderArchive:
    """A folder whose links are not followed.

    Raises
    ------
    RunError
        If there is a link anywhere in it, or it holds more than the limit.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        self._sizes: dict[str, int] = {}
        for folder, folders, files in os.walk(path, followlinks=False):
            for name in (*folders, *files):
                one = Path(folder, name)
                if one.is_symlink() or not (one.is_dir() or one.is_file()):
                    raise _refused(
                        path,
                        f"{one.relative_to(path)} in it is a link or a device, which could lead anywhere",
                    )
                if one.is_file():
                    self._sizes[one.relative_to(path).as_posix()] = one.stat().st_size
            if len(self._sizes) > MOST_FILES:
                break
        check_sizes(path, list(self._sizes.values()), limit)

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size of each file, bytes."""
        return self._sizes

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        with (self.path / name).open("rb") as file:
            yield file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""


def check_sizes(path: Path, sizes: list[int], limit: int) -> None:
    """Raise :class:`RunError` where there are too many files, or too many bytes."""
    if len(sizes) > MOST_FILES:
        raise _refused(path, f"it holds more than {MOST_FILES} files")
    if sum(sizes) > limit:
        raise _refused(path, f"it holds {sum(sizes)} bytes when unpacked, more than {limit}")


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/") or _DRIVE.match(name) is not None


def _refused(path: Path, why: str) -> RunError:
    return RunError(
        f"{path} is refused: {why}; take a package that export wrote, or a run folder, from somebody you "
        "trust."
    )
