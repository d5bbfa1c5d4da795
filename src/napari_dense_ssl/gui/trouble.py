"""What an audit's verdict means in plain sentences, and what to try (no Qt here)."""

from __future__ import annotations

from dataclasses import dataclass

from napari_dense_ssl.core.events import Audited

_TIME_TO_LEARN = 0.5
"""Share of the budget before which classes that say nothing yet are no reason to worry."""

_TRY = {
    "collapsed": "Stop and try the recipe masked-clusters, a lower learning rate (Advanced, Optimiser), or "
    "another region.",
    "positional": "Stop and try the recipe masked-clusters; or, under Advanced, a view shift above 0 px "
    "(Sampler) and padding by reflection (Encoder).",
    "low-level": "Train longer; or, under Advanced, hide a larger share of the image in larger blocks "
    "(Objective) and change the contrast more (Sampler, Photometric change).",
    "uniform": "Train longer, try a higher learning rate (Advanced, Optimiser), and see whether the loss "
    "falls.",
}


@dataclass(frozen=True)
class Trouble:
    """Why a model is not to be trusted.

    Attributes
    ----------
    word : str
        The audit's verdict.
    sentence : str
        What is wrong, with the figure that says so.
    advice : str
        What to try.
    """

    word: str
    sentence: str
    advice: str


def trouble(audited: Audited, fraction: float = 1.0) -> Trouble | None:
    """Return what is wrong with the classes; None where they follow the image, or it is too early to say.

    Parameters
    ----------
    audited : Audited
    fraction : float
        Share of the training's budget that is used up, 0 to 1.
    """
    word, figures = audited.verdict, audited.figures
    if word not in _TRY or (word == "uniform" and fraction < _TIME_TO_LEARN):
        return None
    return Trouble(word, _sentence(word, dict(figures), _largest_share(audited)), _TRY[word])


def _sentence(word: str, figures: dict[str, float], largest: float | None) -> str:
    match word:
        case "collapsed":
            if largest is not None and largest > 0.5:
                return f"The model is collapsing: one class covers {_percent(largest)} of the image."
            inside = figures.get("effective_classes_slice", 1.0)
            return (
                f"The model is collapsing: nearly all pixels of a slice have one class ({inside:.2f} "
                "effective classes; 1 is a single one)."
            )
        case "positional":
            return f"The classes follow the place, not the image: {_place(figures)}."
        case "low-level":
            return (
                "The classes are little more than grey levels, which tell "
                f"{_percent(figures['low_level'])} of them (good is below 70 %)."
            )
        case _:
            return (
                "The classes say nothing yet: a pixel seen from two crops agrees with itself no better than "
                f"content {max(0.0, figures['content']):.2f} (0 is chance, good is 1)."
            )


def _place(figures: dict[str, float]) -> str:
    """Return the figure that says so; which it is, the verdict's own limits decide."""
    # Here: the audit that came has imported it in its own thread, a dock that opens need not.
    from napari_dense_ssl.evaluate.audit_verdict import LEAK_LIMIT, PLACE_LIMIT

    if figures["leak"] > LEAK_LIMIT:
        return f"the place in the crop tells {_percent(figures['leak'])} of a class (leak; good is 0)"
    if figures["place"] > PLACE_LIMIT:
        return (
            "unrelated pixels at the same place of their crops have the same class more often than chance "
            f"(place {figures['place']:.2f}; good is 0)"
        )
    return (
        f"their pattern does not move with the tissue (content {max(0.0, figures['content']):.2f}; good is 1)"
    )


def _percent(share: float) -> str:
    """Return a share as a percentage that rounds to 100 % only where it is all."""
    return f"{min(share, 0.99 if share < 1 else 1.0):.0%}".replace("%", " %")


def _largest_share(audited: Audited) -> float | None:
    """Return the area of the largest class, 0 to 1, where the whole result came with the event."""
    pictures = getattr(audited.result, "pictures", None)
    return None if pictures is None else float(max(pictures.shares))
