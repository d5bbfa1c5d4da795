"""A student whose objective looks at chosen pixels: the encoder and what reads its features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.model.settings import EncoderSettings


class PixelStudent(nn.Module):
    """All that is trained by objectives on pixels.

    Parameters
    ----------
    settings : EncoderSettings
        Of the encoder.
    classes : int
        K.
    reader : Module, optional
        Maps features (..., D) to what the objective compares. The encoder's linear head is then left
        alone and written by others; without a reader it is the head that reads.
    """

    def __init__(self, settings: EncoderSettings, classes: int, reader: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = DenseEncoder(settings, classes)
        self.reader = reader
        if reader is not None:
            self.encoder.head.requires_grad_(False)

    def forward(self, images: Tensor, places: Tensor | None = None) -> Tensor:
        """Read the features at some places.

        Parameters
        ----------
        images : Tensor, shape (B, 1, Y, X)
        places : Tensor, shape (B, P), int64, optional
            ``y * X + x`` of the pixels; without it all of them.

        Returns
        -------
        Tensor, shape (B, P, K or what the reader gives)
        """
        features = at_places(self.encoder.features(images), places)
        if self.reader is not None:
            read: Tensor = self.reader(features)
            return read
        return F.linear(features, self.encoder.head.weight.flatten(1), self.encoder.head.bias)


def at_places(maps: Tensor, places: Tensor | None) -> Tensor:
    """Return the values (B, P, D) of maps (B, D, Y, X) at places (B, P), ``y * X + x``; None for all."""
    flat = maps.flatten(2)  # (B, D, Y, X) -> (B, D, Y X)
    if places is not None:
        flat = flat.gather(2, places[:, None].expand(-1, flat.shape[1], -1))  # -> (B, D, P)
    return flat.transpose(1, 2)


class Prototypes(nn.Module):
    """Cosines between features and K learned directions.

    Parameters
    ----------
    features, classes : int
        D and K.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(classes, features)))

    def forward(self, features: Tensor) -> Tensor:
        """Return cosines (..., K) of features (..., D)."""
        return F.linear(F.normalize(features, dim=-1), self.directions())

    def directions(self) -> Tensor:
        """Return the prototypes, each of length 1, shape (K, D)."""
        return F.normalize(self.weight, dim=-1)


def perceptron(features: int, hidden: int, out: int) -> nn.Sequential:
    """Return a network of one hidden layer on features (..., D)."""
    return nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, out))
