"""Compare two label volumes, wherever they are, a slab at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate.scores import Scores, score_tables
from napari_dense_ssl.evaluate.tables import Contingency, contingency
from napari_dense_ssl.volume import Volume, open_volume

_SLAB_PIXELS = 1 << 24
"""Pixels of a slab: whole chunks of several slices are then read once, within some 200 MB."""


def score_classes(
    pred: NDArray[Any],
    truth: NDArray[Any],
    fit: slice | None = None,
    score: slice | None = None,
    *,
    named: bool = False,
) -> Scores:
    """Score a class map that is in memory; see :func:`evaluate`."""
    return evaluate(pred, truth, fit=fit, score=score, named=named)


def evaluate(
    prediction: str | os.PathLike[str] | Volume | Any,
    truth: str | os.PathLike[str] | Volume | Any,
    *,
    fit: slice | None = None,
    score: slice | None = None,
    named: bool = False,
    label: str | None = None,
) -> Scores:
    """Score a class map, or a segmentation, against truth.

    Reads a few slices at a time, so that the memory needed does not grow with the volume.

    Parameters
    ----------
    prediction, truth : path, Volume or array
        Label volumes of axes Z, Y, X and the same shape; a 2-D array is one slice. A path may be anything
        that :func:`~napari_dense_ssl.volume.open_volume` opens (``sample:em-labels`` too), or an OME-Zarr
        that holds a ``labels`` group, such as our predictions. 0 is 'not predicted' in the prediction and
        'unlabelled' in the truth; both are left out.
    fit : slice, optional
        Slices that the predicted classes are named on; by default the score slices.
    score : slice, optional
        Slices that are scored; by default all.
    named : bool
        The prediction already holds the truth's labels.
    label : str, optional
        Which label image of an OME-Zarr to score; by default ``segmentation`` where `named`, else
        ``classes``.

    Raises
    ------
    ScoreError
        If the shapes differ, the values are no labels, a range of slices is empty, or no pixel is both
        predicted and labelled.
    VolumeError
        If a path cannot be opened.
    """
    label = label or ("segmentation" if named else "classes")
    predicted, true = open_labels(prediction, label), open_labels(truth, label)
    if tuple(predicted.shape) != tuple(true.shape):
        raise ScoreError(
            f"The prediction has the shape {tuple(predicted.shape)}, the truth {tuple(true.shape)} "
            "(Z, Y, X); compare volumes of the same shape: a prediction of a region keeps the shape of its "
            "whole volume, so cut the truth in no other way."
        )
    score_range = _range(score, true.shape[0], "score")
    fit_range = _range(fit, true.shape[0], "fit") if fit is not None else score_range
    on_score, on_fit = Contingency.empty(), Contingency.empty()
    for planes in _slabs(sorted({*score_range, *fit_range}), true.shape[1] * true.shape[2]):
        p, t = np.asarray(predicted[planes]), np.asarray(true[planes])
        kept = range(planes.start, planes.stop)
        rows = [np.isin(kept, chosen) for chosen in (score_range, fit_range)]
        if rows[0].all() and rows[1].all():
            table = contingency(p, t)
            on_score, on_fit = on_score + table, on_fit + table
            continue
        on_score += contingency(p[rows[0]], t[rows[0]])
        on_fit += contingency(p[rows[1]], t[rows[1]])
    return score_tables(on_score, on_fit, named=named)


def open_labels(source: Any, label: str) -> Any:
    """Return something of shape ``(Z, Y, X)`` that is cut with slices of planes; see :func:`evaluate`."""
    if isinstance(source, Volume):
        return source.data
    if isinstance(source, str | os.PathLike):
        inside = Path(os.fspath(source)) / "labels"
        if inside.is_dir():
            if not (inside / label).is_dir():
                held = ", ".join(sorted(p.name for p in inside.iterdir() if p.is_dir())) or "none"
                raise ScoreError(f"{os.fspath(source)} has no label image named {label!r}; it holds: {held}.")
            return open_volume(str(inside / label)).data
        return open_volume(source).data
    array = source if hasattr(source, "shape") else np.asarray(source)
    if len(array.shape) == 2:
        array = array[None]
    if len(array.shape) != 3:
        raise ScoreError(
            f"Labels have the axes Z, Y, X (or Y, X), but an array of shape {tuple(array.shape)} came; "
            "choose one channel and one time point."
        )
    return array


def _range(chosen: slice | None, length: int, use: str) -> range:
    planes = range(length)[chosen if chosen is not None else slice(None)]
    if len(planes) == 0:
        raise ScoreError(
            f"The range of slices to {use}, {_text(chosen)}, holds none of the volume's {length}; "
            f"choose one within 0:{length}."
        )
    return planes


def _text(chosen: slice | None) -> str:
    if chosen is None:
        return ":"
    return f"{'' if chosen.start is None else chosen.start}:{'' if chosen.stop is None else chosen.stop}"


def _slabs(planes: list[int], plane_pixels: int) -> Iterator[slice]:
    """Join neighbouring planes into slabs of bounded size."""
    most = max(1, _SLAB_PIXELS // max(1, plane_pixels))
    start = planes[0]
    for before, z in zip(planes, [*planes[1:], None], strict=True):
        if z is None or z != before + 1 or z - start >= most:
            yield slice(start, before + 1)
            if z is not None:
                start = z
