"""Predicting the middle slice's classes from those of its neighbours, as the first experiments did."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from napari_dense_ssl.model.batch_norm import BatchNorm
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.model.settings import EncoderSettings


class ClassPredictor(nn.Sequential):
    """Three dilated 3 x 3 convolutions (1, 2, 4 px) on the joined class probabilities, and a softmax.

    Parameters
    ----------
    classes : int
        K.
    neighbours : int
        How many slices are joined.
    width : int
        Channels of the hidden layers.
    padding : {"reflect", "zeros"}
        As the encoder's.
    """

    def __init__(
        self, classes: int, neighbours: int, width: int, padding: Literal["reflect", "zeros"]
    ) -> None:
        layers: list[nn.Module] = []
        channels = neighbours * classes
        for dilation in (1, 2, 4):
            layers += [
                nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation, padding_mode=padding),
                BatchNorm(width),
                nn.ReLU(),
            ]
            channels = width
        super().__init__(*layers, nn.Conv2d(width, classes, 1), nn.Softmax(dim=1))


class CrossSliceStudent(nn.Module):
    """Encoder and class predictor behind one ``forward``.

    Parameters
    ----------
    settings : EncoderSettings
        Of the encoder.
    classes : int
        K.
    width : int
        Channels of the predictor.
    """

    neighbours = 4

    def __init__(self, settings: EncoderSettings, classes: int, width: int) -> None:
        super().__init__()
        self.encoder = DenseEncoder(settings, classes)
        self.predictor = ClassPredictor(classes, self.neighbours, width, settings.padding)

    def forward(self, context: Tensor, others: Tensor, train_context: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Encode the context and other images, and predict the slices between.

        Parameters
        ----------
        context : Tensor, shape (B, 4, Y, X)
            Two slices before and two after each hidden one.
        others : Tensor, shape (M, 1, Y, X)
            Images to be encoded besides; M may be 0.
        train_context : bool
            Whether the prediction's gradient goes into the encoder.

        Returns
        -------
        context : Tensor, shape (B, 4, K, Y, X)
            Probabilities.
        others : Tensor, shape (M, K, Y, X)
        predicted : Tensor, shape (B, K, Y, X)
        """
        b, n, y, x = context.shape
        images = torch.cat([context.reshape(b * n, 1, y, x), others])
        # In float32: entropies of half-precision probabilities are worth nothing.
        encoded = self.encoder(images).logits.float().softmax(dim=1)
        stacks = encoded[: b * n].reshape(b, n, *encoded.shape[1:])
        seen = stacks if train_context else stacks.detach()
        return stacks, encoded[b * n :], self.predictor(seen.flatten(1, 2)).float()
