"""Pictures and animations of a run: landscape, data, samples and score, and the embedding beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.playground.frames import Film, Frame, colour_limits

_CLASS_COLOURS = ("#4e9ae8", "#e8833a", "#3fae5a", "#d1495b", "#9b6ddb", "#8c8c8c")
ANIMATIONS = (".gif", ".mp4")
"""What :func:`write_animation` writes."""


def class_colours(labels: np.ndarray[Any, Any]) -> list[str]:
    """Return a colour a point."""
    return [_CLASS_COLOURS[label % len(_CLASS_COLOURS)] for label in labels]


def draw_frame(film: Film, frame: Frame, *, dots: int = 110) -> Figure:
    """Draw a frame.

    Parameters
    ----------
    film : Film
    frame : Frame
        One of its frames.
    dots : int
        An inch; the picture is 7.2 by 3.7 inches, 4.1 wide where there is no embedding.
    """
    flat = frame.embedding is not None and frame.embedding.shape[1] >= 2
    figure = Figure(figsize=(7.2 if flat else 4.1, 3.7), dpi=dots, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, 2 if flat else 1, width_ratios=(1.12, 1) if flat else None)
    _draw_landscape(film, frame, figure, figure.add_subplot(grid[0, 0]))
    if flat:
        _draw_embedding(film, frame, figure.add_subplot(grid[0, 1]))
    figure.suptitle(f"{film.scene.method} on {film.scene.data}: {frame.caption}", fontsize=9)
    return figure


def _draw_landscape(film: Film, frame: Frame, figure: Figure, axes: Axes) -> None:
    scene = film.scene
    x, y = scene.axis
    low, high = colour_limits(frame.landscape)
    extent = (float(x[0]), float(x[-1]), float(y[0]), float(y[-1]))
    shown = axes.imshow(
        frame.landscape,
        origin="lower",
        extent=extent,
        cmap="magma",
        vmin=low,
        vmax=high,
        interpolation="bilinear",
    )
    bar = figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.set_label("energy", fontsize=7)
    bar.ax.tick_params(labelsize=6)
    axes.scatter(
        scene.points[:, 0], scene.points[:, 1], s=1.5, c="white", alpha=0.5, linewidths=0, label="data"
    )
    if len(frame.walkers):
        axes.scatter(
            frame.walkers[:, 0], frame.walkers[:, 1], s=5, c="#43d9bd", linewidths=0, label="Langevin"
        )
    length = np.linalg.norm(frame.arrows, axis=1, keepdims=True)
    longest = np.quantile(length, 0.9) if length.size else 0.0
    if longest > 0:  # the longest are cut, so that those among the data are seen
        arrows = frame.arrows * np.minimum(1, longest / np.maximum(length, 1e-12))
        gap = float(x[-1] - x[0]) / np.sqrt(len(arrows))
        axes.quiver(
            *scene.arrow_places.T,
            *(arrows * 0.9 * gap / longest).T,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.003,
            color="#bbbbbb",
        )
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.tick_params(labelsize=6)
    axes.legend(
        fontsize=6, loc="lower left", facecolor="#222222", labelcolor="white", framealpha=0.8, markerscale=2
    )


def _draw_embedding(film: Film, frame: Frame, axes: Axes) -> None:
    assert frame.embedding is not None
    x, y = frame.embedding.T[:2]
    axes.scatter(x, y, s=4, c=class_colours(film.scene.labels), linewidths=0)
    axes.set_title(
        "embedding" if frame.embedding.shape[1] == 2 else "embedding (first two of three)", fontsize=8
    )
    reach = max(1.05, float(np.abs(frame.embedding).max()) * 1.05)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.tick_params(labelsize=6)


def write_picture(film: Film, path: Path, index: int = -1) -> None:
    """Draw a frame into a PNG (or whatever matplotlib knows by the suffix).

    Raises
    ------
    OutputError
        If there are no frames, or the suffix is unknown.
    """
    if not film.frames:
        raise OutputError("There is no picture yet; wait for the first one, or run the method.")
    try:
        draw_frame(film, film.frames[index], dots=150).savefig(path)
    except ValueError as error:
        raise OutputError(
            f"{path.name} cannot be drawn: {error}; choose a name that ends in .png."
        ) from error


def write_animation(film: Film, path: Path, *, rate: float = 8.0, dots: int = 80) -> Iterator[int]:
    """Draw all frames into a GIF or MP4, yielding how many are drawn; the file is there at the end.

    Parameters
    ----------
    film : Film
    path : Path
        ``.gif``, or ``.mp4`` where imageio-ffmpeg is installed.
    rate : float
        Frames a second.
    dots : int
        An inch.

    Raises
    ------
    OutputError
        If there are no frames, or the suffix or what it needs is missing.
    """
    check_animation(path)
    if not film.frames:
        raise OutputError("There are no pictures yet; run the method first.")
    return _animate(film, path, rate, dots)


def check_animation(path: Path) -> None:
    """See whether :func:`write_animation` can write such a file.

    Raises
    ------
    OutputError
        If not.
    """
    if path.suffix not in ANIMATIONS:
        raise OutputError(
            f"{path.name} is no animation; choose a name that ends in {' or '.join(ANIMATIONS)}."
        )
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise OutputError(
            'MP4 needs imageio-ffmpeg: pip install "imageio[ffmpeg]"; or choose a name that ends in .gif.'
        )


def _animate(film: Film, path: Path, rate: float, dots: int) -> Iterator[int]:
    pictures = []
    for count, frame in enumerate(film.frames, start=1):
        canvas = draw_frame(film, frame, dots=dots).canvas
        assert isinstance(canvas, FigureCanvasAgg)
        canvas.draw()  # type: ignore[no-untyped-call]
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())  # type: ignore[no-untyped-call]
        yield count
    even = [picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2] for picture in pictures]
    if path.suffix == ".gif":
        # Dithering would make the file several times as large.
        few = [Image.fromarray(picture).quantize(128, dither=Image.Dither.NONE) for picture in even]
        few[0].save(path, save_all=True, append_images=few[1:], duration=1000 / rate, loop=0)
    else:
        iio.imwrite(path, np.stack(even), fps=rate)
