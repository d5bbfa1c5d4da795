"""Comparing with truth as a generator of events: one reading for the table, one for the boundaries."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.core.events import Event, Finished, Noted, Pictured, Started, Step
from napari_dense_ssl.evaluate.boundaries import CLASSES_MOST, Met, boundaries_met
from napari_dense_ssl.evaluate.by_names import called_alike, grouped
from napari_dense_ssl.evaluate.clock import Clock
from napari_dense_ssl.evaluate.comparison import Comparison, SliceScores
from napari_dense_ssl.evaluate.grids import Match, on_grid_of
from napari_dense_ssl.evaluate.label_sources import LabelSource, label_source
from napari_dense_ssl.evaluate.scores import Scores, overlaps, score_tables
from napari_dense_ssl.evaluate.tables import Contingency, contingency
from napari_dense_ssl.evaluate.tolerance import TWO_PIXELS, Tolerance

_SLAB_PIXELS = 1 << 24
"""Pixels of a slab: whole chunks of several slices are then read once, within some 200 MB."""

_KEPT_CELLS = 10_000_000
"""Cells of single slices' tables that are kept for the curves, some 300 MB."""


def comparing(
    prediction: Any,
    truth: Any,
    *,
    fit: slice | None = None,
    score: slice | None = None,
    named: bool = False,
    label: str | None = None,
    match: Match = "auto",
    tolerance: Tolerance | None = TWO_PIXELS,
    by_names: bool = False,
    truth_names: Mapping[int, str] | None = None,
) -> Generator[Event]:
    """Compare a class map, or a segmentation, with truth; reads a few slices at a time.

    Parameters
    ----------
    prediction, truth, fit, score, named, label, by_names, truth_names
        See :func:`~napari_dense_ssl.evaluate.evaluate`.
    match : {"auto", "voxels"}
        Whether a truth on another grid is resampled to the prediction's, see
        :func:`~napari_dense_ssl.evaluate.grids.on_grid_of`.
    tolerance : Tolerance or None
        Within which boundaries are met; None to leave them out and read the volumes once only.

    Yields
    ------
    Event
        ``Started``, ``Noted`` where there is something to know, ``Step`` after each slice, ``Pictured`` with
        the :class:`~napari_dense_ssl.evaluate.Comparison`, ``Finished`` with the main figures.

    Raises
    ------
    ScoreError
        If the two cannot be compared: other shapes, hardly an overlap, no labels, nothing in common, no
        names where they are to be compared by them.
    VolumeError
        If a path cannot be opened.
    """
    label = label or ("segmentation" if named else "classes")
    if named and by_names:
        raise ScoreError("The truth's own labels need no names; compare by labels or by names, not by both.")
    predicted = label_source(prediction, label, "the prediction")
    if by_names:
        predicted = grouped(predicted)
    true, note = on_grid_of(predicted, label_source(truth, label, "the truth"), match)
    notes = [note] if note else []
    given: dict[int, int] = {}
    if by_names:
        given, sentence = called_alike(predicted, true, truth_names)
        notes.append(sentence)
    depth = predicted.shape[0]
    scored = _range(score, depth, "score")
    named_on = _range(fit, depth, "fit") if fit is not None else scored
    reach = tolerance.reach(predicted.voxel_size) if tolerance is not None else None
    planes = sorted({*scored, *named_on})
    clock = Clock(len(planes) + (len(scored) if reach else 0))
    details = {"prediction": predicted.name, "truth": true.name}
    yield Started("evaluate", clock.total, "slice", details)
    yield from (Noted(text) for text in notes)
    on_score, on_fit, of_slices = yield from _counted(predicted, true, planes, scored, named_on, clock)
    scores = score_tables(on_score, on_fit, named=named, given=given)
    met: dict[int, Met] = {}
    boundary, classes = None, dict[int, Met]()
    if reach is not None:
        for z, whole, each in _bounded(predicted, true, scored, reach, scores, on_score, named):
            met[z] = whole
            boundary = whole if boundary is None else boundary + whole
            for key, one in each.items():
                classes[key] = classes.get(key, Met()) + one
            yield clock.step(1)
    if of_slices is None:
        notes.append("The labels are too many for figures of single slices; those of the whole are complete.")
        yield Noted(notes[-1])
    lines = tuple(_slice_scores(z, t, scores, met.get(z)) for z, t in (of_slices or {}).items())
    result = Comparison(
        scores=scores,
        table=on_score,
        slices=lines,
        tolerance=tolerance,
        boundary=boundary,
        boundary_classes=classes,
        prediction=predicted.name,
        truth=true.name,
        fit=tuple(named_on),
        score=tuple(scored),
        notes=tuple(notes),
    )
    yield Pictured(clock.total, result)
    main = ("mi_frac", "miou", "ami", "ari", "voi_split", "voi_merge")
    yield Finished(None, {name: float(getattr(scores, name)) for name in main})


