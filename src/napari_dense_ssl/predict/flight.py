"""The maps of a tile, and their way from the device to the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.device import Device
from napari_dense_ssl.predict.views import ViewAverage
from napari_dense_ssl.predict.windows import Window


@dataclass(frozen=True, slots=True)
class PlanePart:
    """The maps of one tile.

    Attributes
    ----------
    box : Box
        The voxels covered; one slice.
    classes : ndarray, shape (Y, X), uint8
        argmax + 1, of the probabilities averaged over all views where the error was asked for.
    confidence : ndarray, shape (Y, X), float32
        The greatest of these probabilities, in (0, 1].
    error : ndarray, shape (Y, X), float32, or None
        Equivariance error in [0, 1].
    embedding : ndarray, shape (D, Y, X), float16, or None
        Features of the untouched view.
    """

    box: Box
    classes: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    error: NDArray[np.float32] | None = None
    embedding: NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class Averages:
    """Windows of equal shape and what their views give together, on the device.

    Attributes
    ----------
    group : tuple of Window
    averages : list of ViewAverage
        Probabilities and error, one for each window.
    embeddings : list of Tensor or None
        Features (D, Y, X) where they were asked for.
    """

    group: tuple[Window, ...]
    averages: list[ViewAverage]
    embeddings: list[Tensor | None]


class Flight:
    """Maps on their way from the device to the host."""

    def __init__(self, found: Averages, with_error: bool, device: Device) -> None:
        self._group = found.group
        self._maps = [_to_host(packed_maps(average, with_error)) for average in found.averages]
        self._embeddings = [None if e is None else _to_host(e) for e in found.embeddings]
        self._arrived = torch.cuda.Event() if device.kind == "cuda" else None  # type: ignore[no-untyped-call]
        if self._arrived is not None:
            self._arrived.record()

    def land(self) -> Iterator[PlanePart]:
        """Wait for the maps and yield them."""
        if self._arrived is not None:
            self._arrived.synchronize()
        for window, maps, embedding in zip(self._group, self._maps, self._embeddings, strict=True):
            arrays: NDArray[Any] = maps.numpy()
            yield PlanePart(
                window.box,
                arrays[0].astype(np.uint8),
                arrays[1],
                arrays[2] if len(arrays) == 3 else None,
                None if embedding is None else embedding.numpy(),
            )


@torch.inference_mode()
def packed_maps(average: ViewAverage, with_error: bool) -> Tensor:
    """Return classes, confidence and error as one float32 tensor (2 or 3, Y, X): one copy to the host."""
    confidence, best = average.mean().max(0)
    maps = [(best + 1).float(), confidence]
    return torch.stack([*maps, average.error()] if with_error else maps)


def _to_host(tensor: Tensor) -> Tensor:
    if tensor.device.type != "cuda":
        return tensor.cpu()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)
