"""Perturbed copies of digits: affine, erosion, dilation, skeleton, inversion, noise; batched and seeded.

The kinds are those of the second seed (``docs/digits.md``); each is a function of its own, and
:func:`perturb` draws which of them an image gets, and how much of it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from skimage.morphology import skeletonize
from torch import Generator, Tensor
from torch.nn import functional as F

from napari_dense_ssl.playground.digits.settings import PerturbationSettings


def dilate(images: Tensor) -> Tensor:
    """Replace each pixel by the largest of its 3 × 3 neighbourhood.

    Parameters
    ----------
    images : Tensor, shape (B, 1, Y, X)

    Returns
    -------
    Tensor, shape (B, 1, Y, X)
    """
    return F.max_pool2d(images, 3, 1, 1)


def erode(images: Tensor) -> Tensor:
    """Replace each pixel by the smallest of its 3 × 3 neighbourhood; what lies outside counts as bright."""
    return -F.max_pool2d(-images, 3, 1, 1)


def invert(images: Tensor) -> Tensor:
    """Swap black and white: 1 - image, for grey values in [0, 1]."""
    return 1 - images


def skeletonise(images: Tensor) -> Tensor:
    """Reduce strokes (above half of each image's maximum) to lines one pixel wide, of value 1.

    scikit-image's ``skeletonize`` (Zhang & Suen, CACM 1984), called once for the whole batch: the images
    are laid into one mosaic with an empty frame around each, across which no stroke is connected.
    """
    count, _, height, width = images.shape
    if count == 0:
        return images
    strokes = images[:, 0] > images.amax((1, 2, 3))[:, None, None] / 2  # (B, Y, X)
    mosaic = F.pad(strokes, (1, 1, 1, 1)).reshape(count * (height + 2), width + 2)
    lines = torch.from_numpy(np.asarray(skeletonize(mosaic.numpy())))
    return lines.reshape(count, 1, height + 2, width + 2)[:, :, 1:-1, 1:-1].to(images.dtype)


def affine(images: Tensor, maps: Tensor) -> Tensor:
    """Resample images, black outside.

    Parameters
    ----------
    images : Tensor, shape (B, 1, Y, X)
    maps : Tensor, shape (B, 2, 3)
        From (x, y, 1) of the result to (x, y) of the image, both from -1 to 1 over the image's extent.

    Returns
    -------
    Tensor, shape (B, 1, Y, X)
    """
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def random_maps(count: int, strength: float, settings: PerturbationSettings, generator: Generator) -> Tensor:
    """Draw affine maps: a turn, a shear, a stretch of each axis and a shift, all uniform.

    Returns
    -------
    Tensor, shape (B, 2, 3)
    """
    draws = (2 * torch.rand((6, count), generator=generator) - 1) * strength  # each in ±strength
    angle = draws[0] * math.radians(settings.rotation)
    shear = torch.tan(draws[1] * math.radians(settings.shear))
    wide, high = (1 + settings.stretch) ** draws[2], (1 + settings.stretch) ** draws[3]
    shift = 2 * settings.shift * draws[4:6]  # an edge is 2 long here
    cos, sin = torch.cos(angle), torch.sin(angle)
    # stretch after shear after turn
    rows = (
        torch.stack([wide * (cos + shear * sin), wide * (shear * cos - sin), shift[0]], -1),
        torch.stack([high * sin, high * cos, shift[1]], -1),
    )
    return torch.stack(rows, 1)


def perturb(images: Tensor, strength: float, settings: PerturbationSettings, generator: Generator) -> Tensor:
    """Return perturbed copies.

    Parameters
    ----------
    images : Tensor, shape (B, 1, Y, X)
        Grey values in [0, 1], strokes bright.
    strength : float
        From 0 (copies) to 1 (as the settings say).
    settings : PerturbationSettings
    generator : Generator
        Where chance comes from.

    Returns
    -------
    Tensor, shape (B, 1, Y, X)
        In [0, 1].
    """
    if strength == 0:
        return images.clone()
    count = len(images)
    result = affine(images, random_maps(count, strength, settings, generator))
    # One draw decides on the strokes' width: eroded, dilated, thinned to a line, or left.
    chance = torch.rand(count, generator=generator) / strength
    start = 0.0
    for change, share in (
        (erode, settings.erosion),
        (dilate, settings.dilation),
        (skeletonise, settings.skeleton),
    ):
        which = ((chance >= start) & (chance < start + share)).nonzero()[:, 0]
        start += share
        if len(which):
            result[which] = change(result[which])
    flipped = torch.rand(count, generator=generator) < settings.inversion * strength
    result = torch.where(flipped[:, None, None, None], invert(result), result)
    if settings.noise:
        sigma = settings.noise * strength * torch.rand((count, 1, 1, 1), generator=generator)
        result = result + sigma * torch.randn(result.shape, generator=generator)
    return result.clamp(0, 1)
