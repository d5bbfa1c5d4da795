"""One page that shows an audit: the verdict in words, the figures beside their nulls, what they look like."""

from __future__ import annotations

import base64
import html
import os
import textwrap
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.evaluate.audit_figures import MOST_DECIBEL
from napari_dense_ssl.evaluate.audit_result import MEANINGS, Audit
from napari_dense_ssl.evaluate.scale_bar import draw_scale_bar

_INK, _FAINT, _LINE = "#22272e", "#57606a", "#d0d7de"
_GOOD, _BAD = "#1a7f37", "#b35900"
_BY_PLACE = 10
"""Classes whose places are shown: the largest ones."""


def write_audit_report(
    audit: Audit,
    path: os.PathLike[str] | str,
    *,
    title: str = "Audit",
    pixel_size: tuple[float, float] | None = None,
    dpi: int = 110,
) -> Path:
    """Draw the page and save it as PNG, or as one HTML file that holds picture and figures.

    Parameters
    ----------
    audit : Audit
    path : path
        Ends in ``.png`` or ``.html`` (``.pdf`` and ``.svg`` work too).
    title : str
        What was audited: run and volume.
    pixel_size : tuple of float, or None
        Height and width of a pixel, nm; None where it is not known.
    dpi : int
        Dots per inch of the picture.

    Raises
    ------
    OutputError
        If the ending is unknown or the file cannot be written.
    """
    path = Path(path)
    check_report_path(path)
    figure = audit_figure(audit, title=title, pixel_size=pixel_size)
    try:
        if path.suffix.lower() in (".html", ".htm"):
            path.write_text(_page(audit, figure, title, dpi), encoding="utf-8")
        else:
            figure.savefig(path, dpi=dpi)
    except OSError as error:
        raise OutputError(
            f"The report {path} cannot be written ({error.strerror or error}); choose a place where you may "
            "write and where there is room."
        ) from error
    return path


def check_report_path(path: Path) -> None:
    """Raise :class:`OutputError` unless a report can have that ending and its folder is there."""
    if path.suffix.lower() not in (".png", ".html", ".htm", ".pdf", ".svg"):
        raise OutputError(f"A report cannot be written as {path.name!r}; end its name in .png or .html.")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"The report {path} cannot be written: its folder is not there; make it first.")


def audit_figure(
    audit: Audit, *, title: str = "Audit", pixel_size: tuple[float, float] | None = None
) -> Figure:
    """Draw the page; pyplot does not know the figure, nothing has to be closed."""
    figure = Figure(figsize=(16, 13.6), facecolor="white")
    FigureCanvasAgg(figure)
    _draw_head(figure, audit, title)
    rows = figure.add_gridspec(
        3, 1, left=0.035, right=0.975, top=0.845, bottom=0.045, height_ratios=(2.0, 1.25, 0.7), hspace=0.2
    )
    upper = rows[0].subgridspec(2, 2, width_ratios=(2.3, 1), wspace=0.16, hspace=0.55)
    _draw_table(figure.add_subplot(upper[:, 0]), audit)
    _draw_equivariance(figure.add_subplot(upper[0, 1]), audit)
    _draw_usage(figure.add_subplot(upper[1, 1]), audit)
    middle = rows[1].subgridspec(1, 5, wspace=0.08)
    _draw_crops([figure.add_subplot(middle[column]) for column in range(5)], audit, pixel_size)
    _draw_places(figure, rows[2].subgridspec(1, _BY_PLACE + 1, wspace=0.1), audit)
    return figure


def _draw_head(figure: Figure, audit: Audit, title: str) -> None:
    verdict = audit.verdict
    figure.text(0.035, 0.965, f"Verdict: {verdict.word}", size=22, weight="bold", color=_colour(audit))
    figure.text(0.975, 0.968, title, size=11, color=_FAINT, ha="right")
    lines = textwrap.wrap(f"{verdict.reason[:1].upper()}{verdict.reason[1:]}.", 165)
    lines += textwrap.wrap(verdict.advice, 165)
    figure.text(0.035, 0.952, "\n".join(lines), size=11, color=_INK, va="top", linespacing=1.35)
    figure.text(0.035, 0.877, f"{audit.where}; K = {audit.classes}.", size=9.5, color=_FAINT)


def _colour(audit: Audit) -> str:
    return _GOOD if audit.verdict.word == "content" else _BAD


