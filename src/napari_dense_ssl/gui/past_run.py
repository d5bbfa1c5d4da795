"""A run that was trained before, read to be gone on with (no torch here, and no Qt)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_dense_ssl.core.errors import RunError, SettingsError
from napari_dense_ssl.core.events import Audited, Event, Step
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.gui.curves import Curves
from napari_dense_ssl.model.checkpoint_folder import latest_checkpoint, step_of
from napari_dense_ssl.model.run_folder import EVENTS, RunFolder

if TYPE_CHECKING:
    from napari_dense_ssl.gui.layers import LayerSource

_TAIL = 1 << 18
"""Bytes at the end of events.jsonl in which the last save is looked for."""


@dataclass(frozen=True)
class PastRun:
    """What is known of a run that may be gone on with.

    Attributes
    ----------
    path : Path
        Its folder.
    settings : TrainSettings
        What it was trained with, and its budget so far.
    source : str
        The volume's path, URL or description.
    dataset : str or None
        Of an HDF5 file or a group.
    shape : tuple of int
        The volume's.
    steps : int
        How many its newest checkpoint holds; 0 where there is none.
    seconds : float or None
        Training time that its newest checkpoint holds, s; None where nothing tells.
    """

    path: Path
    settings: TrainSettings
    source: str
    dataset: str | None
    shape: tuple[int, ...]
    steps: int
    seconds: float | None

    @classmethod
    def read(cls, path: Path | str) -> PastRun:
        """Read the records of a run folder.

        Raises
        ------
        RunError
            If it is no run folder, damaged, or of another version.
        """
        run = RunFolder.open(Path(path).expanduser())
        volume = run.facts.get("volume", {})
        try:
            settings = TrainSettings.model_validate(dict(run.settings))
        except ValidationError as error:
            raise RunError(
                f"The settings of the run {run.path} are not those of this version "
                f"({error.errors()[0]['msg']}); train a new run."
            ) from error
        checkpoint = latest_checkpoint(run.checkpoints)
        steps = 0 if checkpoint is None else max(0, step_of(checkpoint))
        return cls(
            path=run.path,
            settings=settings,
            source=str(volume.get("source", "a volume")),
            dataset=volume.get("dataset"),
            shape=tuple(int(n) for n in volume.get("shape", ())),
            steps=steps,
            seconds=_seconds(run.events, steps, settings) if steps else 0.0,
        )

    def fits(self, source: LayerSource) -> bool:
        """Whether a layer may show the volume that was trained on: the same shape, and the same file name.

        A volume may have moved since, or have been named from another folder, and what a layer of an array
        holds is not known here; the training compares grey values too.
        """
        if self.shape != source.shape:
            return False
        recorded = source.recorded.get("source")
        if recorded is None or self.source.startswith("the layer "):
            return True
        names = (Path(str(recorded)).name, source.recorded.get("dataset"))
        return names == (Path(self.source).name, self.dataset)

    def check(self, source: LayerSource) -> None:
        """Raise :class:`RunError` unless a layer fits."""
        if not self.fits(source):
            raise RunError(
                f"The run {self.path} was trained on {self._volume}, the layer {source.name} is another "
                f"volume (shape {_shape(source.shape)}). Choose the layer of that volume, or train a new run."
            )

    def missing(self) -> RunError:
        """Return the error of a window in which no layer fits."""
        return RunError(
            f"The run {self.path} was trained on {self._volume}, which no layer here shows. Open that volume "
            "in the Volume dock, then resume the run."
        )

    @property
    def _volume(self) -> str:
        inside = f", dataset {self.dataset}" if self.dataset else ""
        return f"{self.source}{inside} (shape {_shape(self.shape)})"

    def check_budget(self, minutes: float | None, steps: int | None) -> None:
        """Raise :class:`SettingsError` where a budget is used up already."""
        if steps is not None and steps <= self.steps:
            raise SettingsError(
                f"The run has done {self.steps} steps already, the budget is {steps}; give a larger one, "
                f"such as {2 * self.steps} steps."
            )
        if minutes is not None and self.seconds is not None and 60 * minutes <= self.seconds:
            raise SettingsError(
                f"The run has trained for {self.seconds / 60:.3g} min already, the budget is {minutes:.3g} "
                f"min; give a larger one, such as {2 * self.seconds / 60:.2g} minutes."
            )

    def larger_budget(self) -> tuple[float | None, int | None]:
        """Return (minutes, steps) to go on with: the run's own, doubled where it is used up."""
        minutes, steps = self.settings.minutes, self.settings.steps
        try:
            self.check_budget(minutes, steps)
        except SettingsError:
            return (None if minutes is None else 2 * minutes), (None if steps is None else 2 * steps)
        return minutes, steps

    def curves(self) -> Iterator[Event]:
        """Yield the steps and audits of the run so far, thinned out to what a plot keeps; any thread may."""
        losses = Curves()
        try:
            with (self.path / EVENTS).open() as lines:
                for line in lines:
                    record = _record(line)
                    step = record.get("step" if record.get("event") == "Audited" else "index")
                    if not isinstance(step, int) or step > self.steps:
                        continue  # what came after the checkpoint is done again
                    match record["event"]:
                        case "Step":
                            losses.add(step, record.get("losses", {}))
                        case "Audited":
                            yield Audited(record["verdict"], record["figures"], step)
        except (OSError, UnicodeDecodeError):
            return
        for i, step in enumerate(losses.steps):
            named = {name: values[i] for name, values in losses.values.items()}
            yield Step(step, None, 0.0, None, 0.0, named)


def _record(line: str) -> dict[str, Any]:
    """Return what a line says; nothing of a line that a crash cut off."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _seconds(events: Path, steps: int, settings: TrainSettings) -> float | None:
    """Return the training time up to a step: told by its save, else by the share of the budget."""
    try:
        with events.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    for record in map(_record, reversed(lines)):
        match record:
            case {"event": "Saved", "step": int(step), "seconds": int() | float() as told} if step == steps:
                return float(told)
            case {"event": "Step", "index": int(step), "fraction": int() | float() as share}:
                if step <= steps and settings.minutes is not None:
                    return 60 * settings.minutes * float(share)
    return None


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape)
