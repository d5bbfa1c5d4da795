"""Compare two label volumes, wherever they are, a slab at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from napari_dense_ssl.evaluate.compare_job import compare_volumes
from napari_dense_ssl.evaluate.grids import Match
from napari_dense_ssl.evaluate.scores import Scores
from napari_dense_ssl.volume import Volume


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
    match: Match = "auto",
    by_names: bool = False,
    truth_names: Mapping[int, str] | None = None,
) -> Scores:
    """Score a class map, or a segmentation, against truth.

    Reads a few slices at a time, so that the memory needed does not grow with the volume.

    Parameters
    ----------
    prediction, truth : path, Volume or array
        Label volumes of axes Z, Y, X; a 2-D array is one slice. They have the same shape, or both have a
        known voxel size and overlap: the truth is then resampled (nearest). A path may be anything
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
    match : {"auto", "voxels"}
        ``"voxels"`` compares voxel by voxel, whatever the files say of their size and offset.
    by_names : bool
        Score the groups that people made of the classes, each as one label: those with a name by the true
        class of the same name, others by majority.
    truth_names : mapping of int to str, optional
        Names of the truth's labels for that, in place of those that lie beside it (OME-Zarr, samples).

    Raises
    ------
    ScoreError
        If the shapes differ and the places are not known or hardly overlap, the values are no labels, a
        range of slices is empty, no pixel is both predicted and labelled, or names are asked for and are not
        there or do not match.
    VolumeError
        If a path cannot be opened.
    """
    return compare_volumes(
        prediction,
        truth,
        fit=fit,
        score=score,
        named=named,
        label=label,
        match=match,
        tolerance=None,
        by_names=by_names,
        truth_names=truth_names,
    ).scores
