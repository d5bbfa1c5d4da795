"""One page that shows a run: slice, classes, error, truth, losses, scores beside a baseline's."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.errors import OutputError, RunError
from napari_dense_ssl.evaluate.audit_result import Audit
from napari_dense_ssl.evaluate.scale_bar import draw_scale_bar
from napari_dense_ssl.evaluate.score_table import draw_score_table
from napari_dense_ssl.evaluate.scores import Scores

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

_INK = "#22272e"
_ERROR_LIMITS = (0.05, 0.1, 0.2, 0.5, 1.0)
_TEXT: dict[str, Any] = {"size": 9, "color": _INK}

_FEW = matplotlib.colormaps["tab10"](range(10))[:, :3].tolist()
"""Colours for a handful of things."""


@dataclass(frozen=True)
class ReportPage:
    """What the page shows; all maps are of one slice and have one shape ``(Y, X)``.

    Attributes
    ----------
    raw : ndarray, shape (Y, X)
        Grey values.
    classes : ndarray, shape (Y, X), integer
        Class map, 0 is 'not predicted'.
    title : str
        The volume's name, or whatever names the page.
    facts : sequence of str
        Short facts for the line below the title: recipe, minutes, device, voxel size.
    error : ndarray, shape (Y, X), or None
        Equivariance error in [0, 1].
    truth : ndarray, shape (Y, X), integer, or None
        True labels, 0 is 'unlabelled'.
    truth_names : mapping of int to str
        Names of the true labels; their numbers where there is none.
    pixel_size : tuple of float, or None
        Height and width of a pixel, nm; None where it is not known.
    limits : tuple of float, or None
        Grey values shown as black and white; 0.5 and 99.5 percentiles of the slice where None.
    colours : ndarray, shape (256, 3), or None
        Red, green and blue in [0, 1] by class; distinct ones are made where None.
    losses : mapping of str to (steps, values)
        Curves by name, as :func:`read_losses` gives them; nats, but shares in [0, 1] where the name says
        so (``agreement``, ``..._share``).
    scores : mapping of str to Scores
        By the name of what was scored, the learned map first, then baselines.
    score_note : str
        Which slices were scored.
    audit : Audit, or None
        Verdict, leak and content stand in a line below the scores.
    """

    raw: NDArray[Any]
    classes: NDArray[Any]
    title: str = "napari-dense-ssl"
    facts: Sequence[str] = ()
    error: NDArray[Any] | None = None
    truth: NDArray[Any] | None = None
    truth_names: Mapping[int, str] = field(default_factory=dict)
    pixel_size: tuple[float, float] | None = None
    limits: tuple[float, float] | None = None
    colours: NDArray[np.float64] | None = None
    losses: Mapping[str, Curve] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)
    score_note: str = ""
    audit: Audit | None = None


def read_losses(events: os.PathLike[str] | str) -> dict[str, Curve]:
    """Read the loss curves of a run from its ``events.jsonl``.

    Returns
    -------
    dict of str to (steps, values)
        One entry for each loss; a last line that a crash cut short is left out.

    Raises
    ------
    RunError
        If the file cannot be read.
    """
    curves: dict[str, dict[int, float]] = {}
    try:
        lines = Path(events).read_text().splitlines()
    except OSError as error:
        raise RunError(f"The events {events} cannot be read ({error.strerror}); give a run's own.") from error
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # the process was killed while it wrote this line
            continue
        if isinstance(record, dict) and record.get("event") == "Step":
            for name, value in (record.get("losses") or {}).items():
                # By step: a resumed run repeats those after its last checkpoint, and the later ones hold.
                curves.setdefault(name, {})[int(record["index"])] = float(value)
    return {
        name: (np.array(sorted(values), float), np.array([values[k] for k in sorted(values)], float))
        for name, values in curves.items()
    }


def write_report(page: ReportPage, path: os.PathLike[str] | str, *, dpi: int = 130) -> Path:
    """Draw a page and save it as PNG (or what the ending says: PDF, SVG).

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    try:
        report_figure(page).savefig(path, dpi=dpi)
    except OSError as error:
        raise OutputError(
            f"The report {path} cannot be written ({error.strerror or error}); choose a place where you may "
            "write and where there is room."
        ) from error
    return path


