"""The probe as an encoder: features of each pixel, and a fitted classifier in the place of the head."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_dense_ssl.model import pretrained
from napari_dense_ssl.model.filter_bank import filter_bank
from napari_dense_ssl.predict.classifier import AnyClassifier
from napari_dense_ssl.predict.predictor import Encoder
from napari_dense_ssl.predict.probe_settings import ProbeSettings

_SIGMAS = (1.0, 2.0, 4.0, 8.0)
_FILTERS_A_SCALE = 4
_FILTER_RADIUS = 26
"""How far, px, the filter bank looks: three times the largest sigma and two differences."""


class ProbeEncoder:
    """Gives the features that the probe is fitted on, and its logits once :attr:`classifier` is set.

    As an :class:`~napari_dense_ssl.predict.predictor.Encoder` it is tiled, averaged over views and written to
    disk by the same code as a class map.

    Parameters
    ----------
    encoder : Encoder
        Of a run; its own head is not used.
    settings : ProbeSettings
    classes : int
        C, the number of scribbled classes.
    """

    def __init__(self, encoder: Encoder, settings: ProbeSettings, classes: int) -> None:
        self._encoder = encoder
        self._with_embedding = "embedding" in settings.told
        self._with_filters = "filters" in settings.told
        self._with_pretrained = "pretrained" in settings.told
        self.classes = classes
        self.classifier: AnyClassifier | None = None
        self.slices = encoder.slices
        own = (encoder.feature_channels if self._with_embedding else 0) + (
            _FILTERS_A_SCALE * len(_SIGMAS) if self._with_filters else 0
        )
        self.feature_channels = own + (pretrained.CHANNELS if self._with_pretrained else 0)
        self.groups = tuple(
            part for part in (slice(0, own), slice(own, self.feature_channels)) if part.start < part.stop
        )
        """Channels that have a classifier each: embedding and filters; pretrained features."""

    @property
    def network(self) -> Encoder:
        """What gives the embedding; may be replaced by one that was refined."""
        return self._encoder

    @network.setter
    def network(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def multiple(self) -> int:
        """Total stride, px."""
        own = self._encoder.multiple
        return math.lcm(own, pretrained.MULTIPLE) if self._with_pretrained else own

    @property
    def default_halo(self) -> int:
        """Halo beyond which the result hardly changes, px."""
        reach = max(
            self._encoder.default_halo if self._with_embedding else 0,
            _FILTER_RADIUS if self._with_filters else 0,
            pretrained.HALO if self._with_pretrained else 0,
        )
        return -(-reach // self.multiple) * self.multiple

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, C, Y, X) and features (B, D, Y, X) of images (B, S, Y, X), S slices.

        Without a classifier the logits are 0.
        """
        maps: list[Tensor] = []
        if self._with_embedding:
            maps.append(self._encoder(images)[1].float())
        middle = images[:, images.shape[1] // 2, None]
        borrowed = [pretrained.pretrained_features(images.device)(middle)] if self._with_pretrained else []
        # Differences of neighbouring grey values, and of large logits, need all their bits.
        with torch.autocast(images.device.type, enabled=False):
            if self._with_filters:
                maps.append(filter_bank(middle.float(), _SIGMAS))
            features = torch.cat([*maps, *borrowed], dim=1)
            if self.classifier is None:
                batch, _, height, width = features.shape
                return features.new_zeros((batch, self.classes, height, width)), features
            return self.classifier.maps(features), features
