"""Which files of a package or of a run folder make a run folder, and what their checksums must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from napari_dense_ssl.core.errors import RunError
from napari_dense_ssl.model.checkpoint import STATE, WEIGHTS
from napari_dense_ssl.model.checkpoint_folder import CHECKSUMS, step_of
from napari_dense_ssl.model.run_folder import CHECKPOINTS, EVENTS, RUN, SETTINGS
from napari_dense_ssl.share.archive import Archive
from napari_dense_ssl.share.package import (
    DESCRIPTIONS,
    FORMAT,
    KEY,
    NEEDED,
    README,
    TEST_INPUT,
    TEST_OUTPUT,
)
from napari_dense_ssl.volume.class_file import NAME as CLASS_NAMES

_MOST_TEXT, _MOST_YAML = 1 << 24, 1 << 20  # bytes
_STEP = re.compile(r"step-\d{1,12}")
_PREVIEW = re.compile(r"previews/[A-Za-z0-9_-]+\.png")


@dataclass(frozen=True)
class Contents:
    """What is taken of an archive.

    Attributes
    ----------
    source : Path
        The archive.
    kind : {"package", "run folder"}
    files : mapping of str to str
        Where each file that is taken goes in the run folder, by its name in the archive.
    sums : mapping of str to str
        SHA-256 of files by name, as far as they are known.
    checkpoint : str
        ``step-N``.
    test : tuple of str or None
        Names of test input and output, where they are there.
    says : mapping of str to str
        Licence and authors, of a package.
    """

    source: Path
    kind: str
    files: Mapping[str, str]
    sums: Mapping[str, str]
    checkpoint: str
    test: tuple[str, str] | None = None
    says: Mapping[str, str] = field(default_factory=dict)

    def check(self, name: str, found: str) -> None:
        """Raise :class:`RunError` where a file has another checksum than it should."""
        if self.sums.get(name, found) != found:
            raise RunError(
                f"{self.source} is damaged or was changed: {name} has another checksum than the one written "
                "with it; copy or download it again."
            )


def contents_of(archive: Archive) -> Contents:
    """Say what is to be taken of an archive.

    Raises
    ------
    RunError
        If it is neither a package that export wrote nor a run folder, or something of it is missing.
    """
    runs = [name for name in archive.sizes if PurePosixPath(name).name == RUN]
    for name in sorted(runs, key=lambda one: one.count("/")):
        at = name.removesuffix(RUN)
        if any(other.startswith(f"{at}{CHECKPOINTS}/") for other in archive.sizes):
            return _modest(archive, _run_folder(archive, at))
    for description in DESCRIPTIONS:
        if description in archive.sizes:
            return _modest(archive, _package(archive, description))
    raise RunError(
        f"{archive.path} is neither a package that export wrote (it has no {DESCRIPTIONS[0]}) nor a run "
        f"folder (it has no {RUN} with checkpoints); give one of these."
    )


def _modest(archive: Archive, contents: Contents) -> Contents:
    """Refuse tables that are larger than any, and YAML that says one thing many times over."""
    for name in contents.files:
        match PurePosixPath(name).suffix:
            case ".json":
                _check_text(archive, name)
            case ".yaml":
                _check_aliases(archive, name)
    return contents


def _check_aliases(archive: Archive, name: str) -> None:
    """Refuse aliases, which no table of ours has: ten lines of them can stand for more than any memory."""
    try:
        aliased = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(read_text(archive, name)))
    except yaml.YAMLError as error:
        raise _unreadable(archive, name, error) from error
    if aliased:
        raise RunError(
            f"{archive.path} is refused: {name} repeats parts of itself, which no table of ours does."
        )


def _run_folder(archive: Archive, at: str) -> Contents:
    folder = f"{at}{CHECKPOINTS}/"
    whole = [
        name.removeprefix(folder).removesuffix(f"/{CHECKSUMS}")
        for name in archive.sizes
        if name.startswith(folder) and name.endswith(f"/{CHECKSUMS}")
    ]
    whole = [name for name in whole if _STEP.fullmatch(name)]
    if not whole:
        raise RunError(
            f"{archive.path} has no whole checkpoint: the training was stopped before its first one, or not "
            "all of the folder was copied."
        )
    newest = max(whole, key=lambda name: step_of(Path(name)))
    if f"{folder}latest" in archive.sizes:
        named = read_text(archive, f"{folder}latest").strip()
        newest = named if named in whole else newest
    inside = f"{CHECKPOINTS}/{newest}"
    wanted = [SETTINGS, RUN, f"{inside}/{WEIGHTS}", f"{inside}/{CHECKSUMS}"]
    _require(archive, [at + name for name in wanted])
    more = (EVENTS, CLASS_NAMES, README, *DESCRIPTIONS, f"{inside}/{STATE}")
    wanted += [name for name in more if at + name in archive.sizes]
    wanted += [
        name.removeprefix(at)
        for name in archive.sizes
        if name.startswith(at) and _PREVIEW.fullmatch(name.removeprefix(at))
    ]
    sums = {
        f"{at}{inside}/{name}": total
        for name, total in _checksums(archive, f"{at}{inside}/{CHECKSUMS}").items()
    }
    return Contents(archive.path, "run folder", {at + name: name for name in wanted}, sums, newest)


def _package(archive: Archive, description: str) -> Contents:
    table = _table(archive, description)
    ours = _at(table, "config", KEY)
    if not isinstance(ours, dict):
        raise RunError(
            f"{archive.path} is a bioimage.io package of another tool ({str(table.get('name', ''))[:80]!r}); "
            "only what napari-dense-ssl exported can become a run. Use it with bioimageio.core, or with its "
            "own tool."
        )
    if ours.get("format") != FORMAT:
        raise RunError(
            f"{archive.path} was written in format {ours.get('format')!r}, this version reads {FORMAT}; "
            f"use the version that wrote it ({ours.get('software', 'unknown')})."
        )
    step = str(ours.get("checkpoint"))
    if not _STEP.fullmatch(step):
        raise RunError(
            f"{archive.path} names its checkpoint {step[:40]!r}, expected step-N; export the run again."
        )
    _require(archive, NEEDED)
    inside = f"{CHECKPOINTS}/{step}"
    places = {name: name for name in (SETTINGS, RUN, description)}
    places |= {name: f"{inside}/{name}" for name in (WEIGHTS, CHECKSUMS)}
    places |= {name: name for name in (CLASS_NAMES, README) if name in archive.sizes}
    sums = _checksums(archive, CHECKSUMS) | _written_sums(table)
    test = (TEST_INPUT, TEST_OUTPUT)
    found = test if all(name in archive.sizes for name in test) else None
    return Contents(archive.path, "package", places, sums, step, found, _said(table))


def _said(table: Mapping[str, Any]) -> dict[str, str]:
    names = [str(author.get("name")) for author in table.get("authors") or () if isinstance(author, dict)]
    said = {"licence": str(table.get("license", "")), "authors": ", ".join(names)}
    return {key: text[:500] for key, text in said.items() if text}


def _written_sums(table: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums that a description gives for files beside it."""
    entries = [*(table.get("attachments") or ()), _at(table, "documentation")]
    entries += [
        tensor.get("test_tensor") for key in ("inputs", "outputs") for tensor in _tables(table.get(key))
    ]
    return {
        str(entry["source"]).removeprefix("./"): str(entry["sha256"])
        for entry in entries
        if isinstance(entry, dict) and entry.get("sha256") and entry.get("source")
    }


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _at(table: Any, *path: str) -> Any:
    for name in path:
        table = table.get(name) if isinstance(table, dict) else None
    return table


