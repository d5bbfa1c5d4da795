"""The table of medians and the class maps side by side."""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.geometry import Box
from volumes import Case

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURES = ("mi_frac", "miou", "ami", "probe_20", "probe_200", "leak", "content")
EDGE = 384


def medians(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """By method: the median of each figure over seeds, the verdicts, the number of seeds."""
    table: dict[str, dict[str, str]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        table[method] = {"seeds": str(len(mine))}
        for name in FIGURES:
            values = [float(row[name]) for row in mine if row[name]]
            table[method][name] = f"{statistics.median(values):.3f}" if values else ""
        steps = [int(row["steps"]) for row in mine if row["steps"]]
        table[method]["steps"] = f"{statistics.median(steps):.0f}" if steps else ""
        table[method]["verdict"] = ", ".join(dict.fromkeys(row["verdict"] for row in mine if row["verdict"]))
    return table


def write_table(path: Path, volume: str, rows: list[dict[str, str]]) -> None:
    """Write a Markdown table, a line a method."""
    table = medians(rows)
    columns = [
        name for name in ("steps", *FIGURES, "verdict", "seeds") if any(one[name] for one in table.values())
    ]
    lines = [f"| {volume} | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    for method, figures in table.items():
        lines.append(f"| {method} | " + " | ".join(figures[name] for name in columns) + " |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def draw_maps(path: Path, case: Case, rows: list[dict[str, str]], maps: Path) -> None:
    """Draw image, truth and each method's map (first score slice, first seed), its verdict underneath."""
    z = case.score.start
    image = case.volume.read(Box.whole(case.volume.shape).plane(z))[0]
    shown: list[tuple[str, np.ndarray]] = [("image", image), ("truth", case.truth[z])]
    for row in {row["method"]: row for row in reversed(rows)}.values():
        file = maps / f"{row['hash']}.npy"
        if file.exists():
            figures = [f"{k} {float(row[k]):.3f}" for k in ("mi_frac", "probe_200") if row[k]]
            text = "\n".join(filter(None, [row["method"], ", ".join(figures), row["verdict"]]))
            shown.append((text, np.load(file)))
    shown[2:] = reversed(shown[2:])
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3 * columns, 3.45 * lines), squeeze=False)
    colours = ListedColormap(class_colours())
    for axis in axes.flat:
        axis.axis("off")
    for axis, (text, plane) in zip(axes.flat, shown, strict=False):
        cut = plane[:EDGE, :EDGE]
        if text == "image":
            axis.imshow(cut, cmap="gray")
        else:
            axis.imshow(cut, cmap=colours, vmin=0, vmax=len(colours.colors) - 1, interpolation="nearest")
        axis.text(0.5, -0.03, text, transform=axis.transAxes, ha="center", va="top", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight")  # captions hang below the last row
    plt.close(figure)