def report_figure(page: ReportPage) -> Figure:
    """Draw a page.

    Parameters
    ----------
    page : ReportPage

    Returns
    -------
    Figure
        Not known to pyplot: nothing has to be closed.

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    for name in ("classes", "error", "truth"):
        values = getattr(page, name)
        if values is not None and values.shape != page.raw.shape:
            raise ValueError(f"{name} has the shape {values.shape}, the slice {page.raw.shape}")
    known = page.truth is not None and bool(page.truth.any())
    figure = Figure(figsize=(18.6, 10) if known else (11, 11.2), facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.03, 0.961, page.title, size=17, weight="bold", color=_INK)
    figure.text(0.03, 0.936, "   ·   ".join(page.facts), size=9.5, color="#57606a")
    if known:
        rows = figure.add_gridspec(2, 1, left=0.03, right=0.985, top=0.86, bottom=0.055, hspace=0.2)
        upper = rows[0].subgridspec(1, 4, wspace=0.1)
        # Panels with axes of their own need room for ticks, and the error for its colour bar.
        lower = rows[1].subgridspec(1, 3, width_ratios=(1, 1, 1.9), wspace=0.3)
        _draw_named(figure.add_subplot(upper[2]), page)
        _draw_truth(figure.add_subplot(upper[3]), page)
        table = figure.add_subplot(lower[2])
        draw_score_table(table, page.scores, page.score_note)
        if page.audit is not None:
            table.text(0, -0.06, f"Audit: {page.audit.sentence}", **_TEXT)
        cells = [upper[0], upper[1], lower[0], lower[1]]
    else:
        grid = figure.add_gridspec(2, 2, left=0.03, right=0.92, top=0.87, bottom=0.06, wspace=0.25)
        cells = [grid[0, 0], grid[0, 1], grid[1, 0], grid[1, 1]]
        if page.audit is not None:
            figure.text(0.03, 0.015, f"Audit: {page.audit.sentence}", **_TEXT)
    for draw, cell in zip((_draw_raw, _draw_classes, _draw_error, _draw_losses), cells, strict=True):
        draw(figure.add_subplot(cell), page)
    return figure


def _heading(axes: Axes, text: str, note: str = "") -> None:
    axes.set_title(text, loc="left", size=11.5, weight="bold", color=_INK, pad=20)
    axes.text(0, 1.02, note, transform=axes.transAxes, size=8.5, color="#57606a", va="bottom")


def _show(axes: Axes, picture: NDArray[Any], **options: Any) -> Any:
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(picture, interpolation="nearest", **options)


def _grey(page: ReportPage) -> NDArray[np.float64]:
    """Return the slice between 0 (black) and 1 (white)."""
    values = np.asarray(page.raw, np.float64)
    finite = values[np.isfinite(values)]
    low, high = page.limits or (np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0))
    grey: NDArray[np.float64] = np.nan_to_num((values - low) / max(high - low, 1e-12)).clip(0, 1)
    return grey


def _draw_raw(axes: Axes, page: ReportPage) -> None:
    height, width = page.raw.shape
    _show(axes, _grey(page), cmap="gray", vmin=0, vmax=1)
    _heading(axes, "Slice", f"{width} × {height} px")
    draw_scale_bar(axes, page.pixel_size)


def _draw_classes(axes: Axes, page: ReportPage) -> None:
    colours = page.colours if page.colours is not None else class_colours()[:, :3]
    grey = _grey(page)[..., None].repeat(3, axis=2)
    known = (page.classes > 0)[..., None]
    _show(axes, np.where(known, 0.45 * grey + 0.55 * colours[page.classes], grey))
    counts = np.bincount(page.classes[page.classes > 0].ravel())
    share = counts[counts > 0] / max(1, counts.sum())
    effective = float(np.exp(-(share * np.log(share)).sum())) if share.size else 0.0
    _heading(
        axes,
        "Classes, learned without labels",
        f"{len(share)} in this slice; as varied as {effective:.1f} equally large ones",
    )
    draw_scale_bar(axes, page.pixel_size)


def _draw_error(axes: Axes, page: ReportPage) -> None:
    if page.error is None:
        _absent(axes, "Equivariance error", "not asked for")
        return
    error = np.asarray(page.error, np.float64)
    shown = np.where(page.classes > 0, error, np.nan)
    top = np.nanpercentile(shown, 99) if np.isfinite(shown).any() else 1.0
    limit = next((value for value in _ERROR_LIMITS if top <= value), 1.0)
    picture = _show(axes, shown, cmap="inferno", vmin=0, vmax=limit)
    _heading(
        axes,
        "Equivariance error",
        f"mean {np.nanmean(shown) if np.isfinite(shown).any() else 0:.3f}; bright: turned and moved views "
        "disagree",
    )
    inset = axes.inset_axes((1.02, 0, 0.035, 1))
    figure = axes.get_figure()
    bar = figure.colorbar(picture, cax=inset, extend="max" if limit < 1 else "neither")  # type: ignore[union-attr]
    bar.set_label("class probability that differs (share, 0 to 1)", **_TEXT)
    bar.ax.tick_params(labelsize=8)
    draw_scale_bar(axes, page.pixel_size)


def _draw_truth(axes: Axes, page: ReportPage) -> None:
    truth = page.truth if page.truth is not None else np.zeros(page.raw.shape, np.uint8)
    _draw_labels(axes, page, truth)
    _heading(axes, "Truth", "for comparison only: the training never saw it")
    labels = [int(label) for label in np.unique(truth) if label > 0]
    patches = [
        Patch(facecolor=_label_colour(label), label=page.truth_names.get(label, f"label {label}"))
        for label in labels[:12]
    ]
    axes.legend(handles=patches, loc="upper right", fontsize=8, framealpha=0.85, borderpad=0.5)


def _draw_named(axes: Axes, page: ReportPage) -> None:
    scores = next(iter(page.scores.values()), None)
    if scores is None:
        _absent(axes, "Classes, named by the truth", "not scored")
        return
    _draw_labels(axes, page, _renamed(page.classes, scores.names))
    _heading(
        axes, "Classes, named by the truth", "each by the label that it meets most often; colours as there"
    )


def _renamed(classes: NDArray[Any], names: Mapping[int, int]) -> NDArray[np.int64]:
    table = np.zeros(int(classes.max()) + 1, np.int64)
    for one, name in names.items():
        if one < len(table):
            table[one] = name
    renamed: NDArray[np.int64] = table[classes]
    return renamed


def _draw_labels(axes: Axes, page: ReportPage, labels: NDArray[Any]) -> None:
    """Draw labels over the slice, 0 left grey, and the scale bar."""
    grey = _grey(page)[..., None].repeat(3, axis=2)
    present, index = np.unique(labels, return_inverse=True)
    colours = np.array([_label_colour(int(label)) for label in present])
    tinted = 0.55 * grey + 0.45 * colours[index.reshape(labels.shape)]
    _show(axes, np.where((labels > 0)[..., None], tinted, grey))
    draw_scale_bar(axes, page.pixel_size)


def _label_colour(label: int) -> tuple[float, float, float]:
    red, green, blue = _FEW[(label - 1) % len(_FEW)]
    return red, green, blue


def _draw_losses(axes: Axes, page: ReportPage) -> None:
    if not page.losses:
        _absent(axes, "Training", "no losses recorded")
        return
    colours = itertools.cycle(_FEW)
    shares = {name for name in page.losses if name.endswith(("agreement", "share"))}
    other = axes.twinx() if shares else None
    lines = []
    for name, (steps, values) in page.losses.items():
        target = other if name in shares and other is not None else axes
        colour = next(colours)
        target.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        smooth = uniform_filter1d(values, max(1, len(values) // 40), mode="nearest")
        style = "--" if name in shares else "-"
        label = f"{name} (share, right)" if name in shares else name
        lines += target.plot(steps, smooth, style, color=colour, linewidth=1.8, label=label)
    _heading(axes, "Training", "thin: each step; thick: running mean")
    axes.set_xlabel("step", **_TEXT)
    axes.set_ylabel("loss (nats)", **_TEXT)
    axes.tick_params(labelsize=8)
    axes.grid(color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top"]].set_visible(False)
    if other is not None:
        other.set_ylim(0, 1)
        other.set_ylabel("share (0 to 1)", **_TEXT)
        other.tick_params(labelsize=8)
        other.spines[["top"]].set_visible(False)
    axes.legend(handles=lines, fontsize=8.5, framealpha=0.9)


def _absent(axes: Axes, heading: str, note: str) -> None:
    axes.set_axis_off()
    _heading(axes, heading)
    axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", size=10, color="#8c959f")