def compare_volumes(prediction: Any, truth: Any, **keywords: Any) -> Comparison:
    """Compare to the end and return what was found; see :func:`comparing`."""
    for event in comparing(prediction, truth, **keywords):
        if isinstance(event, Pictured):
            result: Comparison = event.picture
    return result


def _counted(
    predicted: LabelSource,
    true: LabelSource,
    planes: list[int],
    scored: range,
    named_on: range,
    clock: Clock,
) -> Generator[Step, None, tuple[Contingency, Contingency, dict[int, Contingency] | None]]:
    """Count both labels in the score and the fit slices, and keep the tables of the score slices."""
    on_score, on_fit = Contingency.empty(), Contingency.empty()
    of_slices: dict[int, Contingency] | None = {}
    kept = 0
    for slab in slabs(planes, predicted.shape[1] * predicted.shape[2]):
        p, t = predicted.planes(slab), true.planes(slab)
        for z, own, other in zip(range(slab.start, slab.stop), p, t, strict=True):
            table = contingency(own, other)
            if z in scored:
                on_score += table
                kept += table.counts.nnz
                if kept > _KEPT_CELLS:
                    of_slices = None
                elif of_slices is not None and table.total:
                    of_slices[z] = table
            if z in named_on:
                on_fit += table
            yield clock.step(1)
    return on_score, on_fit, of_slices


def _bounded(
    predicted: LabelSource,
    true: LabelSource,
    scored: range,
    reach: tuple[float, float],
    scores: Scores,
    table: Contingency,
    named: bool,
) -> Iterator[tuple[int, Met, dict[int, Met]]]:
    """Compare the boundaries slice by slice; classes are named first, things (cells) are left as they are."""
    few = len(table.truth) <= CLASSES_MOST
    classes = tuple(int(t) for t in table.truth) if few else ()
    labels = np.array(sorted(scores.names), np.int64)
    names = np.array([scores.names[int(k)] for k in labels], np.int64)
    for slab in slabs(sorted(scored), predicted.shape[1] * predicted.shape[2]):
        for z, own, other in zip(
            range(slab.start, slab.stop), predicted.planes(slab), true.planes(slab), strict=True
        ):
            given = own if named or not few else _renamed(own, labels, names)
            yield z, *boundaries_met(given, other, reach, classes)


def _renamed(plane: NDArray[Any], labels: NDArray[np.int64], names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each class its name; 0 stays 0, and what has no name becomes one class that no truth has."""
    plane = plane.astype(np.int64)
    place = np.minimum(np.searchsorted(labels, plane), len(labels) - 1)
    known = labels[place] == plane
    return np.where(known, names[place], np.where(plane == 0, 0, -1))


def _slice_scores(z: int, table: Contingency, scores: Scores, met: Met | None) -> SliceScores:
    given = np.array([scores.names.get(int(p), -1) for p in table.predicted], np.int64)
    place = np.searchsorted(table.truth, given)
    place = np.where(np.isin(given, table.truth), place, -1)
    iou, dice = overlaps(table.counts, place, table.truth)
    cells = table.counts.tocoo()
    right = int(cells.data[place[cells.row] == cells.col].sum())
    return SliceScores(
        z,
        table.total,
        float(np.mean(list(iou.values()))),
        float(np.mean(list(dice.values()))),
        right / table.total,
        None if met is None else met.fscore,
    )


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


def slabs(planes: list[int], plane_pixels: int) -> Iterator[slice]:
    """Join neighbouring planes (ascending) into slabs of bounded size."""
    most = max(1, _SLAB_PIXELS // max(1, plane_pixels))
    start = planes[0]
    for before, z in zip(planes, [*planes[1:], None], strict=True):
        if z is None or z != before + 1 or z - start >= most:
            yield slice(start, before + 1)
            if z is not None:
                start = z
