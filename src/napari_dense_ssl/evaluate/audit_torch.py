"""A trained encoder as the audit sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dense_ssl.model import DenseEncoder, Device


class TorchEncode:
    """Class probabilities of a network on its device.

    Parameters
    ----------
    encoder : DenseEncoder
        On the device; put into evaluation mode at each call.
    device : Device
        Where and how precisely.
    """

    def __init__(self, encoder: DenseEncoder, device: Device) -> None:
        self._encoder, self._device = encoder, device

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the softmax (B, K, Y, X), float32, of normalised images (B, C, Y, X)."""
        self._encoder.eval()
        with torch.inference_mode(), self._device.autocast():
            batch = self._device.to_device(torch.from_numpy(images))
            logits = self._encoder(batch.contiguous(memory_format=torch.channels_last)).logits
            # Classes last in memory, as the encoder leaves them: the softmax runs along neighbours.
            shares = logits.float().movedim(1, -1).softmax(-1).movedim(-1, 1)
        found: NDArray[Any] = shares.cpu().numpy()
        return found
