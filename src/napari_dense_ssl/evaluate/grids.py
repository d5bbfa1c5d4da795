"""Bringing a truth onto the voxels of a prediction: the same grid, a resampled one, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate.label_sources import LabelSource

Match = Literal["auto", "voxels"]

_SAME_SIZE = 0.01
"""Voxel sizes that differ by less than this share are the same: files round them."""

_SAME_PLACE = 0.5
"""Origins that differ by less than half a voxel lie on the same grid."""

_LEAST_OVERLAP = 0.5
"""Share of the smaller one's extent, along each axis, that must lie in the larger one."""


class Resampled:
    """Labels on another grid, the nearest voxel each; 0 outside of them. Read where they are asked for.

    Parameters
    ----------
    source : array-like, shape (Z, Y, X)
    indices : tuple of ndarray
        For each voxel of the grid along Z, Y and X the source's own; below 0 outside.
    """

    def __init__(self, source: Any, indices: tuple[NDArray[np.intp], ...]) -> None:
        self._source, self._indices = source, indices
        self.shape = tuple(len(axis) for axis in indices)
        self.dtype = np.dtype(source.dtype)

    def __getitem__(self, planes: slice) -> NDArray[Any]:
        wanted, rows, columns = self._indices[0][planes], *self._indices[1:]
        result = np.zeros((len(wanted), len(rows), len(columns)), self.dtype)
        y, x = _inside(rows), _inside(columns)
        z = np.unique(wanted[wanted >= 0])
        if not len(z) or y is None or x is None:
            return result
        window = (slice(y[0], y[1]), slice(x[0], x[1]))
        near = z[-1] + 1 - z[0] <= 2 * len(z)
        block = np.asarray(self._source[(slice(int(z[0]), int(z[-1]) + 1), *window)]) if near else None
        to = np.ix_(rows >= 0, columns >= 0)
        out = np.ix_(rows[rows >= 0] - y[0], columns[columns >= 0] - x[0])
        for plane in z:
            own = (
                block[plane - z[0]]
                if block is not None
                else np.asarray(self._source[(slice(int(plane), int(plane) + 1), *window)])[0]
            )
            taken = own[out]
            for k in np.flatnonzero(wanted == plane):
                result[k][to] = taken
        return result


def _inside(indices: NDArray[np.intp]) -> tuple[int, int] | None:
    kept = indices[indices >= 0]
    return (int(kept.min()), int(kept.max()) + 1) if len(kept) else None


def on_grid_of(prediction: LabelSource, truth: LabelSource, match: Match = "auto") -> tuple[LabelSource, str]:
    """Return a truth on the grid of a prediction, and a sentence where it had to be resampled.

    Parameters
    ----------
    prediction, truth : LabelSource
    match : {"auto", "voxels"}
        ``"auto"`` goes by the place in the world where both are known, ``"voxels"`` compares voxel by voxel
        whatever the files say of their size.

    Raises
    ------
    ScoreError
        If the shapes differ and the places are not known (or not asked about), or the two hardly overlap.
    """
    same_shape = prediction.shape == truth.shape
    size, own = prediction.voxel_size, truth.voxel_size
    if match == "voxels" or size is None or own is None:
        if same_shape:
            return truth, ""
        raise ScoreError(_other_shape(prediction, truth, asked=match == "voxels"))
    sizes, owns = np.asarray(size, float), np.asarray(own, float)
    ratio = owns / sizes
    shift = (np.asarray(truth.translation) - np.asarray(prediction.translation)) / sizes
    if same_shape and np.all(np.abs(ratio - 1) < _SAME_SIZE) and np.all(np.abs(shift) < _SAME_PLACE):
        return truth, ""
    _check_overlap(prediction, truth, ratio, shift)
    indices = []
    for length, other, by, moved in zip(prediction.shape, truth.shape, ratio, shift, strict=True):
        # the same grid moved by whole voxels must not fall between two of them
        nearest = np.floor((np.arange(length) - moved) / by + 0.5 + 1e-9).astype(np.intp)
        indices.append(np.where((nearest >= 0) & (nearest < other), nearest, -1))
    kept = [float(np.mean(axis >= 0)) for axis in indices]
    note = (
        f"The truth lies on another grid ({_grid(truth)}) than the prediction ({_grid(prediction)}): each "
        f"voxel of the prediction is compared with the truth's nearest; the truth covers "
        f"{np.prod(kept):.0%} of it."
    )
    aligned = replace(
        truth,
        array=Resampled(truth.array, tuple(indices)),
        voxel_size=size,
        translation=prediction.translation,
    )
    return aligned, note


def _check_overlap(
    prediction: LabelSource, truth: LabelSource, ratio: NDArray[np.float64], shift: NDArray[np.float64]
) -> None:
    """Refuse what hardly overlaps; all in voxels of the prediction, from edge to edge."""
    low = np.maximum(-0.5, shift - 0.5 * ratio)
    lengths, others = np.asarray(prediction.shape, float), np.asarray(truth.shape, float) * ratio
    high = np.minimum(lengths - 0.5, shift - 0.5 * ratio + others)
    share = np.maximum(0, high - low) / np.minimum(lengths, others)
    if share.min() < _LEAST_OVERLAP:
        axis = "ZYX"[int(share.argmin())]
        raise ScoreError(
            f"Prediction and truth hardly overlap: along {axis} {share.min():.0%} of the smaller one. The "
            f"prediction has {_place(prediction)}, the truth {_place(truth)}. Correct the voxel size or the "
            "offset of the wrong one, or compare voxel by voxel where their voxels are the same after all "
            "(--voxel-by-voxel)."
        )


def _grid(source: LabelSource) -> str:
    return f"{_numbers(source.voxel_size or ())} nm, from {_numbers(source.translation)} nm"


def _place(source: LabelSource) -> str:
    return f"{' x '.join(map(str, source.shape))} voxels of {_grid(source)}"


def _numbers(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:.6g}" for value in values)


def _other_shape(prediction: LabelSource, truth: LabelSource, *, asked: bool) -> str:
    start = (
        f"The prediction has the shape {prediction.shape}, the truth {truth.shape} (Z, Y, X); compare "
        "volumes of the same shape: a prediction of a region keeps the shape of its whole volume, so cut the "
        "truth in no other way"
    )
    if asked:
        return f"{start}. To go by their place in the world, leave --voxel-by-voxel out."
    unknown = " and ".join(s.name for s in (prediction, truth) if s.voxel_size is None)
    return (
        f"{start}. Volumes of other shapes can be compared where both files give voxel size and offset, but "
        f"none is known of: {unknown}."
    )
