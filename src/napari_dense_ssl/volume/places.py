"""Where output may be written, and what is said when writing fails."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.volume.reader import SAMPLE_PREFIX


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the disk may answer while an output is written into an :class:`OutputError`.

    Parameters
    ----------
    path : Path
        The output, for messages.

    Raises
    ------
    OutputError
        If the disk is full, the place is read-only or forbidden, or another operating-system error occurs.
    """
    try:
        yield
    except OSError as error:
        raise _explained(path, error) from error


def claim(path: Path, source: str | None, *, overwrite: bool, ours: bool) -> None:
    """Make a path free for a new output, or refuse.

    Parameters
    ----------
    path : Path
        Where the output is to lie; removed if it exists and may be.
    source : str or None
        What the output is computed from.
    overwrite : bool
        Whether an older output may be removed.
    ours : bool
        Whether what exists there was written by this program: nothing else is ever removed.

    Raises
    ------
    OutputError
        If the path is the input, in the input or around it, or exists and may not be removed, or its place
        cannot be written to.
    """
    keep_apart(path, source)
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise OutputError(
                f"The output {path} exists already; choose another path, or allow it to be overwritten."
            )
        if not ours:
            raise OutputError(
                f"The output {path} exists and was not written by this program, so it is not overwritten;"
                " choose another path."
            )
        with output_errors(path):
            shutil.rmtree(path)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)


def keep_apart(path: Path, source: str | None) -> None:
    """Refuse an output that would change the input.

    Parameters
    ----------
    path : Path
        Where the output is to lie.
    source : str or None
        What it is computed from.

    Raises
    ------
    OutputError
        If the path is the input, in the input or around it.
    """
    if source is None or source.startswith(SAMPLE_PREFIX):
        return
    target, origin = path.resolve(), Path(source).expanduser().resolve()
    if origin.exists() and (target == origin or origin in target.parents):
        where = "is the input itself" if target == origin else f"lies inside the input {origin}"
        raise OutputError(f"The output {path} {where}; choose another path for the output.")
    if origin.exists() and target in origin.parents and path.exists():
        raise OutputError(f"The output {path} holds the input {origin}; choose another path for the output.")


def _explained(path: Path, error: OSError) -> OutputError:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return OutputError(
                f"There is no space left for {path}; free some, then resume (what is finished is kept),"
                " or choose another disk."
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return OutputError(f"You may not write to {path}; choose a folder of your own for the output.")
        case _:
            return OutputError(
                f"The output {path} cannot be written ({error}); check the disk, or choose another."
            )
