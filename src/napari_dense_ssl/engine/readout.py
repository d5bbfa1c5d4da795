"""Classes, read from what has been learned up to now."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dense_ssl.core.beating import beating
from napari_dense_ssl.core.events import Beat, Event
from napari_dense_ssl.engine.clustered_pixels import PIXELS_A_WINDOW, Array, ClusteredPixels, Sampled
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.pretext import objective_of
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.model.filter_bank import gaussian
from napari_dense_ssl.model.surroundings import shares_around
from napari_dense_ssl.objective.codebook import (
    codebook_of,
    fit_codebook,
    fit_logistic_head,
    renumbered,
)
from napari_dense_ssl.objective.settings import MaskedClustersSettings
from napari_dense_ssl.sampling.views import own_slices

_FINAL, _QUICK = 2, 8
"""Classes are read with a fit to codebook_pixels divided by this, before a save and before a live map."""

_FINAL_PIXELS_A_WINDOW = 256
"""Before a save. Of fewer windows classes are a matter of luck where images differ (docs/learning-log.md)."""

_FINAL_VIEWS = 2
"""Before a save: of one window. More ask the head, which sees one, for what it cannot see, and cost more."""

_SURROUNDINGS = 8.0
"""Pixels; where slices are told one by one."""

_CLOSE_VOTES = 3
"""Of the filters, where they are three-dimensional."""


class Readout:
    """Fits the head that the averaged encoder's classes are read with.

    Parameters
    ----------
    settings : TrainSettings
        Its objective is of the kind ``masked-clusters``.
    networks : Networks
    pixels : ClusteredPixels
    """

    def __init__(self, settings: TrainSettings, networks: Networks, pixels: ClusteredPixels) -> None:
        self._settings, self._networks, self._pixels = settings, networks, pixels
        self._objective = objective_of(settings, MaskedClustersSettings)
        self._close = networks.encoder.slices > 1
        around, votes = self._objective.surroundings, self._objective.filter_votes
        self._surroundings = around if around is not None else 0.0 if self._close else _SURROUNDINGS
        self._votes = votes if votes is not None else _CLOSE_VOTES if self._close else 1

    def fit(self, step: int, *, quick: bool) -> Iterator[Event]:
        """Fit what classes are read with: from clean images, and from the filters too.

        Classes are one more generation, which nothing is trained for: clusters of what has been learned up to
        now, that begin from the codes that the student tells. Training hides and changes what the student
        sees; its own head is as unsure as that makes it. What is fitted is a function of the weights, the
        seed and the step alone, and training depends on none of it.

        Where several slices are looked at together, the filters are three-dimensional and say more: they have
        more votes. Membranes of a few pixels are lost with each round in the space of discriminants, and the
        student's codes have had theirs: there, but for a live map, which is to change little from one to the
        next, clusters begin anew and take the numbers of the codes (docs/learning-log.md).

        Where slices are told one by one, after some hundred steps, the clusters are refined once more, with
        the shares of classes around each pixel, as they were told so far, and the features there beside what
        is known of the pixel itself. [1]_ feeds a classifier of pixels its own output around them in the same
        way; here no label is asked for, and what is read afterwards is again what is known of the pixel
        alone.

        References
        ----------
        .. [1] Tu, "Auto-context and Its Application to High-level Vision Tasks", CVPR 2008.
        """
        seed = self._settings.seed + 1_000_003 * (step + 1)
        wanted = self._objective.codebook_pixels // (_QUICK if quick else _FINAL)
        teacher = self._networks.averaged_encoder
        samples, read, sampled = yield from self._pixels.sampled(
            teacher,
            seed,
            wanted,
            self._read_clean,
            a_window=PIXELS_A_WINDOW if quick else _FINAL_PIXELS_A_WINDOW,
            views=None if quick else _FINAL_VIEWS,
        )
        groups = self._pixels.groups(True, samples.shape[1])
        head = self._networks.encoder.head
        with torch.no_grad():
            features = torch.from_numpy(read[:, : head.in_channels]).to(head.weight.device)
            codes = F.linear(features, head.weight[..., 0, 0], head.bias).argmax(dim=1).cpu().numpy()
        anew = self._close and not quick
        codes, readout = yield from beating(
            lambda: self._fit_readout(samples, read, codes, groups, seed, anew=anew)
        )
        self._networks.write_readout(*readout)
        if self._surroundings and step >= self._objective.surroundings_after:
            around = (yield from self._around(sampled))[: len(samples)]
            samples = np.concatenate([around, samples], axis=1)
            groups = self._settings.classes, self._settings.encoder.features, *groups
            width = around.shape[1]
            _, readout = yield from beating(
                lambda: self._fit_readout(samples, read, codes, groups, seed, around=width)
            )
            self._networks.write_readout(*readout)

    def _fit_readout(
        self,
        samples: Array,
        read: Array,
        codes: Array,
        groups: tuple[int, ...],
        seed: int,
        *,
        anew: bool = False,
        around: int = 0,
    ) -> tuple[Array, tuple[Tensor, Tensor]]:
        """Return clusters of samples (N, D), as codes (N,), and a head that tells them.

        They begin from the codes (N,) that are given, or anew, and take their numbers. The head tells them
        from what is read at the same pixels (N, D'). Of the D features the first `around` are of what
        surrounds a pixel.
        """
        classes = self._settings.classes
        if anew:
            start = fit_codebook(samples, classes, seed, groups=groups)
        else:
            start = codebook_of(samples, codes, classes, groups)
        found = self._pixels.refined(start, samples, groups, seed, self._votes, around).codes(samples)
        if anew:
            found = renumbered(found, codes, classes)
        return found, fit_logistic_head(read, found, classes)

    def _around(self, sampled: list[Sampled]) -> Generator[Event, None, Array]:
        """Yield beats; return what lies around the pixels that were sampled, shape (N, K + D).

        Square roots of the shares of classes, whose Euclidean distance is Hellinger's, then the feature
        pyramid, blurred twice as far.
        """
        networks, sigma, classes = self._networks, self._surroundings, self._settings.classes
        encoder = networks.averaged_encoder
        found: list[Array] = []
        for part in sampled:
            images = networks.device.to_device(part.images).contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), networks.device.autocast():
                pyramid = encoder.pyramid(images)  # (B, D, Y / 2, X / 2)
                codes = encoder(images, pyramid).logits.argmax(dim=1)
            blurred = gaussian(pyramid.float(), sigma)  # of its pixels, which are two of the image
            wide = F.interpolate(blurred, scale_factor=2, mode="bilinear", align_corners=False)
            found += part.of(torch.cat([shares_around(codes, classes, sigma).sqrt(), wide], dim=1))
            yield Beat()
        return np.concatenate(found)

    def _read_clean(self, stack: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        """Return what classes are read from, of clean windows (B, N, Y, X)."""
        encoder = self._networks.averaged_encoder
        images = own_slices(stack, encoder.slices // 2)
        return encoder.readout(images.contiguous(memory_format=torch.channels_last))
