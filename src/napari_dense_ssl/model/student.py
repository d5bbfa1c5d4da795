"""The student: encoder and slice predictor behind one ``forward``, as DDP and precision wrappers need."""

from __future__ import annotations

from torch import Tensor, nn

from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.model.settings import EncoderSettings
from napari_dense_ssl.model.slice_predictor import SlicePredictor


class Student(nn.Module):
    """All that is trained.

    Parameters
    ----------
    settings : EncoderSettings
        Of the encoder.
    classes : int
        K.
    context : int
        Context slices on either side; 0 builds no slice predictor.
    """

    def __init__(self, settings: EncoderSettings, classes: int, context: int = 0) -> None:
        super().__init__()
        self.encoder = DenseEncoder(settings, classes)
        self.predictor = SlicePredictor(settings.features, 2 * context, settings.padding) if context else None

    def forward(
        self, images: Tensor, neighbours: Tensor | None = None, phase: tuple[int, int] | None = None
    ) -> Tensor:
        """Return logits of seen images, or of the hidden slice between neighbours.

        Parameters
        ----------
        images : Tensor, shape (B, C, Y, X)
            The slices themselves; not looked at where neighbours are given.
        neighbours : Tensor, shape (B, N, Y, X), optional
            The slices around a hidden one.
        phase : tuple of int, optional
            Compute logits only at every second pixel along Y and X, from this pixel on.

        Returns
        -------
        Tensor, shape (B, K, Y, X) or (B, K, Y / 2, X / 2)
        """
        if neighbours is None:
            features = self.encoder.features(images, phase)
        elif self.predictor is None:
            raise ValueError("neighbours were given to a student that was built without context slices")
        else:
            b, n, y, x = neighbours.shape
            pyramid = self.encoder.pyramid(neighbours.reshape(b * n, 1, y, x))  # (B N, D, Y/2, X/2)
            pyramid = self.predictor(pyramid.reshape(b, n, *pyramid.shape[1:]))  # -> (B, D, Y/2, X/2)
            features = self.encoder.embed(pyramid, phase=phase)
        logits: Tensor = self.encoder.head(features)
        return logits
