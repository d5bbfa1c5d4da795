"""The dense encoder: a ConvNeXt, a feature pyramid, a full-resolution branch, K logits a pixel."""

from __future__ import annotations

from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.model.filter_bank import filter_bank, filter_bank_3d, filter_count
from napari_dense_ssl.model.settings import EncoderSettings

_EFFECTIVE_SHARE = 0.25
"""Default halo as a share of the theoretical radius; see :attr:`DenseEncoder.default_halo`."""


class EncoderOutput(NamedTuple):
    """Output of the encoder, at the resolution of its input.

    Attributes
    ----------
    logits : Tensor, shape (B, K, Y, X)
        Before the softmax.
    features : Tensor, shape (B, D, Y, X)
        The embedding that the logits are a linear function of.
    """

    logits: Tensor
    features: Tensor


class DenseEncoder(nn.Module):
    """K class logits and a D-dimensional embedding for each pixel of a slice.

    The backbone's stem is replaced by one of stride 2 whose taps lie symmetrically about its pixels, so
    that the stages see strides 2, 4, 8, ...; a feature pyramid [1]_ joins them at stride 2, and a branch
    of two 3 x 3 convolutions on the input joins at stride 1, so that structures of one to three pixels
    survive. No convolution pads with zeros unless asked to: reflection does not mark the border [2]_.

    Parameters
    ----------
    settings : EncoderSettings
        Backbone, stages, widths, padding.
    classes : int
        K, the number of classes.

    Raises
    ------
    SettingsError
        If timm knows no backbone of that name.

    References
    ----------
    .. [1] Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017.
    .. [2] Islam et al., "How Much Position Information Do Convolutional Neural Networks Encode?",
       ICLR 2020.
    """

    stride = 1
    """Pixels of the input for a pixel of the output."""

    slices: int
    """C, the neighbouring slices that an input holds as its channels, the middle one the output's own."""

    def __init__(self, settings: EncoderSettings | None = None, classes: int = 50) -> None:
        super().__init__()
        self.settings = settings = settings or EncoderSettings()
        self.classes = classes
        self.slices = settings.slices or 1
        self.backbone = _backbone(settings)
        widths = self.backbone.feature_info.channels()
        self.lateral = nn.ModuleList(nn.Conv2d(width, settings.features, 1) for width in widths)
        # Depth-wise and point-wise: a dense 3 x 3 convolution here took a fifth of a training step.
        self.smooth = nn.Sequential(
            nn.Conv2d(settings.features, settings.features, 3, padding=1, groups=settings.features),
            nn.Conv2d(settings.features, settings.features, 1),
        )
        self.coarse = nn.Conv2d(settings.features, settings.features, 1)
        self.detail = (
            nn.Sequential(
                nn.Conv2d(self.slices, settings.detail, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(settings.detail, settings.detail, 3, padding=1),
                nn.GELU(),
            )
            if settings.detail
            else None
        )
        self.fine = nn.Conv2d(settings.detail, settings.features, 1, bias=False) if settings.detail else None
        self.head = nn.Conv2d(settings.features, classes, 1)
        # Not trained but fitted, and only read where the classes are: see readout().
        self.filter_weight: Tensor
        filters = filter_count(self.slices) * len(settings.filters)
        self.register_buffer("filter_weight", torch.zeros(classes, filters, 1, 1))
        self.feature_channels = settings.features + filters
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
                module.padding_mode = settings.padding

    @property
    def multiple(self) -> int:
        """Total stride, px: heights and widths of inputs must be multiples of it."""
        return int(2**self.settings.stages)

    @property
    def receptive_radius(self) -> int:
        """Radius of the theoretical receptive field, px: no pixel further away has any influence.

        Counted over the kernels: each of size k at stride s adds ``s (k - 1) / 2``, rounded up to whole
        pixels of the level for the even kernels of stem and downsampling; bilinear upsampling adds a
        pixel of the coarser level.
        """
        radius = 2 + 4  # detail branch or stem, and the smoothing convolution at stride 2
        level_radius = 0
        for stage in range(self.settings.stages):
            level = 2 ** (stage + 1)
            blocks = len(self.backbone[f"stages_{stage}"].blocks)
            level_radius += level + 3 * level * blocks
            radius = max(radius, 6 + level_radius + 2 * level)
        return int(-(-radius // self.multiple) * self.multiple)

    @property
    def default_halo(self) -> int:
        """Halo for prediction, px, a multiple of :attr:`multiple`.

        A quarter of the theoretical radius and at least four times the total stride. The figure comes
        from the measured effective field, which is much smaller than the theoretical one (Luo et al.
        2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks"); what
        is lost by it is measured in ``docs/prediction.md``.
        """
        wanted = max(4 * self.multiple, _EFFECTIVE_SHARE * self.receptive_radius)
        return int(-(-wanted // self.multiple) * self.multiple)

    def pyramid(self, images: Tensor) -> Tensor:
        """Return the feature pyramid's finest level.

        Parameters
        ----------
        images : Tensor, shape (B, C, Y, X)
            Normalised to zero mean and unit variance over the volume.

        Returns
        -------
        Tensor, shape (B, D, Y / 2, X / 2)
        """
        levels = self.backbone(images)
        merged = self.lateral[-1](levels[-1])
        for lateral, level in zip(reversed(self.lateral[:-1]), reversed(levels[:-1]), strict=True):
            merged = F.interpolate(merged, scale_factor=2, mode="bilinear", align_corners=False)
            merged = merged + lateral(level)
        smoothed: Tensor = self.smooth(F.gelu(merged))
        return smoothed

    def embed(
        self, pyramid: Tensor, images: Tensor | None = None, phase: tuple[int, int] | None = None
    ) -> Tensor:
        """Bring the pyramid to full resolution and join the detail branch.

        Parameters
        ----------
        pyramid : Tensor, shape (B, D, Y / 2, X / 2)
            From :meth:`pyramid`, or predicted from neighbouring slices.
        images : Tensor, shape (B, C, Y, X), or None
            Input of the detail branch; None where the slice itself is hidden.
        phase : tuple of int, optional
            Compute only every second pixel along Y and X, from this pixel (0 or 1) on: a quarter of the
            work, for training.

        Returns
        -------
        Tensor, shape (B, D, Y, X), or (B, D, Y / 2, X / 2) with a phase
        """
        features = self.coarse(F.gelu(pyramid))
        if phase is None:
            features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
        else:
            features = _upsampled_at(features, phase)
        if self.detail is not None and self.fine is not None and images is not None:
            fine = self.detail(images)
            if phase is not None:
                fine = fine[..., phase[0] :: 2, phase[1] :: 2]
            features = features + self.fine(fine)
        return F.gelu(features)

    def features(self, images: Tensor, phase: tuple[int, int] | None = None) -> Tensor:
        """Return the embedding of images of shape (B, C, Y, X); shapes and phase as in :meth:`embed`."""
        return self.embed(self.pyramid(images), images, phase)

    def filters(self, images: Tensor) -> Tensor:
        """Return the filter bank of images (B, C, Y, X) that the classes are read from too: (B, F, Y, X)."""
        settings = self.settings
        if not settings.filters:
            return images.new_zeros(len(images), 0, *images.shape[-2:])
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            if self.slices > 1:
                return filter_bank_3d(images, settings.slice_step, settings.filters)
            return filter_bank(images, settings.filters)

    def readout(self, images: Tensor, pyramid: Tensor | None = None) -> Tensor:
        """Return what classes are read from linearly, shape (B, D + F, Y, X): features, then filters.

        Who has the images' :meth:`pyramid` already hands it over.

        The network is trained without the filters: given them, it has nothing left to learn for targets
        that are made of them (docs/learning.md).
        """
        features = self.embed(self.pyramid(images) if pyramid is None else pyramid, images)
        return torch.cat([features, self.filters(images).to(features.dtype)], dim=1)

    def forward(self, images: Tensor, pyramid: Tensor | None = None) -> EncoderOutput:
        """Encode images of shape (B, C, Y, X); Y and X are multiples of :attr:`multiple`.

        The pyramid is as for :meth:`readout`.
        """
        read = self.readout(images, pyramid).contiguous(memory_format=torch.channels_last)
        weight = torch.cat([self.head.weight, self.filter_weight.to(self.head.weight.dtype)], dim=1)
        return EncoderOutput(F.conv2d(read, weight, self.head.bias), read)

    def probabilities(self, images: Tensor) -> Tensor:
        """Return the softmax over the K classes, shape (B, K, Y, X), float32."""
        return self.forward(images).logits.float().softmax(dim=1)


def _upsampled_at(maps: Tensor, phase: tuple[int, int]) -> Tensor:
    """Return every second pixel of maps (B, D, Y, X) that are doubled bilinearly: shape (B, D, Y, X).

    Pixel 2 i of the doubled map lies a quarter of a pixel before pixel i, pixel 2 i + 1 a quarter after.
    """
    for dim, odd in zip((-2, -1), phase, strict=True):
        length = maps.shape[dim]
        edge = maps.narrow(dim, length - 1 if odd else 0, 1)
        if odd:
            neighbour = torch.cat([maps.narrow(dim, 1, length - 1), edge], dim)
        else:
            neighbour = torch.cat([edge, maps.narrow(dim, 0, length - 1)], dim)
        maps = torch.lerp(maps, neighbour, 0.25)
    return maps


def _backbone(settings: EncoderSettings) -> Any:
    """Build the named ConvNeXt's first stages with a symmetric stem of stride 2."""
    overrides: dict[str, Any] = {}
    spare = 4 - settings.stages  # timm builds four stages and drops those that are not asked for
    if settings.depths is not None:
        overrides["depths"] = settings.depths + (1,) * spare
    if settings.widths is not None:
        overrides["dims"] = settings.widths + (8,) * spare
    try:
        backbone = timm.create_model(
            settings.backbone,
            pretrained=False,
            features_only=True,
            in_chans=settings.slices or 1,
            stem_type="patch",
            conv_mlp=False,
            ls_init_value=0.5,
            out_indices=tuple(range(settings.stages)),
            **overrides,
        )
    except RuntimeError as error:
        known = ", ".join(timm.list_models("convnext*")[:12])
        raise SettingsError(
            f"timm has no backbone named {settings.backbone!r}; choose a ConvNeXt such as {known}."
        ) from error
    stem = backbone.stem_0
    if not isinstance(stem, nn.Conv2d):
        raise SettingsError(
            f"The stem of {settings.backbone!r} is a {type(stem).__name__}, expected a convolution; "
            "choose a plain ConvNeXt such as convnext_atto."
        )
    backbone.stem_0 = nn.Conv2d(settings.slices or 1, stem.out_channels, kernel_size=4, stride=2, padding=1)
    return backbone


def effective_radius(encoder: DenseEncoder, images: Tensor, share: float = 0.99) -> int:
    """Measure the radius that holds a share of the middle pixel's input gradient.

    Parameters
    ----------
    encoder : DenseEncoder
        Trained, in evaluation mode.
    images : Tensor, shape (B, C, Y, X)
        Real crops, larger than twice the theoretical radius.
    share : float
        Share of the summed absolute gradient, 0 to 1.

    Returns
    -------
    int
        Radius in px (Chebyshev), averaged over the crops and the embedding's channels.
    """
    images = images.detach().clone().requires_grad_(True)
    y, x = images.shape[-2] // 2, images.shape[-1] // 2
    probabilities = encoder.probabilities(images)[:, :, y, x]  # (B, K)
    best = probabilities.max(dim=1).values.sum()
    (gradient,) = torch.autograd.grad(best, images)
    weight = gradient.abs().sum(dim=(0, 1))  # (Y, X)
    rows = (torch.arange(images.shape[-2]) - y).abs()[:, None]
    columns = (torch.arange(images.shape[-1]) - x).abs()[None, :]
    distance = torch.maximum(rows.expand(weight.shape), columns.expand(weight.shape))
    profile = torch.zeros(int(distance.max()) + 1, dtype=weight.dtype)
    profile.index_add_(0, distance.flatten(), weight.cpu().flatten())
    cumulated = profile.cumsum(0) / profile.sum()
    return int((cumulated < share).sum())
