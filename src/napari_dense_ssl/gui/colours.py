"""Colours of classes as napari wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_dense_ssl.core.colours import class_colours


def class_colormap() -> DirectLabelColormap:
    """Return the colours of a Labels layer of classes: label = class + 1, 0 transparent."""
    colours: dict[int | None, Any] = {None: np.zeros(4)}
    colours |= dict(enumerate(class_colours()))
    return DirectLabelColormap(color_dict=colours)
