# ruff: noqa: I001  torch is imported before the window, on purpose
"""How the window answers while it trains and predicts, through the docks of a real napari.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python benchmarks/responsiveness.py [VOLUME]
        [--seconds 30] [--threads 1,2] [--slices 5] [--quick] [--strict] [--json FILE]

All in one process, so that the ratios hold on a noisy machine:

1. The lateness of a 10 ms timer while a slice changes every half second: in the idle window, while the Train
   dock trains with its live map, while the Classes dock computes each new slice, and while it predicts the
   whole volume. Each is compared with the idle window that shows the same layers, and with the image alone.
2. The time from a slice change to its class map on the canvas, against the bare forward pass of the tiles in
   view by the same network on as many threads: with the worker at rest, and while it computes the error of
   the slice before; and on coming back to a slice.
3. Training speed while somebody watches (live map, slice changes), while they only scroll through the raw
   slices, and while nobody does anything, in turn: what scrolling alone costs is napari's drawing.

Each figure is printed with its aim; with --strict a missed one ends with status 1. --quick takes seconds,
with a network and a volume so small that its figures mean nothing: it shows that the script runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch  # software OpenGL and triton each bring an LLVM of their own: triton's has to come first
import torchvision  # noqa: F401
import napari
import numpy as np
import platformdirs
from napari_dense_ssl.core.events import Beat, Event, Preview, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.follower import LIMIT
from napari_dense_ssl.gui.job import Job, close_all
from napari_dense_ssl.gui.views import view_of
from napari_dense_ssl.volume import open_volume, write_volume
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget

PERIOD = 0.010  # s, of the timer whose lateness is measured
CHANGE = 0.5  # s between two slices
STRIDE = 7  # slices from one that is measured to the next: beyond those that are computed ahead
LATE_AIM, LATE_MS, MAP_AIM, WATCHED_AIM = 1.3, 50.0, 1.5, 0.05

SMALL = {
    "encoder": {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4},
    "sampler": {"crop": 32, "view_shift": 16, "block": 64, "batch": 4, "pool": 4, "reuse": 4},
    "objective": {"codebook_pixels": 2000, "mask_size": 8},
}


@dataclass(frozen=True)
class Figure:
    """A number with what it should not exceed; an aim of None is none."""

    name: str
    value: float
    unit: str = ""
    aim: float | None = None

    @property
    def met(self) -> bool:
        """A number that is none meets nothing."""
        return self.aim is None or self.value <= self.aim

    def __str__(self) -> str:
        aim = "" if self.aim is None else f"<= {self.aim:g}".ljust(10) + ("met" if self.met else "missed")
        return f"{self.name:68s}{self.value:9.2f} {self.unit:8s}{aim}".rstrip()


def lateness_figures(name: str, busy: dict[str, float], same: dict[str, float], alone: dict[str, float]):
    """Judge a busy window against the idle one that shows the same layers."""
    ratio = busy["p99"] / same["p99"]
    # Where the idle window is later than that, rendering does not allow it.
    most = LATE_MS if same["p99"] <= LATE_MS else None
    return [
        Figure(f"{name}: p99 over the idle window's", ratio, "", LATE_AIM),
        Figure(f"{name}: p99 over the idle window's with the image alone", busy["p99"] / alone["p99"]),
        Figure(f"{name}: p50", busy["p50"], "ms"),
        Figure(f"{name}: p99", busy["p99"], "ms", most),
        Figure(f"{name}: max", busy["max"], "ms"),
    ]


class Lateness:
    """Records how late a 10 ms timer fires, while slices change."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer, self.late = viewer, []
        self.busy = 0.0
        self._last = time.perf_counter()
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(int(1000 * PERIOD))
        self.timer.timeout.connect(self._tick)
        self.slices = QTimer()
        self.slices.setInterval(int(1000 * CHANGE))
        self.slices.timeout.connect(self._next_slice)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._last - PERIOD))
        self._last = now

    def _next_slice(self) -> None:
        depth = int(self.viewer.dims.nsteps[0])
        self.viewer.dims.set_current_step(0, (self.viewer.dims.current_step[0] + 1) % depth)

    def record(self, seconds: float) -> list[float]:
        """Return the latenesses, s; `busy` is the share of the time that the window's thread computed."""
        cpu, begun = time.thread_time(), time.perf_counter()
        self._last, self.late = begun, []
        self.timer.start()
        self.slices.start()
        QTest.qWait(int(1000 * seconds))
        self.timer.stop()
        self.slices.stop()
        self.busy = (time.thread_time() - cpu) / (time.perf_counter() - begun)
        return self.late


