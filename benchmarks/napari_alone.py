"""napari without this plugin, used at random: what of a crash in ``soak.py`` is not ours?

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python benchmarks/napari_alone.py [--seed 1]
        [--seconds 120] [--guard]

Layers are added, removed, hidden and moved, slices scrolled, axes rolled, the view turned to 3-D, a second
window opened and closed. Python's fault handler says where it ends. ``--guard`` does what our docks do about
it (``gui/canvas_guard.py``). What it came to: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import time
from typing import Any

import dask.array as da
import napari
import numpy as np
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

SHAPES = [(12, 200, 200), (24, 160, 240), (30, 96, 128), (200, 220)]
ACTIONS = [
    *["add"] * 3,
    *["remove"] * 3,
    *["duplicate", "turn", "roll", "theme", "scroll", "scroll", "zoom", "hide", "move", "open", "close"],
    *["none"] * 2,
]


class Person:
    """Somebody with a viewer, or two, who does what chance says."""

    def __init__(self, seed: int, guarded: bool = False) -> None:
        self.guarded = guarded
        self.chance, self.pixels = random.Random(seed), np.random.default_rng(seed)
        self.viewers = [self._viewer()]

    def _viewer(self) -> napari.Viewer:
        viewer = napari.Viewer()
        viewer.window.resize(1280, 800)
        if self.guarded:
            from napari_dense_ssl.gui.canvas_guard import guard_canvas  # nothing of the plugin otherwise

            inside = QWidget()
            viewer.window.add_dock_widget(inside)
            guard_canvas(viewer, inside)
        return viewer

    def act(self) -> str:
        """Do something, let the window live for a moment, and return what it was."""
        viewer = self.chance.choice(self.viewers)
        name = self.chance.choice(ACTIONS)
        getattr(self, f"do_{name}")(viewer)
        if len(viewer.layers) > 6:
            viewer.layers.remove(viewer.layers[0])
        QTest.qWait(self.chance.choice([5, 50, 200]))
        return name

    def _some(self, viewer: Any) -> Any:
        return self.chance.choice(list(viewer.layers)) if len(viewer.layers) else None

    def do_add(self, viewer: Any) -> None:
        array = self.pixels.integers(0, 255, self.chance.choice(SHAPES), np.uint8)
        place: dict[str, Any] = {}
        if self.chance.random() < 0.5 and array.ndim == 3:
            place = {"scale": (30.0, 8.0, 8.0), "units": ("nm",) * 3}
        match self.chance.choice(["image", "pyramid", "labels", "labels"]):
            case "image":
                viewer.add_image(array, **place)
            case "pyramid":
                levels = [da.from_array(array), da.from_array(array[..., ::2, ::2])]
                viewer.add_image(levels, multiscale=True, **place)
            case _:
                viewer.add_labels(array // 50, **place)

    def do_remove(self, viewer: Any) -> None:
        layer = self._some(viewer)
        if layer is not None:
            viewer.layers.remove(layer)

    def do_duplicate(self, viewer: Any) -> None:
        layer = self._some(viewer)
        if layer is not None:
            viewer.add_layer(type(layer).create(*layer.as_layer_data_tuple()))

    def do_turn(self, viewer: Any) -> None:
        viewer.dims.ndisplay = 5 - viewer.dims.ndisplay

    def do_roll(self, viewer: Any) -> None:
        viewer.dims.roll()

    def do_theme(self, viewer: Any) -> None:
        viewer.theme = self.chance.choice(["dark", "light"])

    def do_scroll(self, viewer: Any) -> None:
        if viewer.dims.ndim > 2:
            viewer.dims.set_current_step(0, self.chance.randrange(int(viewer.dims.nsteps[0])))

    def do_zoom(self, viewer: Any) -> None:
        viewer.scene.camera.zoom *= self.chance.choice([0.5, 2])

    def do_hide(self, viewer: Any) -> None:
        layer = self._some(viewer)
        if layer is not None:
            layer.visible = not layer.visible

    def do_move(self, viewer: Any) -> None:
        if len(viewer.layers) > 1:
            viewer.layers.move(0, len(viewer.layers) - 1)

    def do_open(self, viewer: Any) -> None:
        if len(self.viewers) < 2:
            self.viewers.append(self._viewer())

    def do_close(self, viewer: Any) -> None:
        if len(self.viewers) > 1:
            self.viewers.pop().close()

    def do_none(self, viewer: Any) -> None:
        """Only let the window live."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--guard", action="store_true", help="make the canvas current when layers go")
    options = parser.parse_args()
    faulthandler.enable()
    person, begun, count = Person(options.seed, options.guard), time.monotonic(), 0
    while time.monotonic() - begun < options.seconds:
        count += 1
        print(count, person.act(), flush=True)
    for viewer in person.viewers:
        viewer.close()
    print(f"{count} actions, no crash")


if __name__ == "__main__":
    main()
