# ruff: noqa: I001  torch is imported before the window, on purpose
"""How long the event loop is held up while a network trains beside it, and what the window costs training.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python benchmarks/window.py [--volume sample:em]
        [--seconds 30] [--threads 1,2] [--json FILE]

A 10 ms timer's lateness is recorded while a slice changes every half second: first in the idle window,
then while the default recipe trains in a job's thread with each number of torch threads. Training speed is
compared with the same training in the main thread, without any window's work in between. All in one
process, so that the ratios hold on a noisy machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch  # noqa: F401  software OpenGL and triton each bring an LLVM of their own
import napari
import numpy as np
from napari_dense_ssl.core.events import Step
from napari_dense_ssl.engine import TrainSettings, train
from napari_dense_ssl.gui.job import Job
from napari_dense_ssl.volume import open_volume
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest

PERIOD = 0.010


class Lateness:
    """Records how late a 10 ms timer fires, while slices change."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer, self.late = viewer, []
        self._last = time.perf_counter()
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(int(1000 * PERIOD))
        self.timer.timeout.connect(self._tick)
        self.slices = QTimer()
        self.slices.setInterval(500)
        self.slices.timeout.connect(self._next_slice)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._last - PERIOD))
        self._last = now

    def _next_slice(self) -> None:
        depth = int(self.viewer.dims.nsteps[0])
        self.viewer.dims.set_current_step(0, (self.viewer.dims.current_step[0] + 1) % depth)

    def record(self, seconds: float) -> dict[str, float]:
        self._last, self.late = time.perf_counter(), []
        self.timer.start()
        self.slices.start()
        QTest.qWait(int(1000 * seconds))
        self.timer.stop()
        self.slices.stop()
        p50, p99 = np.percentile(self.late, (50, 99))
        return {"p50_ms": 1000 * p50, "p99_ms": 1000 * p99, "max_ms": 1000 * max(self.late)}


def steps_per_second(times: list[float]) -> float:
    """Median over the steps but the first five, which warm up."""
    return 1 / statistics.median(np.diff(times[5:]))


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--volume", default="sample:em")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    volume = open_volume(options.volume)
    pixels = np.asarray(volume.data)  # in memory: the reading is not what is measured
    folder = Path(tempfile.mkdtemp())
    rows: dict[str, dict[str, float]] = {}

    def settings(threads: int) -> TrainSettings:
        return TrainSettings(minutes=60, threads=threads, device="cpu", objective={"codebook_pixels": 20_000})

    counts = [int(t) for t in options.threads.split(",")]
    for threads in counts:
        times: list[float] = []
        job = train(volume, folder / f"bare-{threads}", settings(threads))
        for event in job:
            if isinstance(event, Step):
                times.append(time.perf_counter())
                if times[-1] - times[0] > options.seconds:
                    break
        job.close()  # type: ignore[attr-defined]
        rows[f"bare, {threads} threads"] = {"steps_per_second": steps_per_second(times)}

    viewer = napari.Viewer()
    viewer.add_image(pixels, scale=volume.voxel_size, units=("nm",) * 3)
    viewer.window.resize(1280, 800)
    QTest.qWait(3000)
    lateness = Lateness(viewer)
    lateness.record(5)
    rows["idle window"] = lateness.record(options.seconds)
    for threads in counts:
        times = []
        run = folder / f"window-{threads}"
        job = Job("Training", lambda run=run, threads=threads: train(volume, run, settings(threads)))
        job.happened.connect(
            lambda event, times=times: times.append(time.perf_counter()) if isinstance(event, Step) else None
        )
        job.start()
        while len(times) < 6:
            QTest.qWait(50)
        row = lateness.record(options.seconds)
        row["steps_per_second"] = steps_per_second(times)
        bare = rows[f"bare, {threads} threads"]["steps_per_second"]
        row["speed_of_bare"] = row["steps_per_second"] / bare
        row["p99_of_idle"] = row["p99_ms"] / rows["idle window"]["p99_ms"]
        rows[f"training beside the window, {threads} threads"] = row
        job.close()
        QTest.qWait(500)
    viewer.close()
    shutil.rmtree(folder)
    for name, row in rows.items():
        print(f"{name:44s} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
