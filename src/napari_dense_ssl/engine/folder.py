"""The run folder at the beginning of a training: made, or found and gone on with."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from napari_dense_ssl.core.errors import RunError, SettingsError
from napari_dense_ssl.engine.settings import FREE_ON_RESUME, TrainSettings
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import STATE
from napari_dense_ssl.model.checkpoint_folder import latest_checkpoint, write_text_whole
from napari_dense_ssl.model.run_folder import IMPORTED, SETTINGS
from napari_dense_ssl.volume import Intensity, Volume
from napari_dense_ssl.volume.places import keep_apart


def make_folder(
    out: Path, written: TrainSettings, resolved: TrainSettings, volume: Volume, intensity: Intensity
) -> RunFolder:
    """Make the folder of a new run.

    Parameters
    ----------
    out : Path
    written, resolved : TrainSettings
        As they were given, and with what was decided on the volume.
    volume : Volume
    intensity : Intensity
        What inputs are normalised with.

    Raises
    ------
    OutputError
        If the folder holds something already, is the volume, in it or around it, or cannot be written.
    """
    keep_apart(out, volume.source)
    facts = {
        "software": f"napari-dense-ssl {version('napari-dense-ssl')}, torch {torch.__version__}",
        "volume": {
            "source": volume.source,
            "dataset": volume.dataset,
            "format": volume.format,
            "shape": list(volume.shape),
            "dtype": str(volume.dtype),
            "voxel_size": list(volume.voxel_size),
            "voxel_size_known": volume.voxel_size_known,
            "intensity": intensity.as_dict(),
        },
        "encoder": {"slices": resolved.encoder.slices, "slice_step": resolved.encoder.slice_step},
        "planes": resolved.planes,
    }
    return RunFolder.create(out, written.to_yaml(), facts)


def go_on_with(
    out: Path, settings: TrainSettings, volume: Volume, intensity: Intensity
) -> tuple[RunFolder, Path | None]:
    """Open the folder of a run to go on with, and its newest checkpoint; a new budget is written down.

    A run that was stopped before its first checkpoint begins anew, from the same seed.

    Raises
    ------
    RunError
        If there is no run, or it was trained on another volume.
    SettingsError
        If settings differ that make another run of it.
    """
    run = RunFolder.open(out)
    checkpoint = latest_checkpoint(run.checkpoints)
    if IMPORTED in run.facts and checkpoint is not None and not (checkpoint / STATE).is_file():
        raise RunError(
            f"The run {out} was imported from a package, which holds no training state; train a new run with "
            "its settings.yaml, or ask for the run folder that the package was made of."
        )
    table = settings.to_yaml()
    changed = [k for k, v in table.items() if k not in FREE_ON_RESUME and _differs(run.settings.get(k, v), v)]
    if changed:
        raise SettingsError(
            f"The settings {', '.join(changed)} differ from those of the run {out}; go on with its "
            "own settings, or train a new run."
        )
    trained_on = run.facts.get("volume", {})
    if list(volume.shape) != trained_on.get("shape"):
        raise RunError(
            f"The run {out} was trained on a volume of shape {trained_on.get('shape')}, this one "
            f"has {list(volume.shape)}; go on with {trained_on.get('source')}, or train a new run."
        )
    before = Intensity(**run.intensity)
    if not before.resembles(intensity):
        raise RunError(
            f"The run {out} was trained on grey values of mean {before.mean:.4g} and standard deviation "
            f"{before.std:.4g}, {volume.source} has {intensity.mean:.4g} and {intensity.std:.4g}: it is "
            f"another volume. Go on with {trained_on.get('source')}, or train a new run."
        )
    budget = {name: table[name] for name in ("minutes", "steps")}
    if any(run.settings.get(name) != value for name, value in budget.items()):
        kept = dict(run.settings) | budget
        write_text_whole(run.path / SETTINGS, yaml.safe_dump(kept, sort_keys=False))
        run = RunFolder(run.path, kept, run.facts)
    return run, checkpoint


def _differs(before: Any, now: Any) -> bool:
    """Whether a setting of a run is another one now; a part that the run does not know is younger than it."""
    if isinstance(before, dict) and isinstance(now, dict):
        return any(_differs(before.get(name, value), value) for name, value in now.items())
    return bool(before != now)