def _heading(axes: Axes, text: str, note: str = "") -> None:
    axes.set_title(text, loc="left", size=11, weight="bold", color=_INK, pad=19 if note else 6)
    axes.text(0, 1.025, note, transform=axes.transAxes, size=8.3, color=_FAINT, va="bottom")


def rows_of(audit: Audit) -> list[tuple[str, str, str, str, str]]:
    """Return a row of text for each figure: name, value, null, count, meaning; those of the truth last."""
    rows = []
    for name in audit.values:
        figure = audit.figures[name]
        digits = 1 if name.endswith("_db") or "classes" in name else 3
        rows.append(
            (
                name,
                f"{figure.value:.{digits}f}",
                f"{figure.null:.{digits}f}",
                f"{figure.count}",
                MEANINGS[name],
            )
        )
    if audit.truth is not None:
        scores, slices = audit.truth.scores, f"{len(audit.truth.slices)}"
        told = "share of the truth's information that the classes tell; null: as many grey levels"
        rows.append(
            ("mi_frac", f"{scores.mi_frac:.3f}", f"{audit.truth.intensity_mi_frac:.3f}", slices, told)
        )
        rows.append(
            ("miou", f"{scores.miou:.3f}", "", slices, "mean IoU with the truth, classes named by majority")
        )
        rows.append(("ami", f"{scores.ami:.3f}", "0.000", slices, "AMI with the truth; good: 1"))
    return rows


def _draw_table(axes: Axes, audit: Audit) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    rows = rows_of(audit)
    step = 1 / (len(rows) + 1)
    columns = (0.0, 0.26, 0.335, 0.4, 0.42)
    for x, name, side in zip(columns, ("figure", "value", "null", "count", "meaning"), _SIDES, strict=True):
        axes.text(x, 1 - 0.5 * step, name, ha=side, va="center", size=9.5, weight="bold", color=_INK)
    axes.axhline(1 - step, color=_INK, linewidth=1)
    for row, texts in enumerate(rows):
        y = 1 - (row + 1.5) * step
        for k, (x, text, side) in enumerate(zip(columns, texts, _SIDES, strict=True)):
            number = 1 <= k <= 3
            axes.text(
                x,
                y,
                text,
                ha=side,
                va="center",
                size=9.5 if number else 9,
                family="monospace" if number else "sans-serif",
                color=_FAINT if k > 1 else _INK,
            )
        axes.axhline(y - 0.5 * step, color=_LINE, linewidth=0.6)


_SIDES = ("left", "right", "right", "right", "left")


