"""The maps of what a person looks at while they look around, what is in view first."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from napari_dense_ssl.core.events import Beat, Event, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.core.watch import View, Watch
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.map_cache import Map, MapCache
from napari_dense_ssl.predict.predictor import Predictor, check_what
from napari_dense_ssl.volume import Volume

_WAIT = 0.1
"""How long to stand still for a new view before the consumer is asked whether to stop, s."""


def follow(
    volume: Volume,
    predictor: Predictor,
    watch: Watch,
    cache: MapCache,
    *,
    what: Sequence[str] = ("classes", "error"),
) -> Generator[Event]:
    """Compute what is in view and not in the cache yet, then what will be; go on until closed.

    Of each view first the classes of a single forward pass, tile by tile from the middle outwards; then,
    where it was asked for, the error and the classes averaged over all its passes, in the same order; then
    the slices that the view expects next: the classes of all, the error of the first. A new view is
    heeded after the forward pass that is under way; a tile that is in the new view too is finished.

    Parameters
    ----------
    volume : Volume
    predictor : Predictor
    watch : Watch
        Says what is in view; may change at any time, from any thread.
    cache : MapCache
        Of the volume's shape; what is computed is written there before its event is yielded.
    what : sequence of {"classes", "error"}

    Yields
    ------
    Event
        ``Started``; ``Noted`` where the volume differs from the training's; a ``Preview`` for each tile; for
        what is in view ``Step`` s, the last of which has the fraction 1; ``Beat`` else. Never ``Finished``.

    Raises
    ------
    SettingsError
        If something unknown is asked for.
    DeviceMemoryError, VolumeError
        See :meth:`Predictor.parts`.
    """
    check_what(what)
    yield Started("follow", None, "tile", {"device": predictor.device.description, "halo": predictor.halo})
    intensity, notes = predictor.intensity(volume)
    for note in notes:
        yield Noted(note)
    finished: View | None = None
    while True:
        view = watch.view()
        if view is None or view == finished:
            watch.wait(view, _WAIT)
            yield Beat()
            continue
        cache.look(view.box)
        clock = _Clock(predictor, volume, cache, view, what)
        for task in _tasks(view, what):
            boxes = _tiles(predictor, volume, cache, task)
            with closing(predictor.parts(volume, boxes, task.what, intensity)) as parts:
                left = yield from _fill(
                    parts, boxes, volume, cache, watch, view, clock if task.seen else None
                )
            if left:
                break
            if task.last_seen:
                yield clock.finished()
        else:
            finished = view


@dataclass(frozen=True, slots=True)
class _Task:
    """A box of one slice to be filled; whether it is in view, and whether all in view is done with it."""

    box: Box
    what: tuple[str, ...]
    seen: bool
    last_seen: bool = False

    @property
    def map(self) -> Map:
        return "error" if "error" in self.what else "classes"


def _tasks(view: View, what: Sequence[str]) -> list[_Task]:
    quick = ("classes",)
    with_error = "error" in what
    tasks = [_Task(view.box, quick, True, not with_error)]
    if with_error:
        tasks.append(_Task(view.box, tuple(what), True, True))
    tasks += [_Task(view.box.plane(z), quick, False) for z in view.ahead]
    if with_error:
        tasks += [_Task(view.box.plane(z), tuple(what), False) for z in view.ahead[:1]]
    return tasks


def _tiles(predictor: Predictor, volume: Volume, cache: MapCache, task: _Task) -> list[Box]:
    """Return what of a box is missing, in tiles, those first that are nearest to its middle."""
    found = []
    for tile in predictor.layout(task.what).tiles(volume.shape[1:], task.box):
        (y0, y1), (x0, x1) = tile.inner
        z = task.box.start[0]
        missing = cache.missing(Box((z, y0, x0), (z + 1, y1, x1)), task.map)
        if missing is not None:
            found.append(missing)
    middle = [(a + b) / 2 for a, b in zip(task.box.start[1:], task.box.stop[1:], strict=True)]

    def distance(box: Box) -> float:
        ends = zip(box.start[1:], box.stop[1:], middle, strict=True)
        return sum(((a + b) / 2 - m) ** 2 for a, b, m in ends)

    return sorted(found, key=distance)


def _fill(
    parts: Generator[PlanePart | Beat | Noted],
    boxes: Sequence[Box],
    volume: Volume,
    cache: MapCache,
    watch: Watch,
    view: View,
    clock: _Clock | None,
) -> Generator[Event, None, bool]:
    """Write tiles to the cache until all are there or the view has changed; return whether it has."""
    done = 0
    for part in parts:
        if isinstance(part, PlanePart):
            cache.write(part.box, part.classes, part.error, volume.read(part.box)[0])
            done += part.box.size
            z, y, x = part.box.start
            yield Preview(z, part.box, Grid((float(y), float(x))), part.classes, part.error)
            if clock is not None:
                yield clock.tick(part)
        else:
            yield part
        now = watch.view()
        if now != view and not (isinstance(part, Beat) and _still_seen(now, boxes, done, clock)):
            return True
    return False


def _still_seen(now: View | None, boxes: Sequence[Box], done: int, clock: _Clock | None) -> bool:
    """Whether the tile that is being computed is in the new view too: then it is finished first."""
    if now is None or clock is None:
        return False
    for box in boxes:
        done -= box.size
        if done < 0:
            return now.z == box.start[0] and now.box.intersect(box).size > 0
    return False


class _Clock:
    """Counts the forward passes of a view and guesses how long the rest will take."""

    def __init__(
        self, predictor: Predictor, volume: Volume, cache: MapCache, view: View, what: Sequence[str]
    ) -> None:
        self._passes = {task.map: predictor.passes(task.what) for task in _tasks(view, what) if task.seen}
        self._left = {
            task.map: sum(box.size for box in _tiles(predictor, volume, cache, task))
            for task in _tasks(view, what)
            if task.seen
        }
        self._total = self._work
        self._begun = time.perf_counter()
        self._tiles = self._pixels = 0

    @property
    def _work(self) -> int:
        return sum(self._passes[name] * pixels for name, pixels in self._left.items())

    def tick(self, part: PlanePart) -> Step:
        """Record a tile."""
        name: Map = "classes" if part.error is None else "error"
        self._left[name] = max(0, self._left[name] - part.box.size)
        self._tiles += 1
        self._pixels += part.box.size
        seconds = time.perf_counter() - self._begun
        done = self._total - self._work
        return Step(
            index=self._tiles,
            total=None,
            fraction=min(done / max(1, self._total), 0.999),
            seconds_left=seconds * self._work / done if done else None,
            samples_per_second=self._pixels / max(seconds, 1e-9),
        )

    def finished(self) -> Step:
        """Say that all that is in view is there."""
        seconds = time.perf_counter() - self._begun
        return Step(self._tiles, self._tiles, 1.0, 0.0, self._pixels / max(seconds, 1e-9))
