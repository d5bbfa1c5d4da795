"""Colours of classes, the same in the window, in reports and in pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


@cache
def class_colours() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the RGBA colour of each label, shape (256, 4), in [0, 1]; row 0, 'not predicted', is clear.

    Glasbey's order, each as far from those before it as can be (Glasbey et al., "Colour displays for
    categorical images", Color Research & Application 2007), nearly white and nearly black ones last.
    """
    import cmap  # left until a map is shown, as docks open at once

    colours = np.asarray([tuple(c) for c in cmap.Colormap("glasbey").color_stops.color_array], dtype=float)
    grey = colours[:, :3] @ (0.2126, 0.7152, 0.0722)
    extreme = (grey <= 0.12) | (grey >= 0.93)
    table = np.zeros((256, 4))
    table[1:, :3] = colours[np.argsort(extreme, kind="stable")][:255, :3]
    table[1:, 3] = 1.0
    table.flags.writeable = False  # shared by all callers
    return table
