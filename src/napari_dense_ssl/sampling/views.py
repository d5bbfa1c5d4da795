"""Views of a crop: shift, symmetry, photometric change, masks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.model.filter_bank import gaussian
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.sampling.crops import CropBatch
from napari_dense_ssl.sampling.portion import Portion


def cut_views(windows: Tensor, batch: CropBatch, crop: int) -> Tensor:
    """Cut each window's view out and turn it.

    Parameters
    ----------
    windows : Tensor, shape (B, C, R, R)
        Images, or maps of the windows' pixels: both sides of a comparison are cut by this function.
    batch : CropBatch
        Its offsets and symmetries.
    crop : int
        Edge of the views, px.

    Returns
    -------
    Tensor, shape (B, C, crop, crop)
    """
    symmetries = Symmetry.all()
    views = []
    for window, (y, x), index in zip(windows, batch.offsets.tolist(), batch.symmetries.tolist(), strict=True):
        views.append(turned(window[:, y : y + crop, x : x + crop], symmetries[index]))
    return torch.stack(views)


def own_slices(windows: Tensor, reach: int) -> Tensor:
    """Return the middle slices of windows (B, N, Y, X), `reach` on either side: (B, 2 reach + 1, Y, X)."""
    middle = windows.shape[1] // 2
    return windows[:, middle - reach : middle + reach + 1]


def drawn_for(images: Tensor, generator: torch.Generator, portion: Portion | None = None) -> Tensor:
    """Return white noise (B, C, Y, X) for images that are a portion of a batch; None for all of it."""
    portion = Portion.all(len(images)) if portion is None else portion
    shape = (portion.total, *images.shape[1:])
    return portion.of(torch.randn(shape, generator=generator, device=images.device))


def photometric(
    images: Tensor, strength: float, generator: torch.Generator, portion: Portion | None = None
) -> Tensor:
    """Change contrast, brightness, tone, noise and sharpness, each image on its own.

    Parameters
    ----------
    images : Tensor, shape (B, C, Y, X)
        Normalised intensities.
    strength : float
        1: contrast by a factor of up to 1.3 either way, brightness by up to 0.3 standard deviations, a
        quadratic tone curve of up to 0.08, noise of up to 0.3, half of the images blurred by up to 1 px.
    generator : torch.Generator
        On the images' device.
    portion : Portion, optional
        Which crops of a batch the images are; by default all.

    Returns
    -------
    Tensor, shape (B, C, Y, X)
    """
    if strength == 0:
        return images

    whole = Portion.all(len(images)) if portion is None else portion

    def draw(low: float, high: float) -> Tensor:
        shape = (whole.total, 1, 1, 1)
        return low + (high - low) * whole.of(torch.rand(shape, generator=generator, device=images.device))

    blur_share = draw(-1.0, 1.0).clamp(min=0.0)  # none for half of the images
    blurred = gaussian(images, max(1.0 * strength, 0.1))
    images = images + blur_share * (blurred - images)
    images = images * torch.exp(strength * draw(-0.26, 0.26)) + strength * draw(-0.3, 0.3)
    images = images + strength * draw(-0.08, 0.08) * (images.square() - 1)
    noise = drawn_for(images, generator, whole)
    return images + strength * draw(0.0, 0.3) * noise


def block_masks(
    count: int, crop: int, size: int, share: float, rng: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Draw masks of squares on a grid whose origin is random, so that it is tied to no stride.

    Parameters
    ----------
    count, crop : int
        How many masks, and their edge, px.
    size : int
        Edge of the squares, px.
    share : float
        Expected share of hidden pixels.
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (count, crop, crop), bool
        True where hidden.
    """
    cells = crop // size + 2
    masks = np.empty((count, crop, crop), dtype=bool)
    for mask in masks:
        grid = (rng.random((cells, cells)) < share).repeat(size, 0).repeat(size, 1)
        y, x = rng.integers(0, size, 2)
        mask[:] = grid[y : y + crop, x : x + crop]
    return masks


def hide(images: Tensor, masks: Tensor, generator: torch.Generator, portion: Portion | None = None) -> Tensor:
    """Replace hidden pixels by white noise of unit variance.

    Parameters
    ----------
    images : Tensor, shape (B, C, Y, X)
    masks : Tensor, shape (B, Y, X), bool
    generator : torch.Generator
        On the images' device.
    portion : Portion, optional
        Which crops of a batch the images are; by default all.
    """
    return torch.where(masks[:, None], drawn_for(images, generator, portion), images)
