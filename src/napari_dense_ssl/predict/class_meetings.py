"""How the classes of a run meet: which are taken for each other when the image is turned, flipped, moved."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.views import IDENTITY, compared_views, reach_of
from napari_dense_ssl.predict.windows import Layout, windows
from napari_dense_ssl.volume import Volume

_SQUARE = 256
"""Edge of what is looked at of a slice at a time, px."""


@dataclass
class Meetings:
    """Sums over pixels and views.

    Attributes
    ----------
    counts : ndarray, shape (K, K)
        Pixels that are class i in the untouched image (its argmax) and j under another view.
    chances : ndarray, shape (K, K)
        The same with probabilities in place of the argmax: the sum of ``p_i q_j``.
    features : ndarray, shape (K, D)
        Sum of the embedding over the pixels of each class.
    squares : ndarray, shape (D,)
        Sum of the squared embedding over all pixels.
    pixels : ndarray, shape (K,)
        Pixels of each class in the untouched images.
    """

    counts: NDArray[np.float64]
    chances: NDArray[np.float64]
    features: NDArray[np.float64]
    squares: NDArray[np.float64]
    pixels: NDArray[np.float64]

    @classmethod
    def none(cls, classes: int, channels: int) -> Meetings:
        """Return the sums of no pixels."""
        return cls(
            np.zeros((classes, classes)),
            np.zeros((classes, classes)),
            np.zeros((classes, channels)),
            np.zeros(channels),
            np.zeros(classes),
        )

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean embedding of each class (K, D), and its standard deviation within classes (D,)."""
        means = self.features / np.maximum(self.pixels, 1)[:, None]
        between = (means**2 * self.pixels[:, None]).sum(0)
        spread = np.sqrt(np.maximum(self.squares - between, 0) / max(1.0, float(self.pixels.sum())))
        return means, spread


def sampled_boxes(volume: Volume, layout: Layout, squares: int, seed: int = 0) -> list[Box]:
    """Return squares in slices that are evenly spread, at random places in them."""
    depth, height, width = volume.shape
    edge = min(_SQUARE, max(layout.multiple, layout.tile - 2 * layout.halo))
    rng = np.random.default_rng(seed)
    boxes = []
    for z in np.unique(np.linspace(0, depth - 1, squares).round().astype(int)).repeat(-(-squares // depth))[
        :squares
    ]:
        y, x = (int(rng.integers(0, max(1, n - edge + 1))) for n in (height, width))
        boxes.append(Box((int(z), y, x), (int(z) + 1, min(height, y + edge), min(width, x + edge))))
    return boxes


def meetings(
    predictor: Predictor, volume: Volume, boxes: list[Box], *, transforms: bool = True
) -> Generator[Beat, None, Meetings]:
    """Look at boxes of a volume under all views that the equivariance error compares.

    Parameters
    ----------
    predictor : Predictor
    volume : Volume
    boxes : list of Box
        One slice each; see :func:`sampled_boxes`.
    transforms : bool
        Whether other views than the untouched one are looked at; else only features and pixels are summed.

    Yields
    ------
    Beat
        After each forward pass: ``len(boxes)`` times the number of views, about.

    Returns
    -------
    Meetings
    """
    encoder, views = predictor.encoder, compared_views(predictor.settings) if transforms else ()
    intensity, _ = predictor.intensity(volume)
    what = ("classes", "error") if transforms else ("classes",)
    layout, reach = predictor.layout(what), reach_of(views)
    found = Meetings.none(encoder.classes, encoder.feature_channels)
    for window in windows(boxes, volume.shape[1:], layout):
        pixels = window.read(volume, intensity, reach, encoder.slices)
        extended = predictor.device.to_device(torch.from_numpy(np.ascontiguousarray(pixels)))
        reference: Tensor | None = None
        for view in (IDENTITY, *views):
            with torch.inference_mode(), predictor.device.autocast():
                image = view.cut(extended, reach)[None].contiguous(memory_format=torch.channels_last)
                logits, features = encoder(image)
            with torch.inference_mode():
                kept, where = view.undo(logits[0], window.tile.crop_slices)
                here = kept.float().softmax(0)
                if reference is None:
                    reference = here
                    _add_features(found, here, view.undo(features[0], window.tile.crop_slices)[0])
                else:
                    _add_pair(found, reference[:, where[0], where[1]], here)
            yield Beat()
    return found


def _add_features(found: Meetings, probabilities: Tensor, features: Tensor) -> None:
    classes = len(probabilities)
    labels = probabilities.argmax(0).flatten()
    flat = features.float().flatten(1).T  # (N, D)
    one_hot = torch.nn.functional.one_hot(labels, classes).float()  # (N, K)
    found.features += (one_hot.T @ flat).cpu().double().numpy()
    found.squares += flat.square().sum(0).cpu().double().numpy()
    found.pixels += torch.bincount(labels, minlength=classes).cpu().double().numpy()


def _add_pair(found: Meetings, one: Tensor, other: Tensor) -> None:
    classes = len(one)
    pairs = (one.argmax(0) * classes + other.argmax(0)).flatten()
    found.counts += (
        torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).cpu().double().numpy()
    )
    found.chances += (one.flatten(1) @ other.flatten(1).T).cpu().double().numpy()
