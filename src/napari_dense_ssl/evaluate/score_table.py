"""The table of scores on the report's page."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from napari_dense_ssl.evaluate.scores import Scores

_INK, _FAINT = "#22272e", "#57606a"

_ROWS = (
    # field, heading, what it says, digits, +1 more is better, -1 less is better, 0 neither
    ("mi_frac", "mi_frac", "share of the truth's information told, 0 to 1", 3, 1),
    ("ami", "AMI", "the same, adjusted for chance", 3, 1),
    ("ari", "ARI", "pairs of pixels, adjusted for chance", 3, 1),
    ("miou", "mIoU, majority", "classes named on the fit slices", 3, 1),
    ("miou_fair", "mIoU, fair", "named by over-representation", 3, 1),
    ("miou_hungarian", "mIoU, Hungarian", "one class for each label", 3, 1),
    ("accuracy", "accuracy", "share of the area", 3, 1),
    ("voi_split", "VOI split, bits", "what was cut up", 2, -1),
    ("voi_merge", "VOI merge, bits", "what was run together", 2, -1),
    ("effective_classes", "effective classes", "exp of the entropy", 1, 0),
)


def draw_score_table(axes: Axes, scores: Mapping[str, Scores], note: str = "") -> None:
    """Draw scores, a column each, the better figure of a row in bold.

    Parameters
    ----------
    axes : Axes
        Emptied of its frame.
    scores : mapping of str to Scores
        Columns by name.
    note : str
        Which slices were scored.
    """
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_title("Scores against truth", loc="left", size=11.5, weight="bold", color=_INK, pad=20)
    axes.text(0, 1.02, note, size=8.5, color=_FAINT, va="bottom")
    if not scores:
        axes.text(0.5, 0.5, "no truth given", ha="center", size=10, color="#8c959f")
        return
    step = 1 / (len(_ROWS) + 1.2)
    columns = [0.5 + 0.5 * (k + 1) / len(scores) for k in range(len(scores))]
    for x, name in zip(columns, scores, strict=True):
        axes.text(x, 1 - 0.5 * step, name, ha="right", va="center", size=9, weight="bold", color=_INK)
    axes.axhline(1 - step, color=_INK, linewidth=1)
    for row, (field, heading, meaning, digits, better) in enumerate(_ROWS):
        y = 1 - (row + 1.55) * step
        axes.text(0, y, heading, va="center", size=10, color=_INK)
        axes.text(0.22, y, meaning, va="center", size=8.5, color=_FAINT)
        values = [round(float(getattr(one, field)), digits) for one in scores.values()]
        best = max(value * better for value in values)
        for x, value in zip(columns, values, strict=True):
            leads = better != 0 and len(values) > 1 and value * better == best
            axes.text(
                x,
                y,
                f"{value:.{digits}f}",
                ha="right",
                va="center",
                size=10,
                family="monospace",
                weight="bold" if leads else "normal",
                color="#1a7f37" if leads else _INK,
            )
        axes.axhline(y - 0.55 * step, color="#d0d7de", linewidth=0.6)
