# ruff: noqa: I001  torch is imported before the window, on purpose
"""How soon the Playground shows a method at work, and how the window answers meanwhile.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python benchmarks/playground_window.py [METHOD ...]
        [--seconds 20] [--strict] [--json FILE]

For each method, in one process: the time from Start to the first picture on the canvas (data and exact
density; aim: 2 s) and to the first landscape of the method's own, and the lateness of a 10 ms timer while it
learns and its landscape is drawn, over that of the resting window with the same layers while a picture of the
time slider changes every half second (99th percentile; aim: 1.3).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import torch  # noqa: F401 - software OpenGL and triton each bring an LLVM of their own: triton's has to come first
import torchvision  # noqa: F401
import napari
import platformdirs
from napari_dense_ssl.gui.job import close_all
from napari_dense_ssl.playground.settings import MODELS
from qtpy.QtTest import QTest
from responsiveness import LATE_AIM, Figure, Lateness, machine, percentiles, say, wait_until

FIRST_AIM = 2.0  # s


def measure(viewer: napari.Viewer, dock: Any, method: str, seconds: float) -> list[Figure]:
    tab, late = dock.mixture, Lateness(viewer)
    tab.method.setCurrentIndex(tab.method.findText(method))
    viewer.layers.clear()
    begun = time.perf_counter()
    tab.start_button.click()
    wait_until(lambda: tab.layers is not None and len(viewer.layers) > 0, f"{method}'s data")
    QTest.qWait(1)
    first = time.perf_counter() - begun
    wait_until(lambda: tab.layers.frames > 0, f"{method}'s first landscape")
    own = time.perf_counter() - begun
    latenesses: list[float] = []
    while dock.busy and time.perf_counter() - begun < own + seconds:
        latenesses += late.record(1.0)
    learning = percentiles(latenesses)
    tab.stop_button.click()
    wait_until(lambda: not dock.busy, f"{method} to stop")
    QTest.qWait(500)
    idle = percentiles(late.record(seconds))
    return [
        Figure(f"{method}: data and density after", first, "s", FIRST_AIM),
        Figure(f"{method}: first landscape after", own, "s"),
        Figure(
            f"{method}: p99 while it learns over the resting window's",
            learning["p99"] / idle["p99"],
            "",
            LATE_AIM,
        ),
        Figure(f"{method}: p99 while it learns", learning["p99"], "ms"),
        Figure(f"{method}: p99 of the resting window", idle["p99"], "ms"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("methods", nargs="*", default=list(MODELS), metavar="METHOD")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement of the event loop")
    parser.add_argument("--strict", action="store_true", help="exit 1 when an aim is missed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            mock.patch.object(platformdirs, "user_config_path", lambda app: folder / "config" / app),
            mock.patch.object(platformdirs, "user_data_path", lambda app: folder / "data" / app),
        ):
            viewer = napari.Viewer()
            viewer.window.resize(1280, 800)
            _, dock = viewer.window.add_plugin_dock_widget("napari-dense-ssl", "Playground")
            QTest.qWait(2000)
            for method in options.methods:
                say(method)
                for figure in measure(viewer, dock, method, options.seconds):
                    say(str(figure))
                    figures.append(figure)
            viewer.close()
            close_all()
    facts = machine()
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    for figure in figures:
        print(figure)
    if options.json:
        found = [asdict(figure) | {"met": figure.met} for figure in figures]
        options.json.write_text(json.dumps(facts | {"figures": found}, indent=1) + "\n")
    return int(options.strict and not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