def percentiles(late: list[float]) -> dict[str, float]:
    p50, p99 = 1000 * np.percentile(late, (50, 99))
    return {"p50": float(p50), "p99": float(p99), "max": 1000 * max(late)}


def say(text: str) -> None:
    """Tell on standard error what is being done: a run takes minutes."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 300, poll_ms: int = 20) -> None:
    """Let the window live until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        QTest.qWait(poll_ms)


class Bench:
    """A napari window with an image and our docks."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        say(f"writing {options.volume}")
        volume = open_volume(options.volume)
        write_volume(folder / "volume.zarr", np.asarray(volume.data), tuple(volume.voxel_size))
        say("opening the window")
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1280, 800)
        self.viewer.open(str(folder / "volume.zarr"), plugin="napari-dense-ssl")
        self.image = self.viewer.layers[0]
        self.train = self.dock("Train")
        self.classes = self.dock("Classes")
        QTest.qWait(500 if options.quick else 3000)
        self.lateness = Lateness(self.viewer)
        self.figures: list[Figure] = []
        self.rows: dict[str, Any] = {}

    def dock(self, name: str) -> Any:
        _, widget = self.viewer.window.add_plugin_dock_widget("napari-dense-ssl", name, tabify=True)
        return widget

    def front(self, dock: Any) -> None:
        """Put a dock before the one in whose place it stands."""
        frame = dock.parent()
        while not isinstance(frame, QDockWidget):
            frame = frame.parent()
        frame.raise_()

    def found(self, *figures: Figure) -> None:
        """Keep figures, and tell them at once: who loses patience has seen them."""
        self.figures += figures
        for figure in figures:
            say(str(figure))

    def idle(self, name: str) -> dict[str, float]:
        say(name)
        self.rows[name] = self.record()
        return self.rows[name]

    def record(self) -> dict[str, float]:
        return percentiles(self.lateness.record(self.options.seconds)) | {"busy": self.lateness.busy}

    # -- training --------------------------------------------------------------------------------------

    def train_with(self, threads: int, alone: dict[str, float]) -> None:
        """Train unwatched, scrolled and watched in turn, U S W W S U; lateness is that of W."""
        say(f"training, {threads} threads")
        dock, seconds = self.train, self.options.seconds
        self.front(dock)
        dock.budget.set_values(60.0, None)
        dock.advanced.expand(animate=False)
        editors = dock.form.editors
        editors["threads"].set_value(threads)
        # As many pixels as make a codebook; the default takes a minute more before the first step.
        editors["objective"].editors["codebook_pixels"].set_value(20_000)
        if self.options.quick:
            editors["preview_seconds"].set_value(0.2)
            for group, values in SMALL.items():
                for key, value in values.items():
                    editors[group].editors[key].set_value(value)
        dock.advanced.collapse(animate=False)
        dock.folder.set_path(str(self.folder / f"run-{threads}"))
        times: list[float] = []
        maps: list[float] = []

        def happened(event: Event) -> None:
            if isinstance(event, Step):
                times.append(time.perf_counter())
            elif isinstance(event, Preview):
                maps.append(time.perf_counter())

        dock.start_button.click()
        dock.job.happened.connect(happened)
        wait_until(lambda: len(times) > 3 and maps, "the first live map")
        live = next(layer for layer in self.viewer.layers if layer.name.endswith("(live)"))
        late: list[float] = []
        busy: list[float] = []
        speeds: dict[str, list[float]] = {"unwatched": [], "scrolled": [], "watched": []}
        shown = 0
        for how in ("unwatched", "scrolled", "watched", "watched", "scrolled", "unwatched"):
            say(how)
            live.visible = how == "watched"
            count = len(times)
            wait_until(lambda count=count: len(times) > count + 1, "a step")
            begun, before = len(times), len(maps)
            if how == "unwatched":
                QTest.qWait(int(1000 * seconds))
            else:
                lateness = self.lateness.record(seconds)
            speeds[how].append((len(times) - begun) / max(1e-9, times[-1] - times[begun - 1]))
            if how == "watched":
                late += lateness
                busy.append(self.lateness.busy)
                wait_until(lambda before=before: len(maps) > before, "a live map")
                shown += len(maps) - before
        live.visible = True
        dock.stop_button.click()
        wait_until(lambda: not dock.busy, "the training to stop")
        self.run = self.folder / f"run-{threads}"
        name = f"training, {threads} threads"
        same = self.idle(f"idle, image and live map (after {name})")
        self.rows[name] = percentiles(late) | {
            "busy": statistics.mean(busy),
            "live_maps": shown,
            **{f"steps_per_second_{how}": values for how, values in speeds.items()},
        }
        self.found(*lateness_figures(name, self.rows[name], same, alone))
        free, scrolled, watched = (statistics.mean(values) for values in speeds.values())
        self.found(
            Figure(f"{name}: unwatched", free, "steps/s"),
            Figure(f"{name}: slower by being watched, share", 1 - watched / free, "", WATCHED_AIM),
            Figure(f"{name}: slower by scrolling alone, share", 1 - scrolled / free),
            Figure(f"{name}: slower by the live map while scrolling, share", 1 - watched / scrolled),
        )
        self.viewer.layers.remove(live)

    # -- class maps ------------------------------------------------------------------------------------

    def bare(self, predictor: Any, box: Box) -> float:
        """Seconds that the network takes for the tiles of a box, in a thread beside the resting window."""
        plane = tuple(int(n) for n in self.image_shape[1:])
        shapes = [tile.outer_shape for tile in predictor.layout(("classes",)).tiles(plane, box)]
        inputs = [torch.randn(1, predictor.encoder.slices, *shape) for shape in shapes]
        inputs = [image.contiguous(memory_format=torch.channels_last) for image in inputs]
        took: list[float] = []

        def passes() -> Iterator[Event]:
            begun = time.perf_counter()
            for image in inputs:
                with torch.inference_mode(), predictor.device.autocast():
                    predictor.encoder(image)
                yield Beat()
            took.append(time.perf_counter() - begun)

        job = Job("Bare passes", passes)
        job.start()
        wait_until(lambda: took, "the bare passes", poll_ms=2)
        wait_until(lambda: not job.running, "the job to end")
        return took[0]

    @property
    def image_shape(self) -> tuple[int, ...]:
        return (self.image.data[0] if self.image.multiscale else self.image.data).shape

    def map_seconds(self, z: int) -> float:
        """Seconds from a change to slice `z` until all its pixels in view have a class on the canvas."""
        box = self.classes.follower.view.box
        layer = self.classes.look.class_layers()[0]
        axes = [np.linspace(low, high - 1, 7) for low, high in zip(box.start[1:], box.stop[1:], strict=True)]
        points = [layer.data_to_world((z, y, x)) for y in axes[0] for x in axes[1]]

        def there() -> bool:
            # Each point once: to ask for all of them every few milliseconds would slow down what is measured.
            while points and layer.get_value(points[-1], world=True):
                points.pop()
            return not points

        begun = time.perf_counter()
        self.viewer.dims.set_current_step(0, z)
        wait_until(there, f"the map of slice {z}", poll_ms=5)
        return time.perf_counter() - begun

    def maps_while_scrolling(self) -> None:
        from napari_dense_ssl.predict import Predictor

        say("class maps while scrolling")
        dock, count = self.classes, self.options.slices
        self.front(dock)
        depth = self.image_shape[0]
        predictor = Predictor.open(self.run).for_viewing()
        self.viewer.dims.set_current_step(0, 0)
        QTest.qWait(200)
        last = time.perf_counter()

        def previewed(event: Event) -> None:
            nonlocal last
            if isinstance(event, Preview):
                last = time.perf_counter()

        dock.follower.happened.connect(previewed)
        dock.error.setChecked(False)
        dock.follow.setChecked(True)
        wait_until(lambda: "computed" in dock.view_line.text(), "the first map")
        targets = iter(range(STRIDE, depth, STRIDE))
        bare, rest, busy, again = [], [], [], []
        visited = []
        for z in [next(targets) for _ in range(count)]:
            pause = max(1.0, 3 * (bare[-1] if bare else 1.0))
            wait_until(lambda pause=pause: time.perf_counter() - last > pause, "the worker to rest")
            bare.append(self.bare(predictor, dock.follower.view.box))
            rest.append(self.map_seconds(z))
            visited.append(z)
        for z in visited[-2::-1]:
            again.append(self.map_seconds(z))
            QTest.qWait(200)
        say("the same while errors are computed")
        dock.error.setChecked(True)
        for z in [next(targets) for _ in range(count)]:
            # Looked at for a moment: its error is being computed when the next slice is asked for.
            QTest.qWait(round(1000 * (0.7 + 0.1 * (z % 5))))
            busy.append(self.map_seconds(z))
        dock.follow.setChecked(False)
        QTest.qWait(500)
        box = view_of(self.viewer, self.image, LIMIT).box
        bare += [self.bare(predictor, box) for _ in range(2)]
        typical = statistics.median(bare)
        self.rows["class maps"] = {
            "bare": bare,
            "at rest": rest,
            "computing errors": busy,
            "revisited": again,
            "threads": torch.get_num_threads(),
            "tiles": len(predictor.layout(("classes",)).tiles(self.image_shape[1:], box)),
        }
        pairs = [a / b for a, b in zip(rest, bare, strict=False)]
        self.found(
            Figure("bare forward pass of the tiles in view", 1000 * typical, "ms"),
            Figure("slice to its class map, worker at rest", 1000 * statistics.median(rest), "ms"),
            Figure("slice to its class map, at rest, over bare", statistics.median(pairs), "", MAP_AIM),
            Figure("slice to its class map, computing errors", 1000 * statistics.median(busy), "ms"),
            Figure(
                "slice to its class map, computing errors, over bare",
                statistics.median(busy) / typical,
                "",
                MAP_AIM,
            ),
            Figure("slice to its class map, from the cache", 1000 * statistics.median(again), "ms"),
        )

    def predict(self, alone: dict[str, float]) -> None:
        dock = self.classes
        say("following the view")
        dock.look.maps.cache.clear()
        dock.look.maps.refresh()
        tiles = 0

        def previewed(event: Event) -> None:
            nonlocal tiles
            tiles += isinstance(event, Preview)

        dock.follower.happened.connect(previewed)
        dock.follow.setChecked(True)
        wait_until(lambda: tiles, "the first tile")
        tiles = 0
        following = self.record() | {"tiles": tiles}
        dock.follow.setChecked(False)
        say("predicting the whole volume")
        out = self.folder / "out.zarr"
        with mock.patch("napari_dense_ssl.gui.classes_dock.ask_where", return_value=out):
            dock.whole_button.click()
        wait_until(lambda: dock.progress.value() > 0 or not dock.busy, "the first block")
        whole = self.record() | {"done": dock.progress.value()}
        if dock.busy:
            dock.stop_button.click()
        wait_until(lambda: not dock.busy, "the prediction to stop")
        QTest.qWait(500)
        same = self.idle("idle, image, classes and error")
        for name, row in (("following the view", following), ("predicting the whole volume", whole)):
            self.rows[name] = row
            self.found(*lateness_figures(name, row, same, alone))

    def measure(self) -> None:
        self.lateness.record(min(5.0, self.options.seconds))  # warm up
        alone = self.idle("idle, image alone")
        for threads in self.options.threads:
            self.train_with(threads, alone)
        self.maps_while_scrolling()
        self.predict(alone)


def machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {"machine": platform.platform(), "cores": cores, "load": load, "torch": torch.__version__}


def main(arguments: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("volume", nargs="?", default="sample:em?shape=96x512x512")
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement of the event loop")
    parser.add_argument(
        "--threads", type=lambda text: [int(t) for t in text.split(",")], default=[1, 2], help="of torch"
    )
    parser.add_argument("--slices", type=int, default=5, help="whose maps are waited for")
    parser.add_argument("--quick", action="store_true", help="seconds; the figures mean nothing")
    parser.add_argument("--strict", action="store_true", help="exit 1 when an aim is missed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.quick:
        options.volume, options.seconds, options.threads, options.slices = (
            "sample:em?shape=40x96x128",
            1.0,
            [1],
            2,
        )
    facts = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            mock.patch.object(platformdirs, "user_config_path", lambda app: folder / "config" / app),
            mock.patch.object(platformdirs, "user_data_path", lambda app: folder / "data" / app),
        ):
            bench = Bench(options, folder)
            bench.measure()
            bench.viewer.close()
            close_all()
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    for row, values in bench.rows.items():
        if "p99" in values:
            late = "  ".join(f"{key} {values[key]:4.0f} ms" for key in ("p50", "p99", "max"))
            print(f"{row:56s}{late}  window's thread busy {100 * values['busy']:3.0f} %")
    for figure in bench.figures:
        print(figure)
    if options.json:
        figures = [asdict(figure) | {"met": figure.met} for figure in bench.figures]
        options.json.write_text(json.dumps(facts | {"rows": bench.rows, "figures": figures}, indent=1) + "\n")
    return int(options.strict and not all(figure.met for figure in bench.figures))


if __name__ == "__main__":
    sys.exit(main())