def _draw_equivariance(axes: Axes, audit: Audit) -> None:
    names = {"eq_t_db": "EQ-T: moved", "eq_r_db": "EQ-R: turned", "eq_angle_db": "any angle"}
    shown = {label: audit.figures[name] for name, label in names.items() if name in audit.figures}
    _heading(axes, "Equivariance", "mean square of what changes, dB; a hundred means nothing does")
    for y, figure in enumerate(shown.values()):
        axes.barh(y - 0.18, figure.value, 0.34, color="#4e9ae8", label="same tissue" if y == 0 else None)
        axes.barh(y + 0.18, figure.null, 0.34, color="#c4cad1", label="unrelated crops" if y == 0 else None)
        for side, value in ((-0.18, figure.value), (0.18, figure.null)):
            axes.text(max(value, 0) + 0.6, y + side, f"{value:.1f}", va="center", size=8, color=_INK)
    values = [value for figure in shown.values() for value in (figure.value, figure.null)]
    axes.set_xlim(min(-4.0, *values), min(MOST_DECIBEL, max(10.0, *values)) * 1.18)
    axes.set_yticks(range(len(shown)), list(shown), size=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_xlabel("dB (more is better)", size=8.5, color=_INK)
    axes.legend(fontsize=7.5, loc="upper right", framealpha=0.9, bbox_to_anchor=(1.0, 1.3), ncols=2)
    _plain(axes)


def _draw_usage(axes: Axes, audit: Audit) -> None:
    shares = audit.pictures.shares
    order = np.argsort(shares)[::-1]
    _heading(
        axes,
        "Usage",
        f"as varied as {audit.values['effective_classes']:.1f} classes of equal area, of K = {audit.classes}",
    )
    axes.bar(range(len(order)), 100 * shares[order], width=0.85, color=class_colours()[order + 1, :3])
    axes.axhline(100 / len(order), color=_FAINT, linewidth=0.9, linestyle="--")
    axes.set_xlim(-0.8, len(order) - 0.2)
    axes.set_xlabel("classes, largest first (dashed: equal areas)", size=8.5, color=_INK)
    axes.set_ylabel("area (%)", size=8.5, color=_INK)
    axes.set_xticks([])
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_crops(axes: list[Axes], audit: Audit, pixel_size: tuple[float, float] | None) -> None:
    pictures = audit.pictures
    (z, y, x), (down, right), size = pictures.example, pictures.shift, audit.crop
    _show(axes[0], pictures.image, cmap="gray", vmin=-2.5, vmax=2.5)
    _heading(axes[0], "A crop", f"{size} × {size} px at z {z}, y {y}, x {x}")
    draw_scale_bar(axes[0], pixel_size)
    _show(axes[1], _coloured(pictures.here))
    _heading(axes[1], "Its classes", f"{len(np.unique(pictures.here))} in this crop")
    _show(axes[2], _coloured(pictures.there))
    both = pictures.there > 0
    same = float((pictures.here[both] == pictures.there[both]).mean()) if both.any() else 0.0
    _heading(axes[2], "Same pixels, crop moved", f"by {down}, {right} px (y, x): {same:.0%} keep their class")
    blanks = (("Constant grey", pictures.constant), ("White noise", pictures.noise))
    for one, (name, classes) in zip(axes[3:], blanks, strict=True):
        if classes is None:
            one.set_axis_off()
            _heading(one, name, "not measured")
            continue
        _show(one, _coloured(classes))
        count = len(np.unique(classes))
        _heading(one, name, f"{count} {'class' if count == 1 else 'classes'}; no bands or grid should show")


def _show(axes: Axes, picture: NDArray[Any], **options: Any) -> Any:
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(picture, interpolation="nearest", **options)


def _coloured(classes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the colours of classes + 1; 0, where a crop does not reach, is light grey."""
    colours = class_colours()[:, :3].copy()
    colours[0] = 0.9
    picture: NDArray[np.float64] = colours[classes]
    return picture


def _draw_places(figure: Figure, cells: Any, audit: Audit) -> None:
    pictures = audit.pictures
    order = np.argsort(pictures.shares)[::-1][:_BY_PLACE]
    picture = None
    for column in range(_BY_PLACE):
        axes = figure.add_subplot(cells[column])
        if column >= len(order) or pictures.shares[order[column]] == 0:
            axes.set_axis_off()
            continue
        k = int(order[column])
        picture = _show(axes, pictures.by_place[k], cmap="RdBu_r", vmin=0, vmax=2)
        axes.set_xlabel(f"class {k + 1}: {pictures.shares[k]:.1%}", size=8.5, color=_INK)
        if column == 0:
            _heading(
                axes,
                "Which class at which place of the crop, over all crops",
                "frequency there, relative to the class's own: white where the place says nothing; "
                "bands and grids show as colours",
            )
    if picture is not None:
        axes = figure.add_subplot(cells[_BY_PLACE])
        axes.set_axis_off()
        bar = figure.colorbar(picture, cax=axes.inset_axes((0.05, 0.12, 0.16, 0.76)), extend="max")
        bar.set_label("relative frequency", size=8, color=_INK)
        bar.ax.tick_params(labelsize=8)


def _page(audit: Audit, figure: Figure, title: str, dpi: int) -> str:
    """Return a whole HTML page, the picture inside."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    encoded = base64.b64encode(picture.getvalue()).decode("ascii")
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>\n"
        for row in rows_of(audit)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        "<style>body{font-family:sans-serif;max-width:75em;margin:2em auto}img{width:100%}"
        "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #d0d7de}</style></head>\n<body>\n"
        f"<h1>Verdict: {html.escape(audit.verdict.word)}</h1>\n<p>{html.escape(audit.verdict.reason)}</p>\n"
        f"<p>{html.escape(audit.verdict.advice)}</p>\n<p>{html.escape(audit.where)}</p>\n"
        "<table><tr><th>figure</th><th>value</th><th>null</th><th>count</th><th>meaning</th></tr>\n"
        f'{cells}</table>\n<img alt="The page of the audit" src="data:image/png;base64,{encoded}">\n'
        "</body></html>\n"
    )
