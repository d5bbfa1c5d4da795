"""What pixels are clustered by."""

from __future__ import annotations

import pytest
import torch
from tests.engine.conftest import small_settings
from torch import Tensor

from napari_dense_ssl.core.beating import finished
from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.engine.clustered_pixels import ClusteredPixels
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.processes import Processes
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.sampling.crops import CropSampler


def no_sampler(seed: int) -> CropSampler:
    raise AssertionError("features of given windows draw none")


@pytest.mark.parametrize(("views", "turning_with"), [(None, 8), (8, 8), (4, 4), (2, 2), (1, 1)])
def test_what_was_learned_turns_with_the_image_under_the_views_it_is_averaged_over(
    views: int | None, turning_with: int
) -> None:
    """They are groups: a mean over one turns with its members, and an untrained network with no others."""
    settings = small_settings()
    networks = Networks(settings, Processes(settings))
    pixels = ClusteredPixels(settings, networks, no_sampler)
    teacher = networks.averaged_encoder.eval()

    def learned(stack: Tensor) -> Tensor:
        features: Tensor = finished(pixels.features(stack, teacher, views))
        assert features.shape[-2:] == stack.shape[-2:]
        return features[:, : settings.encoder.features]

    stack = torch.rand(2, 1, 32, 48, generator=torch.Generator().manual_seed(0))
    plain = learned(stack)
    away = [
        float((turned(learned(turned(stack, symmetry)), symmetry.inverse) - plain).abs().max() / plain.std())
        for symmetry in Symmetry.all()
    ]
    assert sum(distance < 1e-4 for distance in away) == turning_with
    assert sum(distance > 0.1 for distance in away) == 8 - turning_with
