"""Scores against truth on the audited slices, beside what grey levels alone would tell."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.tiles import tiles
from napari_dense_ssl.evaluate.audit_crops import AuditedPart
from napari_dense_ssl.evaluate.audit_figures import quantiles
from napari_dense_ssl.evaluate.audit_passes import Encode
from napari_dense_ssl.evaluate.audit_result import TruthScores
from napari_dense_ssl.evaluate.scores import score_tables
from napari_dense_ssl.evaluate.tables import Contingency, contingency
from napari_dense_ssl.volume import Intensity, Volume

_MOST_SLICES = 4
_MOST_EDGE = 1024
_WINDOW = 256
"""Edge of a tile, px; larger where the halo asks for it."""


def audited_truth(
    encode: Encode,
    volume: Volume,
    labels: Any,
    part: AuditedPart,
    intensity: Intensity,
    *,
    multiple: int,
    halo: int,
    levels: int,
    slices: int = 1,
) -> Generator[Beat | int | TruthScores]:
    """Predict at most four labelled slices tile by tile and score them.

    Parameters
    ----------
    labels : array, shape (Z, Y, X)
        0 for unlabelled.
    multiple, halo : int
        Total stride of the encoder, and the margin that is thrown away, px.
    levels : int
        Quantiles of intensity that the classes are compared with.
    slices : int
        C, the neighbouring slices that the encoder sees at once.
    encode, volume, part, intensity
        See :func:`~napari_dense_ssl.evaluate.audit_job.audit_encoder`.

    Yields
    ------
    Beat, int or TruthScores
        After each tile how many pixels it was; the scores last.

    Raises
    ------
    ScoreError
        If no audited slice is labelled.
    """
    middle = _middle(part.box)
    labelled = []
    for z in part.slices:
        if np.asarray(labels[middle.plane(z).slices]).any():
            labelled.append(z)
        yield Beat()
    if not labelled:
        raise ScoreError(
            f"The truth labels nothing in the audited slices {part.slices[0]} to {part.slices[-1]}; choose a "
            "region that is labelled with --roi."
        )
    chosen = [
        labelled[i] for i in np.unique(np.linspace(0, len(labelled) - 1, _MOST_SLICES).round().astype(int))
    ]
    tables, truths, greys = Contingency.empty(), [], []
    for z in chosen:
        box = middle.plane(z)
        stack = intensity.normalise(volume.read_around(box, slices // 2))
        truth = np.asarray(labels[box.slices])
        classes = yield from _plane(encode, stack, multiple=multiple, halo=halo)
        tables = tables + contingency(classes[None] + np.int64(1), truth)
        truths.append(truth)
        greys.append(stack[slices // 2])
    truth = np.concatenate(truths)
    control = contingency(quantiles(np.stack(greys), levels) + 1, truth)
    yield Beat()
    yield TruthScores(score_tables(tables), score_tables(control).mi_frac, tuple(chosen))


def truth_pixels(part: AuditedPart) -> int:
    """Return how many pixels are scored at most."""
    return min(_MOST_SLICES, len(part.slices)) * _middle(part.box).plane(part.slices[0]).size


def _plane(
    encode: Encode, stack: NDArray[np.float32], *, multiple: int, halo: int
) -> Generator[int, None, NDArray[np.uint8]]:
    """Yield the pixels of each tile that is done; return the classes (Y, X), 0 to K - 1, of (C, Y, X)."""
    height, width = shape = (stack.shape[1], stack.shape[2])
    classes = np.zeros(shape, np.uint8)
    window = -(-max(_WINDOW, 4 * halo) // multiple) * multiple
    for tile in tiles(shape, ((0, height), (0, width)), window=window, halo=halo, multiple=multiple):
        (y0, y1), (x0, x1) = tile.outer
        pixels = stack[:, y0:y1, x0:x1]
        missing = ((0, 0), (0, y1 - y0 - pixels.shape[1]), (0, x1 - x0 - pixels.shape[2]))
        pixels = np.pad(pixels, missing, mode="symmetric")
        best = encode(np.ascontiguousarray(pixels[None]))[0].argmax(0)
        kept = best[tile.crop_slices]
        classes[tile.inner_slices] = kept
        yield kept.size
    return classes


def _middle(box: Box) -> Box:
    """Cut a box down to its middle 1024 x 1024 px."""
    (z0, *low), (z1, *high) = box.start, box.stop
    for axis in (0, 1):
        surplus = max(0, high[axis] - low[axis] - _MOST_EDGE)
        low[axis] += surplus // 2
        high[axis] = min(high[axis], low[axis] + _MOST_EDGE)
    return Box((z0, low[0], low[1]), (z1, high[0], high[1]))
