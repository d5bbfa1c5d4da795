"""A run from elsewhere, as a generator of events: looked at, copied aside, loaded once, renamed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np

from napari_dense_ssl.core.errors import ClassesError, OutputError, RunError
from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Saved, Started, Step
from napari_dense_ssl.model.checkpoint_folder import write_text_whole
from napari_dense_ssl.model.run_folder import CHECKPOINTS, IMPORTED, RUN, RunFolder
from napari_dense_ssl.share.archive import LIMIT, Archive, FolderArchive, ZipArchive
from napari_dense_ssl.share.contents import Contents, contents_of
from napari_dense_ssl.share.trust import check_test_output, checked_run, explained
from napari_dense_ssl.volume.class_file import NAME as CLASS_NAMES
from napari_dense_ssl.volume.class_file import read_classes
from napari_dense_ssl.volume.places import output_errors

_PIECE = 1 << 20
_MOST_ARRAY = 1 << 28
"""Bytes of a test array that is read into memory."""


def import_model(
    source: os.PathLike[str] | str, out: os.PathLike[str] | str, *, limit: int = LIMIT
) -> Generator[Event]:
    """Make a run folder of a package that export wrote, or of a run folder from another machine.

    No code of a file is run: weights are safetensors, the training state is read with ``weights_only=True``,
    and the TorchScript of a package is left where it is. All is written beside `out` and renamed to it at the
    end; whatever is refused leaves nothing behind.

    Parameters
    ----------
    source : path
        A package (zip file or unpacked), a run folder, or a zip file of one.
    out : path
        Run folder to be made.
    limit : int
        Bytes that the files of `source` together may have, unpacked.

    Yields
    ------
    Event
        ``Started``, ``Step`` for each file, ``Beat``, ``Saved``, ``Finished`` with the kind of source, its
        checkpoint, licence, and how far the network is from the package's test output here.

    Raises
    ------
    RunError
        If the source is missing, damaged or of another tool, a checksum differs, a name in it leads out of
        it, it is a link, or it would unpack to more than the limit; if it holds a pickled object, or no run.
    OutputError
        If `out` exists, lies in the source, or cannot be written.
    """
    origin, target = Path(source).expanduser(), Path(out).expanduser()
    _check_places(origin, target)
    with _opened(origin, limit) as archive:
        contents = contents_of(archive)
        yield Started("import", len(contents.files), "file", {"source": str(origin), "kind": contents.kind})
        with _aside(target) as folder:
            yield from _copy(archive, contents, folder)
            summary = _checked(archive, contents, folder, origin)
            yield Beat()
            with output_errors(target):
                if target.is_dir():
                    target.rmdir()
                folder.replace(target)
    yield Saved(target)
    if contents.kind == "package":
        yield Noted(
            "A package holds no training state: predict and audit with this run; to train on, take the run "
            "folder itself."
        )
    yield Finished(target, summary)


def _check_places(origin: Path, target: Path) -> None:
    if not origin.exists():
        raise RunError(f"There is nothing at {origin}; give a package that export wrote, or a run folder.")
    if target.is_dir() and any(target.iterdir()):
        raise OutputError(f"The output {target} is not empty; choose a new folder for the run.")
    if target.exists() and not target.is_dir():
        raise OutputError(f"The output {target} is a file; choose a new folder for the run.")
    inside, around = target.resolve(), origin.resolve()
    if inside == around or around in inside.parents:
        raise OutputError(f"The output {target} lies inside the source {origin}; choose another place.")


def _opened(origin: Path, limit: int) -> Archive:
    return FolderArchive(origin, limit) if origin.is_dir() else ZipArchive(origin, limit)


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Give a folder beside the target; it, and folders made above it, go at the end unless it was renamed."""
    made = [parent for parent in target.absolute().parents if not parent.exists()]
    folder: Path | None = None
    try:
        with output_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            # Not mkdtemp, whose folders are for oneself only.
            folder = target.parent / f".{target.name}-{uuid.uuid4().hex[:8]}"
            folder.mkdir()
        yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            if not target.exists() and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _copy(archive: Archive, contents: Contents, folder: Path) -> Generator[Event]:
    """Copy the files of a run and compare their checksums; what else there is stays where it is."""
    total, done = sum(archive.sizes[name] for name in contents.files), 0
    for index, (name, place) in enumerate(contents.files.items(), start=1):
        path = folder / place
        digest = hashlib.sha256()
        with archive.open(name) as file, output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as copy:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    copy.write(piece)
                    done += len(piece)
                    yield Beat()
        contents.check(name, digest.hexdigest())
        yield Step(index, len(contents.files), min(1.0, done / max(1, total)), None, 0.0)
    with output_errors(folder):
        write_text_whole(folder / CHECKPOINTS / "latest", contents.checkpoint + "\n")


def _checked(
    archive: Archive, contents: Contents, folder: Path, origin: Path
) -> dict[str, str | int | float]:
    """Load all of the run once, and write into its records where it came from."""
    try:
        run, encoder = checked_run(folder)
        _check_class_names(folder / CLASS_NAMES, run)
        summary: dict[str, str | int | float] = {
            "kind": contents.kind,
            "classes": run.classes,
            "checkpoint": contents.checkpoint,
        }
        if contents.test is not None:
            arrays = (_array(archive, contents, name) for name in contents.test)
            summary["difference"] = check_test_output(run, encoder, *arrays)
    except (RunError, ClassesError, RecursionError) as error:
        if isinstance(error, RecursionError):
            error = RunError("its records are nested too deeply")
        raise explained(error, folder, origin) from error
    summary |= contents.says
    _record(run, contents, origin)
    return summary


def _record(run: RunFolder, contents: Contents, origin: Path) -> None:
    note = {
        "from": origin.name,
        "kind": contents.kind,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **contents.says,
    }
    with output_errors(run.path):
        write_text_whole(run.path / RUN, json.dumps({**run.facts, IMPORTED: note}, indent=1) + "\n")


def _check_class_names(path: Path, run: RunFolder) -> None:
    if path.is_file() and (named := read_classes(path).book.classes) != run.classes:
        raise RunError(f"Its {path.name} is of {named} classes, its network has {run.classes}.")


def _array(archive: Archive, contents: Contents, name: str) -> np.ndarray:
    if archive.sizes[name] > _MOST_ARRAY:
        raise RunError(
            f"Its {PurePosixPath(name).name} has {archive.sizes[name]} bytes, which no test array has."
        )
    with archive.open(name) as file:
        data = file.read()
    contents.check(name, hashlib.sha256(data).hexdigest())
    try:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise RunError(f"Its {PurePosixPath(name).name} is no array of numbers ({error}).") from error
