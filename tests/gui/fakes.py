"""Stand-ins for the engine and for prediction: the same events, without learning anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box, Grid

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


class FakePredict:
    """Yields maps of which slice and pixel can be told: classes z + 1, error 0.25 at first."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.error = 0.25
        self.boxes: list[Box] = []
        self.whats: list[tuple[str, ...]] = []
        self.closed = 0

    def view(self, volume: Any, predictor: Any, box: Box, *, what: tuple[str, ...]) -> Iterator[Event]:
        assert threading.current_thread() is not MAIN
        self.boxes.append(box)
        self.whats.append(what)
        try:
            yield Started("predict", box.shape[0], "tile", {"device": "CPU"})
            for index, z in enumerate(range(box.start[0], box.stop[0]), start=1):
                plane = box.plane(z)
                classes = np.full(plane.shape[1:], z + 1, np.uint8)
                error = np.full(plane.shape[1:], self.error, np.float32) if "error" in what else None
                deadline = time.monotonic() + self.seconds
                while time.monotonic() < deadline:
                    time.sleep(0.005)
                    yield Beat()
                yield Preview(z, plane, Grid(tuple(map(float, plane.start[1:]))), classes, error)
                yield Step(index, box.shape[0], index / box.shape[0], 0.0, 1e6)
            yield Finished(None, {"pixels": box.size, "seconds": 1.0})
        finally:
            self.closed += 1
