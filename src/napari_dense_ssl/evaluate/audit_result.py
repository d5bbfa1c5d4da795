"""What an audit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.evaluate.audit_crops import AuditedPart
from napari_dense_ssl.evaluate.audit_figures import Figure
from napari_dense_ssl.evaluate.audit_verdict import Verdict
from napari_dense_ssl.evaluate.scores import Scores

MEANINGS: dict[str, str] = {
    "leak": "share of a class's information that is its place in the crop; good: 0",
    "content": "AMI of one pixel's class seen from two crops; good: 1",
    "place": "AMI of unrelated pixels at the same place of their crops, beyond that elsewhere; good: 0",
    "eq_t_db": "probabilities against those of a moved crop, dB; good: far above the null",
    "eq_r_db": "against those of a turned or flipped crop, dB; good: far above the null",
    "eq_angle_db": "against those of a crop turned by any angle, dB",
    "blank_noise": "on white noise: share of a class's information that is place; good: 0",
    "blank_constant": "on constant grey, off the rim: effective classes; good: 1",
    "effective_classes": "exp H of the class areas; in place of a null: K",
    "effective_classes_slice": "the same within a slice; in place of a null: over all slices",
    "low_level": "share of a class's information that one (blurred) grey level tells; good: below .7",
    "coherence": "AMI of the classes of pixels 4 px apart; independent noise: 0",
    "flatness": "mean entropy of a pixel's probabilities / log K; in place of a null: that of their mean",
}
"""What each figure means, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class TruthScores:
    """How much the classes tell of a truth.

    Attributes
    ----------
    scores : Scores
        On the audited slices, where the classes were named too.
    intensity_mi_frac : float
        mi_frac of as many quantiles of intensity as there are effective classes.
    slices : tuple of int
        Slices that were scored; of large ones the middle 1024 x 1024 px.
    """

    scores: Scores
    intensity_mi_frac: float
    slices: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, ready for JSON."""
        return self.scores.as_dict() | {
            "intensity_mi_frac": self.intensity_mi_frac,
            "slices": list(self.slices),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What the report shows.

    Attributes
    ----------
    image : ndarray, shape (S, S), float32
        Normalised grey values of an example crop.
    here, there : ndarray, shape (S, S), uint8
        Its classes + 1; and those of the same pixels seen from another crop (0 where that does not reach).
    shift : tuple of int
        Origin of the other crop less that of the first, px along Y and X.
    example : tuple of int
        First voxel of the example crop: Z, Y, X.
    by_place : ndarray, shape (K, cells, cells), float
        P(class, cell) / (P(class) P(cell)): 1 everywhere where the place says nothing.
    shares : ndarray, shape (K,)
        Areas of the classes.
    constant, noise : ndarray, shape (S, S), uint8, or None
        Classes + 1 of a constant image and of white noise.
    """

    image: NDArray[np.float32]
    here: NDArray[np.uint8]
    there: NDArray[np.uint8]
    shift: tuple[int, int]
    example: tuple[int, int, int]
    by_place: NDArray[np.float64]
    shares: NDArray[np.float64]
    constant: NDArray[np.uint8] | None = None
    noise: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """Whether a network's classes are about the image or about the place in the crop.

    Attributes
    ----------
    verdict : Verdict
        ``verdict.word`` is one of content, positional, collapsed, uniform, low-level.
    figures : mapping of str to Figure
        By the names of :data:`MEANINGS`; those that were not measured are missing.
    classes : int
        K.
    crops, crop : int
        Number of pairs of crops, and their edge in px.
    part : AuditedPart
        Slices that the crops came from, and whether they were held out from training.
    truth : TruthScores or None
        Where a truth was given.
    pictures : Pictures
    """

    verdict: Verdict
    figures: Mapping[str, Figure]
    classes: int
    crops: int
    crop: int
    part: AuditedPart
    pictures: Pictures = field(repr=False)
    truth: TruthScores | None = None

    @property
    def values(self) -> dict[str, float]:
        """The figures' values by name."""
        return {name: self.figures[name].value for name in MEANINGS if name in self.figures}

    @property
    def where(self) -> str:
        """What was looked at, for people."""
        kind = "held out from training" if self.part.held_out else "the ones trained on: none is held out"
        return (
            f"{self.crops} pairs of crops of {self.crop} px from slices {ranges(self.part.slices)} ({kind})"
        )

    @property
    def sentence(self) -> str:
        """Verdict, leak and content in a line."""
        leak, content = (self.figures[name].value for name in ("leak", "content"))
        kind = "held out from training" if self.part.held_out else "trained on"
        return (
            f"{self.verdict.word}: leak {leak:.3f} (good: 0), content {content:.2f} (good: 1), "
            f"on slices {ranges(self.part.slices)}, {kind}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        shown = {name: self.figures[name] for name in self.values}
        return {
            "verdict": self.verdict.word,
            **self.values,
            "reason": self.verdict.reason,
            "advice": self.verdict.advice,
            "nulls": {name: figure.null for name, figure in shown.items()},
            "counts": {name: figure.count for name, figure in shown.items()},
            "classes": self.classes,
            "crops": self.crops,
            "crop": self.crop,
            "region": str(self.part.box),
            "slices": list(self.part.slices),
            "held_out": self.part.held_out,
            "truth": None if self.truth is None else self.truth.as_dict(),
        }


def ranges(numbers: tuple[int, ...]) -> str:
    """Write ascending numbers shortly: ``0-3, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
