"""What a running job says: small frozen dataclasses, one class each, for consumers that ``match``.

Every long job (:func:`train`, :func:`predict`, :func:`audit`) is a generator of these. It may be stopped
(``close``) or paused (by not asking for the next event) at any of them, and yields one at least every fifth
of a second of work where the work can be cut that fine; :class:`Beat` is the event that says only that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_dense_ssl.core.geometry import Box, Grid


@dataclass(frozen=True, slots=True)
class Started:
    """The job has begun.

    Attributes
    ----------
    job : str
        ``"train"``, ``"predict"``, ``"probe"``, ``"audit"`` or ``"playground"``.
    total : int or None
        How many steps (or tiles) there will be; None when only the time is known.
    unit : str
        What is counted: ``"step"``, ``"tile"``, ``"crop"``.
    details : mapping
        Facts worth showing: device, precision, recipe, shape, ...
    """

    job: str
    total: int | None
    unit: str
    details: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step, or one tile, is done.

    Attributes
    ----------
    index : int
        How many are done, counted from 1 over the whole run (resumed runs go on counting).
    total : int or None
        How many there will be; None when only the time is known.
    fraction : float
        Share of the whole budget that is used up, 0 to 1.
    seconds_left : float or None
        Estimated from measured steps; None while too few were measured.
    samples_per_second : float
        Crops (training) or pixels (prediction) a second, over the last steps.
    losses : mapping of str to float
        Loss terms by name, in nats unless their name says otherwise; empty for prediction.
    learning_rate : float or None
        That of this step; None for prediction.
    """

    index: int
    total: int | None
    fraction: float
    seconds_left: float | None
    samples_per_second: float
    losses: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """The maps of a part of one slice.

    Attributes
    ----------
    z : int
        The slice, in voxels of the finest level.
    box : Box
        The voxels that the maps cover.
    grid : Grid
        Where the pixels of the maps lie.
    classes : ndarray, shape (Y, X), uint8
        argmax + 1; 0 is 'not predicted'.
    error : ndarray, shape (Y, X), float32, or None
        Equivariance error in [0, 1].
    step : int or None
        The training step that the map was made at.
    """

    z: int
    box: Box
    grid: Grid
    classes: np.ndarray[Any, Any]
    error: np.ndarray[Any, Any] | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """Something whole is on disk: a checkpoint, a picture, an output."""

    path: Path
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """A thing the user should know: a fallback, a retry, a new generation."""

    message: str


@dataclass(frozen=True, slots=True)
class Audited:
    """It was asked whether the classes are about the image or about the place in the crop.

    Attributes
    ----------
    verdict : str
        ``content``, ``positional``, ``collapsed``, ``uniform`` or ``low-level``.
    figures : mapping of str to float
        By name: ``leak``, ``content``, ``effective_classes``, ... (``docs/audit.md``).
    step : int or None
        The training step that the network was looked at; None for an audit of its own.
    result : object or None
        The whole :class:`~napari_dense_ssl.evaluate.Audit`; not kept in ``events.jsonl``.
    """

    verdict: str
    figures: Mapping[str, float]
    step: int | None = None
    result: Any = field(default=None, repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """The main figures and the verdict in a line."""
        figures = self.figures
        return (
            f"audit: content {figures['content']:.2f}, leak {figures['leak']:.3f}, "
            f"{figures['effective_classes']:.1f} effective classes: {self.verdict}"
        )


@dataclass(frozen=True, slots=True)
class Pictured:
    """Something to look at that is no map of a slice, such as an energy landscape.

    Attributes
    ----------
    step : int
        How many steps are done.
    picture : object
        What it is, the job's room says; not kept in ``events.jsonl``.
    """

    step: int
    picture: Any = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing to report: a place where the job may be paused or stopped."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is done; `path` is what it made, `summary` its last figures."""

    path: Path | None
    summary: Mapping[str, str | int | float] = field(default_factory=dict)


Event = Started | Step | Preview | Pictured | Saved | Noted | Audited | Beat | Finished


def event_record(event: Event) -> dict[str, Any]:
    """Return what ``events.jsonl`` keeps of an event: its class name and its fields, without arrays."""
    record: dict[str, Any] = {"event": type(event).__name__}
    match event:
        case Preview(z=z, box=box, step=step):
            record |= {"z": z, "box": str(box), "step": step}
        case Pictured(step=step):
            record |= {"step": step}
        case Audited(verdict=verdict, figures=figures, step=step):
            record |= {"verdict": verdict, "figures": dict(figures), "step": step}
        case _:
            record |= {k: str(v) if isinstance(v, Path) else v for k, v in asdict(event).items()}
    return record
