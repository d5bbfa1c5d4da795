"""The networks: an encoder of images, the predictor that only the training has, a decoder."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EDGE = 28
"""Edge of the images that the networks see, px; others are resized."""
_FRAME = 4
HIDDEN = 512
"""Width of the perceptrons."""


def resized(images: Tensor) -> Tensor:
    """Return images (B, 1, Y, X) at 28 × 28 px, the networks' size, by linear interpolation.

    Small ones, up to 20 px, are brought to 20 × 20 px in a black frame of 4 px as MNIST's are: their strokes
    reach the edge, where a shift would cut them.
    """
    if images.shape[-2:] == (EDGE, EDGE):
        return images
    frame = _FRAME if max(images.shape[-2:]) <= EDGE - 2 * _FRAME else 0
    size = (EDGE - 2 * frame,) * 2
    inner = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
    return F.pad(inner, (frame,) * 4)


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class DigitEncoder(nn.Module):
    """Four convolutions, the mean over each quarter, two linear layers; (B, 1, 28, 28) to (B, D).

    Parameters
    ----------
    width : int
        Channels of the first convolution; the others have 2, 4 and 4 times as many.
    dimensions : int
        D.
    """

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _block(1, width, 5, 2),  # (B, W, 14, 14)
            _block(width, 2 * width, 3, 2),  # (B, 2W, 7, 7)
            _block(2 * width, 4 * width, 3, 1),  # (B, 4W, 7, 7)
            _block(4 * width, 4 * width, 3, 2),  # (B, 4W, 4, 4)
            nn.AvgPool2d(2),  # (B, 4W, 2, 2)
            nn.Flatten(),
        )
        self.embed = nn.Sequential(
            head(16 * width, HIDDEN, dimensions, bias=False), nn.BatchNorm1d(dimensions)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the embeddings of images."""
        maps = self.layers(images.contiguous(memory_format=torch.channels_last))
        return self.embed(maps)  # type: ignore[no-any-return]


def head(inputs: int, hidden: int, outputs: int, bias: bool = True) -> nn.Sequential:
    """Return a perceptron with batch normalisation inside, as BYOL's projector and predictor."""
    return nn.Sequential(
        nn.Linear(inputs, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, outputs, bias=bias),
    )


class Average(nn.Module):
    """The target: an exponential moving average of a network, without gradient.

    Its batch normalisation uses the batch as the network's own does, and its running statistics are the
    network's.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module, decay: float) -> None:
        """Set ``target <- decay * target + (1 - decay) * network``."""
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - decay)
        for own, new in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(new)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return what the averaged network makes of images."""
        return self.network(images)  # type: ignore[no-any-return]


class DigitDecoder(nn.Module):
    """Draws images from embeddings: (B, D) to (B, 1, 28, 28), grey values in [0, 1]."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self._width = width
        self.first = nn.Sequential(
            nn.Linear(inputs, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, 2 * width * 49, bias=False),
            nn.BatchNorm1d(2 * width * 49),
            nn.ReLU(inplace=True),
        )
        last = nn.ConvTranspose2d(width, 1, 4, 2, 1)  # (B, 1, 28, 28)
        nn.init.constant_(last.bias, -2.0)  # type: ignore[arg-type]  # as dark as digits are in the mean
        self.second = nn.Sequential(
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),  # (B, W, 14, 14)
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            last,
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the images of embeddings."""
        maps = self.first(embeddings).unflatten(1, (2 * self._width, 7, 7))
        return torch.sigmoid(self.second(maps))


def decayed(networks: Iterator[nn.Module], decay: float) -> list[dict[str, object]]:
    """Return groups for an optimiser: weights decay, biases and normalisations do not."""
    parameters = [p for network in networks for p in network.parameters()]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
