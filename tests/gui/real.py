"""A real training so small that it takes seconds, set through the dock's own fields."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage


def structured_stack(shape: tuple[int, int, int] = (6, 96, 128)) -> np.ndarray[Any, Any]:
    """Smooth blobs: something to learn."""
    noise = np.random.default_rng(0).normal(size=shape)
    return (128 + 300 * ndimage.gaussian_filter(noise, (0.5, 3, 3))).clip(0, 255).astype(np.uint8)


def make_small(dock: Any, steps: int) -> None:
    """Set the Train dock to a network of two stages and crops of 32 px."""
    dock.classes.setValue(6)
    dock.budget.set_values(None, steps)
    dock.device.addItem("cpu", "cpu")
    dock.device.setCurrentIndex(dock.device.findData("cpu"))
    dock.advanced.expand(animate=False)
    editors = dock.form.editors
    editors["threads"].set_value(1)
    editors["preview_seconds"].set_value(0.2)
    for group, values in {
        "encoder": {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4},
        "sampler": {"crop": 32, "view_shift": 16, "block": 64, "batch": 4, "pool": 4, "reuse": 4},
        "objective": {"codebook_pixels": 2000, "mask_size": 8},
    }.items():
        for name, value in values.items():
            editors[group].editors[name].set_value(value)
