"""The figures of the audit, which tell classes about the image from classes about the place in the crop.

Arrays in, figures out.

Class maps of many random crops come as ``(N, Y, X)`` integers 0 to K - 1; entropies and information are in
nats. Every figure comes with its null, what the same estimate gives where there is nothing to find, and its
count. The nulls keep the spatial correlation within a crop (whole crops are shifted or exchanged, never
single pixels): shuffled pixels would be independent, and their null too small. Definitions and typical
values: ``docs/audit.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import entropy
from sklearn.metrics import adjusted_mutual_info_score

CELLS = 8
"""The crop is divided into CELLS x CELLS places."""

BINS = 64
"""Grey levels of equal area that classes are compared with: finer than any class of grey levels."""

SIGMAS = (0.0, 1.0, 2.0, 4.0)
"""Blurs of the grey levels, px: a network that learned blurred intensity learned intensity."""

COHERENCE_STEP = (2, 3)
"""Distance along Y and X of the two pixels whose classes are compared within a crop, px."""

MOST_DECIBEL = 100.0
"""Maps whose mean square differs by less than 1e-10 count as the same: float32 knows no better."""

_PIXELS_A_CROP = 256
"""Pixels of a crop in an adjusted mutual information: neighbours say little that is new."""

_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value beside what it is where there is nothing to find.

    Attributes
    ----------
    value : float
        The figure. Shares of information have their null taken off already, others not.
    null : float
        The same estimate on shuffled crops, or the figure's reference where it says so.
    count : int
        Number of crops (or pairs of crops, or slices) that it rests on.
    """

    value: float
    null: float
    count: int


def shared_information(labels: NDArray[Any], places: NDArray[Any]) -> float:
    """Return I(label; place) / H(label) of integers of one shape, 0 to 1; 0 where there is one label only."""
    columns = int(labels.max()) + 1
    codes = places.ravel().astype(np.int64) * columns + labels.ravel()
    table = np.bincount(codes, minlength=(int(places.max()) + 1) * columns).reshape(-1, columns)
    h_label = float(entropy(table.sum(0)))
    if h_label < _TINY:
        return 0.0
    mutual = h_label + float(entropy(table.sum(1))) - float(entropy(table.ravel()))
    return min(1.0, max(0.0, mutual / h_label))