def _require(archive: Archive, names: tuple[str, ...] | list[str]) -> None:
    missing = [name for name in names if name not in archive.sizes]
    if missing:
        raise RunError(
            f"{archive.path} is not whole: it lacks {', '.join(missing)}; copy or export it again."
        )


def _checksums(archive: Archive, name: str) -> dict[str, str]:
    try:
        table = json.loads(read_text(archive, name))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{archive.path} is damaged: {name} holds no checksums ({error}).") from error
    if not isinstance(table, dict) or WEIGHTS not in table:
        raise RunError(f"{archive.path} is damaged: {name} has no checksum of {WEIGHTS}.")
    return {str(key): str(value) for key, value in table.items()}


def _table(archive: Archive, name: str) -> dict[str, Any]:
    try:
        table = yaml.safe_load(read_text(archive, name))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unreadable(archive, name, error) from error
    if not isinstance(table, dict):
        raise RunError(f"{archive.path} is damaged: {name} holds no table; copy it again.")
    return table


def read_text(archive: Archive, name: str) -> str:
    """Read a text that is no larger than texts are."""
    _check_text(archive, name)
    with archive.open(name) as file:
        return file.read(_MOST_TEXT).decode(errors="replace")


def _unreadable(archive: Archive, name: str, error: Exception) -> RunError:
    why = str(error).splitlines()[0]
    return RunError(f"{archive.path} is damaged: {name} cannot be read ({why}); copy it again.")


def _check_text(archive: Archive, name: str) -> None:
    if archive.sizes[name] > (_MOST_YAML if name.endswith(".yaml") else _MOST_TEXT):
        raise RunError(
            f"{archive.path} is refused: {name} has {archive.sizes[name]} bytes, which no such text has."
        )
