"""A scale bar with a round length and a unit."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

_SHARE = 0.25
"""Longest share of the picture's width that a bar may take."""


def round_length(longest: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))


def length_text(nanometres: float) -> str:
    """Name a length in the unit that reads best: nm, µm or mm."""
    for size, unit in ((1e6, "mm"), (1e3, "µm")):
        if nanometres >= size:
            return f"{nanometres / size:g} {unit}"
    return f"{nanometres:g} nm"


def draw_scale_bar(axes: Axes, pixel_size: tuple[float, float] | None) -> None:
    """Draw a bar at the lower left of a picture that is shown in pixels.

    Parameters
    ----------
    axes : Axes
        Holds a picture, one pixel a unit.
    pixel_size : tuple of float, or None
        Height and width of a pixel, nm; the bar is in pixels where None.
    """
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    width, height = abs(right - left), abs(top - bottom)
    edge = pixel_size[1] if pixel_size else 1.0
    length = round_length(_SHARE * width * edge)
    text = length_text(length) if pixel_size else f"{length:g} px"
    margin = 0.03 * max(width, height)
    thickness = 0.012 * max(width, height)
    x, y = min(left, right) + margin, max(bottom, top) - margin
    bar = Rectangle(
        (x, y - thickness), length / edge, thickness, facecolor="white", edgecolor="black", lw=0.8
    )
    axes.add_patch(bar)
    axes.text(
        x + length / edge / 2,
        y - 1.6 * thickness,
        text,
        ha="center",
        va="bottom",
        size=9,
        color="white",
        bbox={"facecolor": "black", "alpha": 0.55, "pad": 1.5, "linewidth": 0},
    )
