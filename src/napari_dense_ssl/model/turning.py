"""The eight symmetries of a square, applied to maps on a device."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_dense_ssl.core.geometry import Symmetry


def turned(maps: Tensor, symmetry: Symmetry) -> Tensor:
    """Apply a symmetry to the last two axes, as :meth:`Symmetry.apply` does to arrays."""
    flipped = maps.flip(-1) if symmetry.flip else maps
    return torch.rot90(flipped, symmetry.turns, (-2, -1)) if symmetry.turns % 4 else flipped
