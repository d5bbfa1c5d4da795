"""Make the pictures of docs/images in a real napari window, driven through the docks.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python docs/screenshots.py [VOLUME] [--minutes 1]

VOLUME is a path or ``sample:em``. Each picture shows one step of the work: opened, training with the live
map, stopped, classes and error over several slices.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-dense-ssl"
IMAGES = Path(__file__).parent / "images"


def wait(seconds: float) -> None:
    """Let the window live."""
    QTest.qWait(int(seconds * 1000))


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Let the window live until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        wait(0.05)


class Session:
    """A napari window with one of our docks at a time, and a folder for its pictures."""

    def __init__(self, images: Path) -> None:
        self.viewer = napari.Viewer(show=False)
        self.viewer.window.show()
        self.viewer.window.resize(1280, 800)
        self.images = images
        self.count = 0

    def dock(self, name: str) -> object:
        """Open a dock, and put the others behind it."""
        frame, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        frame.show()
        frame.raise_()
        wait(0.3)
        return widget

    def picture(self, name: str) -> None:
        """Save the whole window."""
        self.count += 1
        wait(0.4)
        path = self.images / f"{self.count:02d}-{name}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        print(path)

    def slice(self, z: int) -> None:
        """Move the first slider to a slice."""
        self.viewer.dims.set_current_step(0, z)
        wait(0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volume", nargs="?", default="sample:em")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training")
    parser.add_argument("--images", type=Path, default=IMAGES)
    parser.add_argument("--theme", default="dark", choices=["dark", "light"])
    parser.add_argument("--slices", type=int, default=3, help="how many to look at")
    options = parser.parse_args()
    options.images.mkdir(parents=True, exist_ok=True)
    session = Session(options.images)
    viewer = session.viewer
    viewer.theme = options.theme

    volume = session.dock("Volume")
    volume.path.set_path(options.volume)
    wait_until(volume.open_button.isEnabled, "the volume to be found")
    session.picture("volume-found")
    volume.open_button.click()
    wait_until(lambda: len(viewer.layers) == 1, "the layer")
    viewer.canvas.overlays.scale_bar.visible = True
    wait(1)
    session.picture("volume-open")

    train = session.dock("Train")
    session.picture("train")
    train.advanced.expand(animate=False)
    session.picture("train-advanced")
    train.advanced.collapse(animate=False)
    train.budget.set_values(60.0, None)  # stopped by hand below
    train.folder.set_path(str(Path(tempfile.mkdtemp()) / "run"))
    train.start_button.click()
    begin = time.monotonic()
    depth = (
        viewer.layers[0].level_shapes[0][0] if viewer.layers[0].multiscale else viewer.layers[0].data.shape[0]
    )
    wait_until(lambda: len(viewer.layers) == 2, "the live map", 300)
    begin = time.monotonic()
    wait(10 * options.minutes)
    session.picture("training-live-map")
    session.slice(depth // 4)
    while time.monotonic() - begin < 60 * options.minutes:
        wait(0.5)
    live = viewer.layers[-1]
    wait_until(lambda: bool(live.data[depth // 4].any()), "the live map of this slice", 60)
    session.picture("training-another-slice")
    train.stop_button.click()
    wait_until(lambda: not train.busy, "the training to stop", 30)
    session.picture("stopped")

    viewer.layers[-1].visible = False
    classes = session.dock("Classes")
    session.picture("classes")
    for number in range(options.slices):
        session.slice(round((number + 0.5) * depth / options.slices))
        classes.slice_button.click()
        wait_until(lambda: not classes.busy, "the maps", 900)
        classes.shown.setCurrentText("classes")
        session.picture(f"classes-{number}")
        classes.shown.setCurrentText("equivariance error")
        session.picture(f"error-{number}")
    viewer.close()
    QApplication.processEvents()


if __name__ == "__main__":
    main()
