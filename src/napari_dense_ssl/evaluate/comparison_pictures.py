"""Confusion matrix and curves over the slices as pictures, on light or dark ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_dense_ssl.evaluate.comparison import Comparison

_NUMBERS = 14
"""Up to as many classes have room for a number in each cell."""

CURVES = {
    "miou": ("mIoU", "#4e9ae8"),
    "mdice": ("mean Dice", "#3fae5a"),
    "accuracy": ("accuracy", "#8c8c8c"),
    "boundary_f": ("boundary F", "#e8833a"),
}
"""What is drawn over the slices: heading and a colour that is seen on black and on white."""


@dataclass(frozen=True, slots=True)
class Look:
    """Colours of a picture.

    Attributes
    ----------
    ink, faint, ground : str
        Of texts and frames, of lines behind them, and behind it all.
    deep : str
        What 1 is in a matrix; 0 is the ground.
    """

    ink: str = "#22272e"
    faint: str = "#8c959f"
    ground: str = "#ffffff"
    deep: str = "#1565c0"


LIGHT = Look()
"""Dark on white, for files."""


def confusion_figure(
    comparison: Comparison,
    *,
    names: Mapping[int, str] | None = None,
    look: Look = LIGHT,
    size: tuple[float, float] = (6.4, 5.6),
) -> Figure:
    """Draw the confusion matrix: of each true class, the shares that were given each name.

    Parameters
    ----------
    comparison : Comparison
    names : mapping of int to str, optional
        Of the labels, in place of their numbers.
    look : Look
    size : tuple of float
        Width and height, inch.

    Raises
    ------
    ScoreError
        If the truth has more than 64 labels.
    """
    figure = new_figure(size, look)
    draw_confusion(figure.add_subplot(), comparison, names or {}, look)
    return figure


def draw_confusion(axes: Axes, comparison: Comparison, names: Mapping[int, str], look: Look) -> None:
    """Draw it into given axes; see :func:`confusion_figure`."""
    counts, labels, unnamed = comparison.confusion()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("shares", [look.ground, look.deep])
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="equal")
    rows = [names.get(label, str(label)) for label in labels]
    columns = [*rows, "no name"] if unnamed else rows
    long = max(map(len, columns)) > 3
    axes.set_xticks(
        range(len(columns)), columns, rotation=45 if long else 0, ha="right" if long else "center"
    )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    size = 9 if len(labels) <= 9 else 7
    axes.tick_params(labelsize=size, length=2)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=look.faint, linewidth=0.4, alpha=0.5)
    axes.tick_params(which="minor", length=0)
    if len(labels) <= _NUMBERS:
        for (i, j), share in np.ndenumerate(shares):
            cell = np.asarray(colours(float(share)))[:3]
            bright = float(cell @ (0.2126, 0.7152, 0.0722)) > 0.45
            text = f"{100 * share:.0f}" if share >= 0.005 or not counts[i, j] else "<1"
            axes.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                size=size,
                color="#101418" if bright else "#f4f6f8",
                alpha=1 if share >= 0.005 else 0.55,
            )
    axes.set_title("% of each true class", loc="left", size=10, color=look.ink)
    _ink(axes, look)


def slices_figure(
    comparison: Comparison, *, look: Look = LIGHT, size: tuple[float, float] = (6.4, 3.0)
) -> Figure:
    """Draw the figures of single slices."""
    figure = new_figure(size, look)
    draw_slices(figure.add_subplot(), comparison, look)
    return figure


def draw_slices(axes: Axes, comparison: Comparison, look: Look) -> None:
    """Draw them into given axes; gaps are slices without pixels to score."""
    z = np.array([one.z for one in comparison.slices])
    for name, (heading, colour) in CURVES.items():
        values = np.array([getattr(one, name) for one in comparison.slices], float)
        if len(z) and np.isfinite(values).any():
            at = np.arange(z.min(), z.max() + 1)
            full = np.full(len(at), np.nan)
            full[z - z.min()] = values
            points = "o" if len(z) <= 60 else None
            axes.plot(at, full, color=colour, label=heading, linewidth=1.4, marker=points, markersize=3)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("slice")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.grid(axis="y", color=look.faint, linewidth=0.5, alpha=0.4)
    axes.set_title("Slice by slice, 1 is perfect", loc="left", size=10, pad=24, color=look.ink)
    if axes.lines:
        narrow = axes.get_figure(root=True).get_figwidth() < 5  # type: ignore[union-attr]
        legend = axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=4,
            frameon=False,
            fontsize=7 if narrow else 8.5,
            borderaxespad=0.1,
            columnspacing=0.8 if narrow else 1.2,
            handlelength=1.0 if narrow else 1.4,
            handletextpad=0.4,
        )
        legend.set_in_layout(False)
        for text in legend.get_texts():
            text.set_color(look.ink)
    else:
        axes.text(0.5, 0.5, "no single slices", ha="center", transform=axes.transAxes, color=look.faint)
    _ink(axes, look)


def pixels_of(figure: Figure, dpi: float) -> NDArray[np.uint8]:
    """Return a figure's picture, shape (height, width, 4), uint8 RGBA."""
    figure.set_dpi(dpi)
    canvas: Any = figure.canvas
    canvas.draw()
    return np.array(canvas.buffer_rgba(), np.uint8)


def new_figure(size: tuple[float, float], look: Look) -> Figure:
    """Return an empty figure (width and height in inch) that pyplot does not know."""
    figure = Figure(figsize=size, facecolor=look.ground, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _ink(axes: Axes, look: Look) -> None:
    axes.set_facecolor(look.ground)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(look.ink)
    axes.tick_params(colors=look.ink)
    for spine in axes.spines.values():
        spine.set_color(to_rgb(look.faint))
