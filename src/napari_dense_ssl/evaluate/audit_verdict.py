"""From figures to a verdict: all thresholds, their reasons, the words and the advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from napari_dense_ssl.evaluate.audit_figures import Figure

Word = Literal["content", "positional", "collapsed", "uniform", "low-level"]

WORDS: tuple[Word, ...] = get_args(Word)

COLLAPSED_BELOW = 1.2
"""Effective classes in a slice: two classes of 96 % and 4 % have 1.18. Rare structures alone give more."""

LEAK_LIMIT = 0.1
"""Share of a class's information that is place. True labels: below .002; padding by reflection: up to .02."""

PLACE_LIMIT = 0.1
"""AMI of unrelated pixels at the same place, beyond that elsewhere. It sees grids finer than a cell, which
the leak does not."""

CONTENT_FLOOR = 0.25
"""AMI of one pixel's class in two crops. Codes for the place: below .05; an hour-old network: above .4."""

FLAT_ABOVE = 0.98
"""Mean entropy of a pixel's probabilities over log K. Tells of nothing alone: also argmax must be noise."""

INCOHERENT_BELOW = 0.05
"""AMI of neighbours in a crop: stripes and tissue have more, independent pixels none."""

LOW_LEVEL_ABOVE = 0.7
"""Share of the classes' information that one blurred grey level tells. Quantiles of intensity: 1; true
labels and classes of a filter bank: .2 to .5."""

LOW_LEVEL_GAIN = 1.05
"""With a truth given: how much more of it the classes must tell than as many quantiles of intensity do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the audit says.

    Attributes
    ----------
    word : str
        One of :data:`WORDS`.
    reason : str
        The figures that led to it.
    advice : str
        What to do next.
    """

    word: Word
    reason: str
    advice: str


_ADVICE: dict[Word, str] = {
    "content": "The classes follow the tissue: the equivariance-error map says where not to trust them.",
    "positional": "The classes follow the place in the crop: move the views against each other by whole "
    "pixels that are no multiples of the stride (view_shift), pad by reflection, and learn from targets that "
    "are computed from the image, as the recipe masked-clusters does.",
    "collapsed": "Nearly all pixels have one class: use an objective that keeps classes apart over many "
    "crops, such as masked-clusters, a lower learning rate, or another region.",
    "uniform": "The classes say nothing yet: train longer, or with a higher learning rate, and see that the "
    "loss falls.",
    "low-level": "The classes are little more than grey levels: train longer, hide larger parts of the "
    "image, change its contrast more, or use a recipe whose targets are structures (masked-clusters).",
}


def judge(figures: Mapping[str, Figure], truth_gain: tuple[float, float] | None = None) -> Verdict:
    """Decide on a verdict; the first rule that holds decides.

    1. ``collapsed``: fewer effective classes in a slice than :data:`COLLAPSED_BELOW`.
    2. ``positional``: leak or place above its limit.
    3. Content below :data:`CONTENT_FLOOR`: ``uniform`` where the classes of neighbours have nothing in
       common or the probabilities are flat, else ``positional``: an orderly pattern that does not move
       with the tissue, such as stripes whose phase follows the image.
    4. ``low-level``: grey levels tell more of the classes than :data:`LOW_LEVEL_ABOVE`, or the classes tell
       no more of the truth than grey levels do.
    5. ``content``.

    Parameters
    ----------
    figures : mapping of str to Figure
        ``effective_classes_slice``, ``leak``, ``place``, ``content``, ``coherence``, ``flatness``,
        ``low_level``; ``blank_noise`` is quoted where it is there.
    truth_gain : tuple of float, or None
        mi_frac of the classes, and of as many quantiles of intensity.
    """
    value = {name: figure.value for name, figure in figures.items()}
    inside = value["effective_classes_slice"]
    leaks, places, contents = value["leak"], value["place"], value["content"]
    told = f"leak {leaks:.3f}, place {places:.2f}, content {contents:.2f}"
    if inside < COLLAPSED_BELOW:
        return _verdict("collapsed", f"{inside:.2f} effective classes in a slice (below {COLLAPSED_BELOW})")
    if leaks > LEAK_LIMIT or places > PLACE_LIMIT:
        over = [f"leak {leaks:.3f} (limit {LEAK_LIMIT})"] if leaks > LEAK_LIMIT else []
        over += [f"place {places:.2f} (limit {PLACE_LIMIT})"] if places > PLACE_LIMIT else []
        return _verdict("positional", f"{', '.join(over)}; content {contents:.2f}{_blank(value)}")
    if contents < CONTENT_FLOOR:
        low = f"content {contents:.2f} (below {CONTENT_FLOOR})"
        if value["coherence"] < INCOHERENT_BELOW:
            return _verdict(
                "uniform", f"{low}, and neighbours have nothing in common: {value['coherence']:.2f}"
            )
        if value["flatness"] > FLAT_ABOVE:
            return _verdict(
                "uniform", f"{low}, and the probabilities are flat: {value['flatness']:.3f} of log K"
            )
        return _verdict(
            "positional",
            f"{low}, though neighbours agree ({value['coherence']:.2f}): the pattern does not move with "
            f"the tissue{_blank(value)}",
        )
    if value["low_level"] > LOW_LEVEL_ABOVE:
        return _verdict(
            "low-level",
            f"grey levels tell {value['low_level']:.2f} of the classes (limit {LOW_LEVEL_ABOVE}); {told}",
        )
    if truth_gain is not None and truth_gain[0] < LOW_LEVEL_GAIN * truth_gain[1]:
        return _verdict(
            "low-level",
            f"the classes tell {truth_gain[0]:.3f} of the truth, as many grey levels {truth_gain[1]:.3f}; "
            f"{told}",
        )
    return _verdict("content", f"{told}; grey levels tell {value['low_level']:.2f} of the classes")


def _verdict(word: Word, reason: str) -> Verdict:
    return Verdict(word, reason, _ADVICE[word])


def _blank(value: Mapping[str, float]) -> str:
    blank = value.get("blank_noise", 0.0)
    return f"; on white noise {blank:.2f} of the class is place" if blank > LEAK_LIMIT else ""
