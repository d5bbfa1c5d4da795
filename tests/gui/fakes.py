"""Stand-ins for the engine and for prediction: the same events, without learning anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.predict.windows import Layout, windows

MAIN = threading.main_thread()


class FakeTrain:
    """Trains nothing, and remembers what it was asked for; `views` are what it was shown.

    What is put into `extra` is told with the next steps; `fails` is raised with the next one.
    """

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps
        self.calls: list[tuple[Any, Path, Any]] = []
        self.views: list[Any] = []
        self.closed_in: list[threading.Thread] = []
        self.resumed: list[bool] = []
        self.extra: list[Event] = []
        self.fails: Exception | None = None
        self.count = 0

    def __call__(
        self, volume: Any, out: Path, settings: Any, *, watch: Any = None, resume: bool = False
    ) -> Iterator[Event]:
        assert threading.current_thread() is not MAIN
        self.calls.append((volume, out, settings))
        self.resumed.append(resume)
        return self._events(out, watch)

    def _events(self, out: Path, watch: Any) -> Iterator[Event]:
        checkpoint = out / "checkpoints" / "step-1"
        try:
            yield Started("train", self.steps, "step", {"device": "CPU"})
            yield Noted("Generation 0 begins.")
            while self.steps is None or self.count < self.steps:
                self.count += 1
                time.sleep(0.005)
                if self.extra:
                    yield self.extra.pop(0)
                if self.fails is not None:
                    raise self.fails
                losses = {"hidden": 3.0 / self.count, "agreement": 0.5}
                yield Step(self.count, self.steps, self.count / (self.steps or 1000), 60.0, 10.0, losses)
                view = watch.view()
                if view is not None and self.count % 5 == 0:
                    self.views.append(view)
                    box = view.box
                    classes = np.full(box.shape[1:], 1 + view.z, np.uint8)
                    yield Preview(
                        view.z, box, Grid(tuple(map(float, box.start[1:]))), classes, step=self.count
                    )
                yield Beat()
            yield Finished(out, {"steps": self.count})
        finally:
            self.closed_in.append(threading.current_thread())
            checkpoint.mkdir(parents=True, exist_ok=True)
            (out / "settings.yaml").write_text("{}")


class FakePredictor:
    """Stands in for a network: classes z + 1, error 0.25 at first, tiles of 64 px; takes `seconds` a pass.

    `boxes` and `whats` are what was computed, tile by tile.
    """

    halo = 8
    run = None

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.error: float | np.ndarray[Any, Any] = 0.25
        self.boxes: list[Box] = []
        self.whats: list[tuple[str, ...]] = []
        self.started = self.closed = 0
        self.device = SimpleNamespace(description="CPU", kind="cpu")

    def for_viewing(self) -> FakePredictor:
        return self

    def passes(self, what: Sequence[str]) -> int:
        return 3 if "error" in what else 1

    def layout(self, what: Sequence[str]) -> Layout:
        return Layout(64, self.halo, 8)

    def count(self, volume: Any, boxes: Iterable[Box], what: Sequence[str]) -> int:
        return sum(box.shape[0] * len(self.layout(what).tiles(volume.shape[1:], box)) for box in boxes)

    def intensity(self, volume: Any) -> tuple[Any, tuple[str, ...]]:
        return None, ()

    def parts(
        self, volume: Any, boxes: Iterable[Box], what: Sequence[str], intensity: Any = None
    ) -> Generator[PlanePart | Beat]:
        assert threading.current_thread() is not MAIN
        self.started += 1
        try:
            for window in windows(boxes, volume.shape[1:], self.layout(what)):
                for _ in range(self.passes(what)):
                    deadline = time.monotonic() + self.seconds
                    while time.monotonic() < deadline:
                        time.sleep(0.005)
                        yield Beat()
                    yield Beat()
                box = window.box
                self.boxes.append(box)
                self.whats.append(tuple(what))
                shape = box.shape[1:]
                error = None
                if "error" in what:
                    error = np.broadcast_to(np.asarray(self.error, np.float32), volume.shape[1:])
                    error = np.ascontiguousarray(error[box.slices[1:]])
                classes = np.full(shape, box.start[0] + 1, np.uint8)
                yield PlanePart(box, classes, np.ones(shape, np.float32), error)
        finally:
            self.closed += 1

    def seen(self, z: int) -> int:
        """Return how many tiles of a slice were computed."""
        return sum(box.start[0] == z for box in self.boxes)
