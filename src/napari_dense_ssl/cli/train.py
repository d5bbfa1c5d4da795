"""``train``: a volume to a run folder. Its flags are drawn from the fields of ``TrainSettings``."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from napari_dense_ssl.cli.arguments import (
    ChannelOption,
    DatasetOption,
    ResumeOption,
    TimepointOption,
    VolumeArgument,
    VoxelSizeOption,
    opened,
)
from napari_dense_ssl.cli.flags import drawn_from, given
from napari_dense_ssl.cli.launch import first_is_there, started
from napari_dense_ssl.cli.progress import follow, tell
from napari_dense_ssl.core.errors import EndedElsewhereError, SettingsError
from napari_dense_ssl.core.events import Event
from napari_dense_ssl.engine.settings import TrainSettings, read_settings


@drawn_from(TrainSettings, "Settings: the recipe's, overridden by --settings, overridden by these flags")
def train_command(
    volume: VolumeArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="RUN", help="Run folder to write.", show_default=False)
    ],
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE.yaml",
            help="Settings; the settings.yaml of a run is complete.",
            show_default=False,
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting, such as sampler.crop=128; may be repeated.",
            show_default=False,
        ),
    ] = None,
    resume: ResumeOption = False,
    dataset: DatasetOption = None,
    voxel_size: VoxelSizeOption = None,
    channel: ChannelOption = None,
    timepoint: TimepointOption = None,
    **flags: str | None,
) -> None:
    """Train on a volume, or on a region of it."""
    own = out / "settings.yaml"
    if resume and settings_file is None and own.is_file():
        settings_file = own
    settings = gather(settings_file, flags, assignments or [])
    pixels = opened(volume, dataset, voxel_size, channel, timepoint)
    from napari_dense_ssl.engine.processes import OURS, STARTED, found_launch
    from napari_dense_ssl.engine.train import train

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # what matters is among the events
    found = found_launch()
    several = settings.devices > 1 and settings.nodes == 1 and found.by in ("", OURS)
    with started(settings.devices, STARTED, "train") if several else nullcontext():
        job = train(pixels, out, settings, resume=resume)
        if found.rank > 0:
            _follow_quietly(job)
            return
        again = f"napari-dense-ssl train {volume} --out {out} --resume"
        finished = follow(job, stopped=lambda: _stopped(out, again))
    tell("run", finished, out)


def _follow_quietly(job: Iterator[Event]) -> None:
    """Train with the first process, which shows what there is to be seen and stops all at Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for _ in job:
            pass
    except EndedElsewhereError as error:
        if error.told or first_is_there():
            raise typer.Exit(2) from error
        raise


def _stopped(run: Path, again: str) -> str:
    if any((run / "checkpoints").glob("step-*")):
        return f"Stopped; what was learned is saved in {run}. Go on with: {again}"
    return f"Stopped before the first step; nothing was learned yet. Begin with: {again}"


def gather(file: Path | None, flags: Mapping[str, str | None], assignments: list[str]) -> TrainSettings:
    """Put the settings together: the recipe's, then those of a YAML file, then the command line's.

    Parameters
    ----------
    file : Path or None
        YAML with any of the settings.
    flags : mapping of str to str
        Top-level settings by name, as typed; None where the flag was not given.
    assignments : list of str
        ``name=value`` with dotted names; values are read as YAML.

    Raises
    ------
    SettingsError
        If the file cannot be read, an assignment has another form, or the recipe is unknown.
    pydantic.ValidationError
        If a value is out of its limits or a name is unknown.
    """
    from napari_dense_ssl.engine.recipes import recipe

    written = read_settings(file) if file is not None else {}
    typed = given(TrainSettings, flags)
    for assignment in assignments:
        _assign(typed, assignment)
    # A budget of the one kind replaces a budget of the other kind that a lower layer gave.
    for layer in (written, typed):
        for name, other in (("steps", "minutes"), ("minutes", "steps")):
            if layer.get(name) is not None:
                layer.setdefault(other, None)
    chosen = _merged(written, typed)
    name = chosen.get("recipe") or TrainSettings.model_fields["recipe"].default
    return TrainSettings.model_validate(_merged(recipe(str(name)).settings().model_dump(), chosen))


def _assign(into: dict[str, Any], assignment: str) -> None:
    """Put ``a.b=value`` into nested tables."""
    name, equals, text = assignment.partition("=")
    *path, last = name.split(".")
    if not equals or not all([*path, last]):
        raise SettingsError(
            f"--set {assignment!r} cannot be read; expected name=value, such as sampler.crop=128."
        )
    for part in path:
        into = into.setdefault(part, {})
        if not isinstance(into, dict):
            raise SettingsError(f"--set {assignment!r}: {part!r} was given a value already and has no parts.")
    try:
        into[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(
            f"--set {assignment!r}: the value cannot be read; write it as in YAML."
        ) from error


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `above` over `below`, table by table; a table of another `kind` replaces the one below."""
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        if isinstance(old, dict) and isinstance(value, dict) and value.get("kind") in (None, old.get("kind")):
            value = _merged(old, value)
        result[name] = value
    return result
