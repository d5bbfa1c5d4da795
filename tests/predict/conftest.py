from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_dense_ssl.model.device import Device
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.model.settings import EncoderSettings
from napari_dense_ssl.volume import Volume


class PointwiseEncoder(nn.Module):
    """Looks at one pixel at a time: exactly equivariant, and its classes are grey levels."""

    slices = 1

    def __init__(self, classes: int = 4, multiple: int = 8) -> None:
        super().__init__()
        self.classes, self.feature_channels, self.multiple, self.default_halo = classes, 3, multiple, 8
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.sizes.append(tuple(images.shape))
        levels = torch.linspace(-1.5, 1.5, self.classes).view(1, -1, 1, 1)
        return -8 * (images - levels) ** 2, torch.cat([images, images**2, -images], 1)


class PositionalEncoder(PointwiseEncoder):
    """Ignores the picture and tells the row of the window: what the audit calls a positional code."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        _, _, height, width = images.shape
        row = torch.arange(height) * self.classes // height
        logits = 20.0 * nn.functional.one_hot(row, self.classes).float().T  # (K, Y)
        logits = logits[None, :, :, None].expand(len(images), -1, -1, width)
        return logits, images.expand(-1, 3, -1, -1)


@pytest.fixture
def pointwise() -> PointwiseEncoder:
    return PointwiseEncoder()


@pytest.fixture
def positional() -> PositionalEncoder:
    return PositionalEncoder()


@pytest.fixture(scope="session")
def small_encoder() -> DenseEncoder:
    """A real encoder of three stages with weights that make it look around itself."""
    torch.manual_seed(0)
    settings = EncoderSettings(depths=(1, 1, 1), widths=(8, 12, 16), features=12, detail=4)
    encoder = DenseEncoder(settings, classes=6).eval()
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if name.endswith("gamma"):  # layer scale starts at 1e-6, which would switch the blocks off
                parameter.fill_(0.5)
            elif parameter.ndim == 4:
                parameter.mul_(2.0)
    return encoder


@pytest.fixture
def cpu() -> Device:
    return Device("cpu", "32")


def _texture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=shape), (0, 2, 2))
    return np.clip(128 + 200 * smooth, 0, 255).astype(np.uint8)


@pytest.fixture
def texture():
    return _texture


@pytest.fixture
def volume() -> Volume:
    return Volume.from_arrays([_texture((3, 90, 70))], voxel_size=(50.0, 4.6, 4.6))
