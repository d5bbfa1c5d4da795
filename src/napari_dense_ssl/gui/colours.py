"""Colours of classes: as far apart as they can be, none of them the background's."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

CLASSES = 254
"""As many classes as fit into a class map beside 0, 'not predicted'."""


@cache
def palette() -> tuple[tuple[float, float, float, float], ...]:
    """Return an RGBA colour for each class, Glasbey's order; near-white and near-black ones come last."""
    import cmap  # left until a map is shown, as docks open at once

    colours = [tuple(float(c) for c in colour) for colour in cmap.Colormap("glasbey").color_stops.color_array]
    grey = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b, _ in colours]
    order = sorted(range(len(colours)), key=lambda i: (not 0.12 < grey[i] < 0.93, i))
    return tuple((r, g, b, 1.0) for r, g, b, _ in (colours[i] for i in order[:CLASSES]))


def class_colormap() -> DirectLabelColormap:
    """Return the colours of a Labels layer of classes: label = class + 1, 0 transparent."""
    colours: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
    colours |= {label: np.asarray(colour) for label, colour in enumerate(palette(), start=1)}
    return DirectLabelColormap(color_dict=colours)
