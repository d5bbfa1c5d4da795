"""The hand-made features that learning starts from: what a microscopist's eye-level filters see."""

from __future__ import annotations

import math

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


def filter_count(slices: int) -> int:
    """Return how many filters a scale has, for stacks of that many slices."""
    return 5 if slices > 1 else 4


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


def filter_bank_3d(stacks: Tensor, slice_step: float, sigmas: tuple[float, ...] = (1.0, 2.0, 4.0)) -> Tensor:
    """The same in three dimensions, at the middle slice of each stack.

    Along Z, blurring and derivatives are one weighted sum over the slices (a Gaussian's derivatives,
    sampled, cut off at the stack's ends, normalised by their moments); in the plane as
    :func:`filter_bank`.

    Parameters
    ----------
    stacks : Tensor, shape (B, N, Y, X)
        Neighbouring slices; N is odd and at least 3.
    slice_step : float
        Distance between slices, in pixels of their plane.
    sigmas : tuple of float
        Scales, px of the plane.

    Returns
    -------
    Tensor, shape (B, 5 len(sigmas), Y, X)
        For each scale: blurred, gradient magnitude, the Hessian's eigenvalues in falling order.
    """
    channels: list[Tensor] = []
    for sigma in sigmas:
        weights = _z_kernels(stacks.shape[1], sigma, slice_step).to(stacks)
        along_z = gaussian(torch.einsum("kn,bnyx->bkyx", weights, stacks), sigma)
        s, sz, szz = along_z[:, :1], along_z[:, 1:2], along_z[:, 2:]
        sy, sx = _difference(s, -2), _difference(s, -1)
        scale = sigma**2
        hessian = (
            szz,
            _difference(sy, -2),
            _difference(sx, -1),
            _difference(sz, -2),
            _difference(sz, -1),
            _difference(sy, -1),
        )
        channels += [s, sigma * (sz.square() + sy.square() + sx.square()).sqrt()]
        channels += [scale * value for value in symmetric_eigenvalues(*hessian)]
    return torch.cat(channels, dim=1)


def symmetric_eigenvalues(
    a: Tensor, b: Tensor, c: Tensor, ab: Tensor, ac: Tensor, bc: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues, in falling order, of symmetric 3 x 3 matrices with diagonal (a, b, c), in closed form.

    Smith, "Eigenvalues of a symmetric 3 x 3 matrix", Communications of the ACM 1961: ten times as fast
    as an iterative solver on every pixel.
    """
    mean = (a + b + c) / 3
    a, b, c = a - mean, b - mean, c - mean
    spread = ((a * a + b * b + c * c + 2 * (ab * ab + ac * ac + bc * bc)) / 6).sqrt().clamp(min=1e-12)
    determinant = a * (b * c - bc * bc) - ab * (ab * c - bc * ac) + ac * (ab * bc - b * ac)
    angle = (determinant / (2 * spread**3)).clamp(-1, 1).acos() / 3
    high = mean + 2 * spread * angle.cos()
    low = mean + 2 * spread * (angle + 2 * math.pi / 3).cos()
    return high, 3 * mean - high - low, low


def _z_kernels(count: int, sigma: float, step: float) -> Tensor:
    """Return weights (3, count) of blurring and of the first and second derivative along Z, per px."""
    z = (torch.arange(count, dtype=torch.float64) - count // 2) * step
    gauss = torch.exp(-0.5 * (z / sigma) ** 2)
    gauss = gauss / gauss.sum()
    first = z * gauss
    first = first / (first * z).sum()
    second = gauss * ((z / sigma) ** 2 - 1)
    second = second - gauss * second.sum()
    second = second / (0.5 * second * z**2).sum()
    return torch.stack([gauss, first, second]).float()


def _difference(images: Tensor, dim: int) -> Tensor:
    """Central difference along Y or X, one-sided at the edges (as numpy's gradient)."""
    (result,) = torch.gradient(images, dim=dim)
    return result
