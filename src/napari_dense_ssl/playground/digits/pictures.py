"""Pictures of a run: the embedding's first two axes, the reconstructions, the losses."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter1d

from napari_dense_ssl.playground.digits.views import DigitsResult, Triplets

DIGIT_COLOURS = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
    "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
)  # fmt: skip
"""A colour a digit, told apart on black and on white (matplotlib's tab10)."""

_INK, _NOTE = "#1f2328", "#57606a"


def pca_figure(result: DigitsResult) -> Figure:
    """Draw test images where their embeddings lie, coloured by digit, with the figures."""
    figure, axes = _page((7.5, 6.6))
    view = result.view
    for label in np.unique(view.labels):
        mine = view.points[view.labels == label]
        axes.scatter(
            mine[:, 0],
            mine[:, 1],
            s=7,
            linewidths=0,
            alpha=0.7,
            color=DIGIT_COLOURS[label % 10],
            label=str(label),
        )
    axes.legend(title="digit", markerscale=2.5, fontsize=8.5, title_fontsize=8.5, framealpha=0.9)
    axes.set_xlabel("first principal axis of the embedding", size=9)
    axes.set_ylabel("second principal axis", size=9)
    axes.tick_params(labelsize=8)
    axes.set_title(
        "Embedding, learned without labels", loc="left", size=12, weight="bold", color=_INK, pad=34
    )
    note = (
        f"k-NN (k = 5) {result.knn.sentence}\n"
        f"pixels as they are: {result.raw_knn.accuracy:.4f} · effective rank {result.effective_rank:.1f} of "
        f"{_dimensions(result)}"
    )
    axes.text(0, 1.015, note, transform=axes.transAxes, size=8.5, color=_NOTE, va="bottom")
    figure.subplots_adjust(left=0.1, right=0.97, top=0.87, bottom=0.085)
    return figure


def triplets_figure(result: DigitsResult) -> Figure:
    """Draw original | perturbed | reconstructed, a row each."""
    rows = result.view.triplets.rows
    height, width = triplets_picture(result.view.triplets).shape
    figure, axes = _page((10, 10 * height / width + 0.9))
    axes.imshow(triplets_picture(result.view.triplets), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    edge = height / len(rows)
    axes.set_yticks([edge * (index + 0.5) for index in range(len(rows))], [name for name, _ in rows], size=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(
        "Test digits, perturbed and drawn again", loc="left", size=12, weight="bold", color=_INK, pad=20
    )
    note = (
        f"mean squared error {result.mse:.4f} over all test images; of drawing the mean image "
        f"{result.mean_mse:.4f} (grey range 1)"
    )
    axes.text(0, 1.02, note, transform=axes.transAxes, size=8.5, color=_NOTE, va="bottom")
    top = 1 - 0.62 / figure.get_figheight()
    figure.subplots_adjust(left=0.1, right=0.99, top=top, bottom=0.03)
    return figure


def triplets_picture(triplets: Triplets, gap: int = 2) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return one picture: a row for each of original, perturbed and (where there is one) reconstructed.

    Parameters
    ----------
    triplets : Triplets
    gap : int
        Grey pixels around each image.
    """
    rows = []
    for _, images in triplets.rows:
        framed = np.pad(images, ((0, 0), (gap, gap), (gap, gap)), constant_values=0.35)  # (N, Y + 2g, X + 2g)
        rows.append(np.hstack(list(framed)))
    return np.vstack(rows).astype(np.float32)


def loss_figure(result: DigitsResult) -> Figure:
    """Draw the losses of both phases over steps; thin as measured, thick their running mean."""
    figure = Figure(figsize=(9, 3.8), facecolor="white")
    FigureCanvasAgg(figure)
    names = {"cosine_loss": "1 - cosine similarity (0 to 2)", "mse": "mean squared error (grey range 1)"}
    titles = {"cosine_loss": "Phase 1: encoder", "mse": "Phase 2: decoder"}
    for index, (name, label) in enumerate(names.items()):
        axes = figure.add_subplot(1, 2, index + 1)
        steps, values = np.array(result.losses[name], float).reshape(-1, 2).T
        axes.plot(steps, values, color="#4e9ae8", alpha=0.3, linewidth=0.8)
        if len(values):
            smooth = uniform_filter1d(values, max(1, len(values) // 40), mode="nearest")
            axes.plot(steps, smooth, color="#0b5cad", linewidth=1.8)
        axes.set_xlabel("step", size=9)
        axes.set_ylabel(label, size=9)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=8)
        axes.grid(color="#d0d7de", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(titles[name], loc="left", size=11, weight="bold", color=_INK)
    figure.subplots_adjust(left=0.08, right=0.98, top=0.9, bottom=0.14, wspace=0.25)
    return figure


def _page(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, facecolor="white")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _dimensions(result: DigitsResult) -> int:
    return int(result.facts["settings"]["dimensions"]) if "settings" in result.facts else 0
