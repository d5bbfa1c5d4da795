"""The hand-made features that learning starts from: what a microscopist's eye-level filters see."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian(images: Tensor, sigma: float) -> Tensor:
    """Blur images of shape (B, C, Y, X) by a Gaussian of `sigma` px, truncated at 3 sigma, reflected."""
    radius = int(3 * sigma + 0.5)
    radius = min(radius, min(images.shape[-2:]) - 1)
    taps = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    b, c, y, x = images.shape
    flat = images.reshape(b * c, 1, y, x)
    flat = F.conv2d(F.pad(flat, (0, 0, radius, radius), mode="reflect"), kernel[None, None, :, None])
    flat = F.conv2d(F.pad(flat, (radius, radius, 0, 0), mode="reflect"), kernel[None, None, None, :])
    return flat.reshape(b, c, y, x)


def filter_bank(images: Tensor, sigmas: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)) -> Tensor:
    """Gaussian, gradient magnitude and Hessian eigenvalues at several scales.

    Derivatives are central differences of the blurred image, normalised by their scale [1]_:
    ``sigma |grad|`` and ``sigma^2 lambda``.

    Parameters
    ----------
    images : Tensor, shape (B, 1, Y, X)
        Intensities.
    sigmas : tuple of float
        Scales, px.

    Returns
    -------
    Tensor, shape (B, 4 len(sigmas), Y, X)
        For each scale: blurred, gradient magnitude, larger and smaller Hessian eigenvalue.

    References
    ----------
    .. [1] Lindeberg, "Feature detection with automatic scale selection", IJCV 1998.
    """
    channels: list[Tensor] = []
    for sigma in sigmas:
        smooth = gaussian(images, sigma)
        dy, dx = _difference(smooth, -2), _difference(smooth, -1)
        dyy, dxx, dxy = _difference(dy, -2), _difference(dx, -1), _difference(dy, -1)
        centre, radius = (dyy + dxx) / 2, torch.hypot((dyy - dxx) / 2, dxy)
        scale = sigma**2
        channels += [
            smooth,
            sigma * torch.hypot(dy, dx),
            scale * (centre + radius),
            scale * (centre - radius),
        ]
    return torch.cat(channels, dim=1)


def _difference(images: Tensor, dim: int) -> Tensor:
    """Central difference along Y or X, one-sided at the edges (as numpy's gradient)."""
    (result,) = torch.gradient(images, dim=dim)
    return result