def cells(shape: tuple[int, int], count: int = CELLS) -> NDArray[np.int64]:
    """Return the cell of each pixel of a crop, shape (Y, X), 0 to count² - 1, row by row."""
    rows, columns = (np.arange(length) * count // length for length in shape)
    return rows[:, None] * count + columns


def leak(classes: NDArray[Any], rng: np.random.Generator, *, draws: int = 5) -> Figure:
    """Measure how much a class says about the place in the crop: I(class; cell) / H(class), less its null.

    Parameters
    ----------
    classes : ndarray, shape (N, Y, X), integer
        Of crops at random places of the tissue, so that the tissue says nothing about the place.
    rng : Generator
    draws : int
        The null is the mean over that many draws, in each of which every crop's map is moved by an offset
        of its own, around the edges.

    Returns
    -------
    Figure
        1 where the place decides the class, 0 where it says nothing (or a little below: the null is a
        sample too); the null is that of the raw estimate.
    """
    classes = classes[:, ::2, ::2]  # neighbours say little that is new
    places = np.broadcast_to(cells((classes.shape[1], classes.shape[2])), classes.shape)
    null = float(np.mean([shared_information(moved(classes, rng), places) for _ in range(draws)]))
    return Figure(shared_information(classes, places) - null, null, len(classes))


def moved(classes: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Move each map of (N, Y, X) by a random offset of its own, around the edges."""
    shifts = rng.integers(0, classes.shape[1:], (len(classes), 2))
    return np.stack([np.roll(c, (y, x), (0, 1)) for c, (y, x) in zip(classes, shifts, strict=True)])


def agreement(first: NDArray[Any], second: NDArray[Any]) -> Figure:
    """Measure the adjusted mutual information of classes that belong together.

    Parameters
    ----------
    first, second : ndarray, shape (N, P), integer
        P pairs of classes from each of N crops (or pairs of crops) in random order.

    Returns
    -------
    Figure
        1 where each tells the other, 0 where they meet as chance has it, and 0 where there is one class
        only. Null: the crops of `second` are exchanged.
    """
    exchanged = np.roll(second, max(1, len(second) // 2), axis=0)
    return Figure(_adjusted(first, second), _adjusted(first, exchanged), len(first))


def _adjusted(first: NDArray[Any], second: NDArray[Any]) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0  # sklearn calls two maps of one class each a perfect match
    return float(adjusted_mutual_info_score(first.ravel(), second.ravel()))


def content(
    first: NDArray[Any], second: NDArray[Any], shifts: NDArray[Any], margin: int, rng: np.random.Generator
) -> Figure:
    """Measure whether a pixel keeps its class when the crop around it moves.

    Parameters
    ----------
    first, second : ndarray, shape (N, Y, X), integer
        Classes of pairs of crops of the same slice.
    shifts : ndarray, shape (N, 2), integer
        Origin of the second crop less that of the first, px. Any whole numbers: with odd ones alone a
        pattern of period 2 would change its classes in a way that can be told.
    margin : int
        Pixels at the rim of either crop that are left out, px.
    rng : Generator
        Draws the pixels.
    """
    size = (first.shape[1], first.shape[2])
    rows = []
    for a, b, shift in zip(first, second, shifts, strict=True):
        in_first, in_second = overlap(size, shift, margin)
        a, b = a[in_first].ravel(), b[in_second].ravel()
        drawn = rng.integers(0, len(a), _PIXELS_A_CROP)
        rows.append((a[drawn], b[drawn]))
    pairs = np.array(rows)  # (N, 2, P)
    return agreement(pairs[:, 0], pairs[:, 1])


def overlap(
    size: tuple[int, int], shift: Sequence[int] | NDArray[Any], margin: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where two crops hold the same pixels, as an index into each.

    Parameters
    ----------
    size : tuple of int
        Height and width of the crops, px.
    shift : sequence of int
        Origin of the second less that of the first, px.
    margin : int
        Left out along the rim of both, px.
    """
    first, second = [], []
    for length, d in zip(size, (int(s) for s in shift), strict=True):
        low, high = max(margin, margin + d), min(length - margin, length - margin + d)
        first.append(slice(low, high))
        second.append(slice(low - d, high - d))
    return (first[0], first[1]), (second[0], second[1])


def place(classes: NDArray[Any], rng: np.random.Generator) -> Figure:
    """Measure whether unrelated pixels share a class because they lie at the same place of their crops.

    Where structures are as large as crops, two crops often share a class wherever one looks: what they share
    at different places is adjusted for, as the index itself is for chance.

    Parameters
    ----------
    classes : ndarray, shape (N, Y, X), integer
        Of crops in random order.
    rng : Generator
        Draws the pixels.

    Returns
    -------
    Figure
        (AMI at the same place - null) / (1 - null): 1 where the place decides the class, 0 where it says
        nothing. Null: AMI at different places of the same pairs of crops.
    """
    count, height, width = classes.shape
    other = np.roll(classes, max(1, count // 2), axis=0)
    index = np.arange(count)[:, None]
    (y, x), (v, u) = (
        (rng.integers(0, height, (count, _PIXELS_A_CROP)), rng.integers(0, width, (count, _PIXELS_A_CROP)))
        for _ in range(2)
    )
    drawn = classes[index, y, x]
    null = _adjusted(drawn, other[index, v, u])
    excess = _adjusted(drawn, other[index, y, x]) - null
    return Figure(excess / (1 - null) if null < 1 else 0.0, null, count)


def coherence(classes: NDArray[Any], rng: np.random.Generator) -> Figure:
    """Measure whether neighbours (:data:`COHERENCE_STEP` apart) tell each other's class: noise has none."""
    count, height, width = classes.shape
    down, right = COHERENCE_STEP
    index = np.arange(count)[:, None]
    y = rng.integers(0, height - down, (count, _PIXELS_A_CROP))
    x = rng.integers(0, width - right, (count, _PIXELS_A_CROP))
    return agreement(classes[index, y, x], classes[index, y + down, x + right])


def low_level(classes: NDArray[Any], images: NDArray[Any], sigma: float) -> Figure:
    """Measure how much of the classes grey levels tell: I(class; level) / H(class), less its null.

    Parameters
    ----------
    classes : ndarray, shape (N, Y, X), integer
    images : ndarray, shape (N, Y, X)
        Grey values of the same crops.
    sigma : float
        Their blur, px: the audit takes the largest figure over :data:`SIGMAS`.

    Returns
    -------
    Figure
        1 for classes that are nothing but (blurred) grey levels; levels are :data:`BINS` quantiles of equal
        area. Null: the crops' grey levels are exchanged.
    """
    grey = gaussian_filter(images, (0, sigma, sigma)) if sigma else images
    kept, levels = classes[:, ::2, ::2], quantiles(grey[:, ::2, ::2], BINS)
    null = shared_information(kept, np.roll(levels, max(1, len(levels) // 2), axis=0))
    return Figure(shared_information(kept, levels) - null, null, len(classes))


def quantiles(grey: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return the quantile of each grey value, 0 to count - 1; few values give fewer levels."""
    edges = np.quantile(grey, np.linspace(0, 1, count + 1)[1:-1])
    return np.searchsorted(np.unique(edges), grey, side="right")


def effective_classes(counts: NDArray[Any]) -> float:
    """Return exp H of class areas: 1 for one class, K for K of equal area."""
    return float(np.exp(entropy(counts.ravel()))) if counts.sum() else 1.0


def usage(classes: NDArray[Any], slices: NDArray[Any], count: int) -> tuple[Figure, Figure]:
    """Measure how many classes are in use, over all crops and within a slice.

    Parameters
    ----------
    classes : ndarray, shape (N, Y, X), integer
    slices : ndarray, shape (N,)
        Which slice each crop is of.
    count : int
        K.

    Returns
    -------
    over all : Figure
        Reference in place of a null: K, what equal use would give.
    within a slice : Figure
        exp of the mean over slices of H(class | slice). Reference: that over all slices together.
    """
    parts = {z: np.bincount(classes[slices == z].ravel(), minlength=count) for z in np.unique(slices)}
    whole = effective_classes(np.sum(list(parts.values()), axis=0))
    inside = math.exp(float(np.mean([entropy(table) for table in parts.values()])))
    return Figure(whole, float(count), len(classes)), Figure(inside, whole, len(parts))


def squared_difference(p: NDArray[Any], q: NDArray[Any]) -> tuple[float, int]:
    """Return the sum over pixels of Σ_k (p_k - q_k)², and the number of pixels; shapes (K, Y, X).

    For one pixel it lies between 0 and 2 (two certain, different classes).
    """
    difference = (p - q).ravel()
    return float(difference @ difference), p.shape[-1] * p.shape[-2]


def decibel(total: float, count: int) -> float:
    """Return -10 log10 of the mean square total / count, at most :data:`MOST_DECIBEL`.

    The scale of Karras et al. 2021, "Alias-Free Generative Adversarial Networks", for probabilities: 0 dB
    is a mean square, summed over the classes, of 1; -3 dB certain and always different classes.
    """
    mean = total / max(1, count)
    return min(MOST_DECIBEL, -10 * math.log10(max(mean, 10 ** (-MOST_DECIBEL / 10))))
