"""Predicting the middle slice from its neighbours: the seed's pretext, used as one of the masks."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F


class SlicePredictor(nn.Module):
    """The middle slice's feature pyramid from those of its four neighbours (two before, two after).

    Three dilated 3 x 3 convolutions (1, 2, 4 pixels of the pyramid), as in the experiments that the
    project grew from, on features in place of class probabilities.

    Parameters
    ----------
    features : int
        D, channels of the pyramid.
    neighbours : int
        How many context slices there are.
    padding : {"reflect", "zeros"}
        As the encoder's.
    """

    def __init__(
        self, features: int, neighbours: int = 4, padding: Literal["reflect", "zeros"] = "reflect"
    ) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.join = nn.Conv2d(neighbours * features, features, 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(features, features, 3, padding=d, dilation=d, padding_mode=padding) for d in (1, 2, 4)
        )

    def forward(self, context: Tensor) -> Tensor:
        """Predict the pyramid of the hidden slice.

        Parameters
        ----------
        context : Tensor, shape (B, N, D, Y, X)
            Pyramids of the neighbours, in order of z.

        Returns
        -------
        Tensor, shape (B, D, Y, X)
        """
        hidden: Tensor = self.join(context.flatten(1, 2))  # (B, N D, Y, X) -> (B, D, Y, X)
        for layer in self.layers:
            hidden = hidden + layer(F.gelu(hidden))
        return hidden
