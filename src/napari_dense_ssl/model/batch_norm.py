"""Batch normalisation whose batch may lie on several processes, on any device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """Normalises by the statistics of the batch, always (Ioffe & Szegedy, ICML 2015).

    torch's own ``SyncBatchNorm`` knows CUDA only.

    Parameters
    ----------
    channels : int
        Of the maps.

    Attributes
    ----------
    summed : callable or None
        Sums a tensor over all processes that share the batch, with its gradient; None for a process alone.
    """

    def __init__(self, channels: int) -> None:
        # Never in evaluation mode: running statistics would be kept for nothing.
        super().__init__(channels, track_running_stats=False)
        self.summed: Callable[[Tensor], Tensor] | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Return maps (B, C, Y, X) of mean 0 and variance 1, scaled and moved as was learned."""
        if self.summed is None:
            return super().forward(images)
        values = images.float()
        own = torch.tensor(values.numel() / values.shape[1], device=values.device, dtype=torch.float64)
        count = self.summed(own).float()
        centre = self.summed(values.sum((0, 2, 3), keepdim=True)) / count
        deviation = values - centre
        variance = self.summed(deviation.square().sum((0, 2, 3), keepdim=True)) / count
        scale = self.weight[:, None, None] * torch.rsqrt(variance + self.eps)
        return (deviation * scale + self.bias[:, None, None]).to(images.dtype)
