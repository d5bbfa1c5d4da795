"""The tree over a run's classes, from how they meet in a volume: a job of some seconds."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Literal, get_args

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.events import Event, Finished, Noted, Pictured, Started
from napari_dense_ssl.evaluate.class_tree import angle_distances, profile_distances, tree_of
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict.class_meetings import meetings, sampled_boxes
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.progress import Progress
from napari_dense_ssl.volume import Volume

Way = Literal["centres", "confusion"]

WAYS: tuple[Way, ...] = get_args(Way)
"""By the directions of the classes' mean embeddings, or by confusion under the error map's transforms."""

SQUARES = 12
"""How many squares of 256 px are looked at."""


def grow_tree(
    volume: Volume,
    run: RunFolder | Predictor | os.PathLike[str] | str,
    *,
    way: Way = "centres",
    squares: int = SQUARES,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> Generator[Event]:
    """Look at squares of a volume and cluster the classes of a run.

    Parameters
    ----------
    volume : Volume
    run : RunFolder, Predictor or path
        What was trained. A predictor brings its own device and views.
    way : {"centres", "confusion"}
        ``centres``: the mean embeddings of the classes, in units of the spread within classes, their
        directions from the mean of all, joined by Ward's method (1963). ``confusion``: what a pixel of each
        class is taken for when the image is turned, flipped or moved
        (:func:`~napari_dense_ssl.evaluate.class_tree.profile_distances`), joined by the farthest pair; takes
        ten times as long and is no better (docs/classes.md).
    squares : int
        How many squares of 256 px are looked at.
    seed : int
        Where they lie.
    device, precision : str
        See :func:`~napari_dense_ssl.model.device.choose_device`.

    Yields
    ------
    Event
        ``Started`` (counting passes), ``Noted``, ``Step`` and ``Beat``, a ``Pictured`` with the
        :class:`~napari_dense_ssl.core.class_tree.ClassTree`, ``Finished`` without a path.

    Raises
    ------
    RunError, DeviceError, DeviceMemoryError, VolumeError
        See :class:`~napari_dense_ssl.predict.predictor.Predictor`.
    SettingsError
        If the way is unknown.
    ClassesError
        If the run has one class only.
    """
    if way not in WAYS:
        raise SettingsError(f"There is no way {way!r} to order classes; choose of {', '.join(WAYS)}.")
    predictor = run if isinstance(run, Predictor) else Predictor.open(_run(run), device, precision)
    transforms = way == "confusion"
    what = ("classes", "error") if transforms else ("classes",)
    boxes = sampled_boxes(volume, predictor.layout(what), squares, seed)
    total = predictor.count(volume, boxes, what) * predictor.passes(what)
    yield Started(
        "tree", total, "pass", {"device": predictor.device.description, "squares": len(boxes), "way": way}
    )
    for note in predictor.intensity(volume)[1]:
        yield Noted(note)
    progress = Progress(total, sum(box.size for box in boxes))
    looking = meetings(predictor, volume, boxes, transforms=transforms)
    while True:
        try:
            beat = next(looking)
        except StopIteration as end:
            found = end.value
            break
        yield beat
        yield progress.step(sum(box.size for box in boxes) // total)
    used = found.pixels > 0
    if transforms:
        tree = tree_of(profile_distances(found.counts), used, joining="complete", way=way)
    else:
        tree = tree_of(angle_distances(*found.centres()), used, joining="ward", way=way)
    if not used.all():
        yield Noted(
            f"{int((~used).sum())} classes did not occur; each was joined to the class nearest to it."
        )
    yield Pictured(total, tree)
    yield Finished(
        None, {"classes": tree.classes, "occur": int(used.sum()), "seconds": round(progress.seconds, 3)}
    )


def _run(run: RunFolder | os.PathLike[str] | str) -> RunFolder | Path:
    return run if isinstance(run, RunFolder) else Path(run)
