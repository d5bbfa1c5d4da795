"""The views of a window that are compared: turned, flipped, moved; and the way back to its own frame.

Frames: a *window* is the part of a plane that is computed, its pixel (0, 0) at a multiple of the
network's stride. A view moves the window by a few pixels, so that it sees other tissue at its edges and
the same tissue at another phase of the stride, and then turns it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.predict.settings import TileSettings


@dataclass(frozen=True, slots=True)
class WindowView:
    """One view: the window moved by `shift` (px along Y and X), then turned by `symmetry`."""

    symmetry: Symmetry = field(default_factory=Symmetry)
    shift: tuple[int, int] = (0, 0)

    def cut(self, extended: Tensor, reach: int) -> Tensor:
        """Cut the view out of a window that was read with a margin of `reach` px on every side.

        Parameters
        ----------
        extended : Tensor, shape (..., Y + 2 reach, X + 2 reach)

        Returns
        -------
        Tensor, shape (..., Y, X), or (..., X, Y) after an odd number of quarter turns
        """
        height, width = (n - 2 * reach for n in extended.shape[-2:])
        y, x = (reach + offset for offset in self.shift)
        return turned(extended[..., y : y + height, x : x + width], self.symmetry)

    def turned(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width of the view of a window of that height and width."""
        return shape if self.symmetry.turns % 2 == 0 else (shape[1], shape[0])

    def undo(self, maps: Tensor, inner: tuple[slice, slice]) -> tuple[Tensor, tuple[slice, slice]]:
        """Bring maps of this view back and keep what lies in the inner part of the window.

        Parameters
        ----------
        maps : Tensor, shape (..., Y, X) as :meth:`cut` returned it
        inner : tuple of slice
            Rows and columns of the window that are wanted.

        Returns
        -------
        kept : Tensor
            The maps of those wanted pixels that the moved window holds.
        where : tuple of slice
            Where these lie in the inner part.
        """
        straight = turned(maps, self.symmetry.inverse)
        source, where = [], []
        for wanted, offset, length in zip(inner, self.shift, straight.shape[-2:], strict=True):
            low = max(wanted.start - offset, 0)
            high = max(low, min(wanted.stop - offset, length))
            source.append(slice(low, high))
            where.append(slice(low + offset - wanted.start, high + offset - wanted.start))
        return straight[..., source[0], source[1]], (where[0], where[1])


IDENTITY = WindowView()


def compared_views(settings: TileSettings) -> tuple[WindowView, ...]:
    """Return the views that are compared with the untouched window (which is not among them)."""
    turns = {1: (0,), 2: (0, 2), 4: (0, 1, 2, 3), 8: (0, 1, 2, 3)}[settings.symmetries]
    flips = (False, True) if settings.symmetries == 8 else (False,)
    turned = (WindowView(Symmetry(t, f)) for f in flips for t in turns)
    moved = (WindowView(shift=(dy, dx)) for dy, dx in settings.shifts)
    # As a dict, to drop repetitions and keep the order; odd turns last, so that equal shapes are adjacent.
    distinct = dict.fromkeys(view for view in (*turned, *moved) if view != IDENTITY)
    return tuple(sorted(distinct, key=lambda view: view.symmetry.turns % 2))


def reach_of(views: Iterable[WindowView]) -> int:
    """Return how far, px, the views reach beyond the window."""
    return max((abs(offset) for view in views for offset in view.shift), default=0)


class ViewAverage:
    """Mean probabilities and equivariance error of one window's inner part, view by view.

    Parameters
    ----------
    reference : Tensor, shape (K, Y, X), float32
        Probabilities of the untouched window's inner part.
    """

    def __init__(self, reference: Tensor) -> None:
        self.reference = reference
        self._sum: Tensor | None = None
        self._seen = torch.zeros_like(reference[0])
        self._difference = torch.zeros_like(reference[0])

    def add(self, probabilities: Tensor, where: tuple[slice, slice]) -> None:
        """Add a view's probabilities, shape (K, y, x), at a part of the window's inner part."""
        if self._sum is None:
            self._sum = self.reference.clone()
        index = (slice(None), *where)
        self._sum[index] += probabilities
        # Half the L1 distance of two distributions lies in [0, 1]: their total variation.
        self._difference[where] += (self.reference[index] - probabilities).abs_().sum(0).mul_(0.5)
        self._seen[where] += 1

    def mean(self) -> Tensor:
        """Return the probabilities averaged over all views, shape (K, Y, X)."""
        return self.reference if self._sum is None else self._sum / (1 + self._seen)

    def error(self) -> Tensor:
        """Return the equivariance error, shape (Y, X), in [0, 1].

        ``e(u) = mean over g of 1/2 sum_k |p_k(u) - (g^-1 p(g x))_k(u)|`` over those views g, the
        identity not counted, whose window holds the pixel.
        """
        return self._difference / self._seen.clamp(min=1)
