"""Make pictures of the docks in a real napari window, each in the state that it really is in.

    xvfb-run -a -s "-screen 0 2600x1500x24 +extension GLX" python docs/screenshots.py [VOLUME]
        [--images FOLDER] [--minutes 1]

VOLUME is a path or ``sample:em``. With ``--images`` every dock is taken in every state that it has (empty,
ready, running, paused, failed, done), in the dark and the light theme, at 1280 × 800 and 2560 × 1440.
Without, docs/images gets the few that README and docs show, and the animated picture of a training.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max

PLUGIN = "napari-dense-ssl"
IMAGES = Path(__file__).parent / "images"
THEMES = ("dark", "light")
SIZES = ((1280, 800), (2560, 1440))
SHOWN = frozenset(
    {
        "volume-done",
        "train-done",
        "classes-done",
        "classes-error",
        "classes-groups",
        "scribble-done",
        "evaluate-done",
    }
)
"""What README and docs show, in the dark theme at 1280 × 800."""

FRAMES, FRAME_WIDTH, FRAME_SECONDS, LARGEST = 10, 640, 0.8, 780_000
PATIENCE = 900.0  # s


def wait(seconds: float) -> None:
    """Let the window live."""
    QTest.qWait(int(seconds * 1000))


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Let the window live until something is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        wait(0.05)


class Session:
    """A napari window with one of our docks at a time, and a folder for its pictures.

    Parameters
    ----------
    images : Path
        The folder.
    every : bool
        Whether every state is taken in every look, or only what is shown in the docs.
    """

    def __init__(self, images: Path, every: bool) -> None:
        self.images, self.every = images, every
        images.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(show=False)
        self.viewer.window.show()
        self.viewer.window.resize(*SIZES[0])
        self.frames: list[Image.Image] = []

    def dock(self, name: str) -> Any:
        """Open a dock, and put the others behind it."""
        frame, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        frame.show()
        frame.raise_()
        wait(0.3)
        return widget

    def picture(self, name: str) -> None:
        """Save the whole window in all its looks, or in the one that is shown."""
        if not self.every:
            if name in SHOWN:
                self._save(f"{name}.png")
            return
        for theme in THEMES:
            self.viewer.theme = theme
            for size in SIZES:
                self.viewer.window.resize(*size)
                wait(0.4)
                self._save(f"{name}-{theme}-{size[0]}.png")
        self.viewer.theme = THEMES[0]
        self.viewer.window.resize(*SIZES[0])

    def _save(self, name: str) -> None:
        wait(0.3)
        path = self.images / name
        self._taken().quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        print(path, flush=True)

    def _taken(self) -> Image.Image:
        return Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")

    def clear_notifications(self) -> None:
        """Take away what was said of a failure that was brought about."""
        for shown in self.viewer.window._qt_window.findChildren(NapariQtNotification):
            shown.close()
        notification_manager.records.clear()

    def frame(self) -> None:
        """Keep the window as a frame of the animated picture."""
        taken = self._taken()
        height = round(taken.height * FRAME_WIDTH / taken.width)
        self.frames.append(taken.resize((FRAME_WIDTH, height), Image.Resampling.LANCZOS))

    def animate(self, name: str) -> None:
        """Write the frames, with as many colours as leave the file small."""
        for colours in (128, 96, 64, 48, 32, 24, 16):
            # One palette for all, so that what stands still does not flicker.
            palette = self.frames[-1].quantize(colours, dither=Image.Dither.NONE)
            few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
            file = io.BytesIO()
            lasting = [int(1000 * FRAME_SECONDS)] * (len(few) - 1) + [int(3000 * FRAME_SECONDS)]
            few[0].save(file, "GIF", save_all=True, append_images=few[1:], duration=lasting, loop=0)
            if file.tell() <= LARGEST:
                break
        path = self.images / name
        path.write_bytes(file.getvalue())
        print(f"{path}: {len(few)} frames, {colours} colours, {file.tell() / 1000:.0f} kB", flush=True)


def shoot_empty(session: Session) -> None:
    """Take the docks before anything is open."""
    for name in ("Volume", "Train", "Classes", "Scribble", "Evaluate"):
        session.dock(name)
        session.picture(f"{name.lower()}-empty")


def shoot_volume(session: Session, path: str) -> None:
    """Take the Volume dock; the volume is open afterwards."""
    dock, viewer = session.dock("Volume"), session.viewer
    if session.every:
        dock.path.choose("/a/path/that/leads/nowhere.tif")
        wait_until(lambda: not dock.busy, "the refusal")
        session.picture("volume-failed")
        session.clear_notifications()
    dock.path.set_path(path)
    wait_until(dock.open_button.isEnabled, "the volume to be found")
    session.picture("volume-ready")
    dock.open_button.click()
    wait_until(lambda: len(viewer.layers) == 1, "the layer")
    viewer.canvas.overlays.scale_bar.visible = True
    wait(1)
    session.picture("volume-done")


def shoot_train(session: Session, minutes: float) -> Path:
    """Take the Train dock while it trains, and the frames of the animated picture; return the run."""
    dock, viewer = session.dock("Train"), session.viewer
    run = Path(tempfile.mkdtemp()) / "run"
    session.picture("train-ready")
    if session.every:
        dock.advanced.expand(animate=False)
        session.picture("train-advanced")
        dock.advanced.collapse(animate=False)
        with refused(dock, run):
            session.picture("train-failed")
        session.clear_notifications()
    dock.budget.set_values(60.0, None)  # stopped by hand below
    dock.folder.set_path(str(run))
    dock.start_button.click()
    wait_until(lambda: len(viewer.layers) == 2, "the live map")
    live, begun, shown = viewer.layers[-1], time.monotonic(), -1
    while time.monotonic() - begun < 60 * minutes:
        step = live.metadata[PLUGIN].get("step", 0)
        due = (time.monotonic() - begun) / (60 * minutes) * FRAMES >= len(session.frames)
        if not session.every and step != shown and due:
            shown = step
            session.frame()
        wait(0.2)
    session.picture("train-running")
    dock.pause_button.click()
    wait(1)
    session.picture("train-paused")
    dock.pause_button.click()
    dock.stop_button.click()
    wait_until(lambda: not dock.busy, "the training to stop")
    session.picture("train-done")
    if session.every:
        dock.choose_run(str(run))
        session.picture("train-resume")
        dock.choose_run("")
    viewer.layers.remove(live)
    return run


@contextmanager
def refused(dock: Any, run: Path) -> Iterator[None]:
    """Have a training or a prediction fail: its run folder would lie inside a file."""
    file = run.parent / "a-file"
    file.write_text("no folder")
    if hasattr(dock, "folder"):
        dock.folder.set_path(str(file / "run"))
        dock.start_button.click()
    else:
        before = dock.run_field.path()
        dock.run_field.set_path(str(file))
        dock.slice_button.click()
    wait_until(lambda: not dock.busy, "the failure")
    yield
    if hasattr(dock, "folder"):
        dock.folder.set_path("")
        dock.setup_button.setChecked(True)
    else:
        dock.run_field.set_path(before)


def shoot_classes(session: Session, run: Path) -> None:
    """Take the Classes dock: one slice, its error, hidden classes, a threshold, the volume in 3-D."""
    dock, viewer = session.dock("Classes"), session.viewer
    dock.run_field.set_path(str(run))
    session.picture("classes-ready")
    if session.every:
        with refused(dock, run):
            session.picture("classes-failed")
        session.clear_notifications()
    dock.slice_button.click()
    wait_until(lambda: dock.progress.value() > 0, "the first tiles")
    session.picture("classes-running")
    wait_until(lambda: not dock.busy, "the maps")
    wait(0.5)
    dock.shown.setCurrentText("classes")
    session.picture("classes-done")
    dock.shown.setCurrentText("equivariance error")
    session.picture("classes-error")
    dock.shown.setCurrentText("classes")
    dock.groups.find_button.click()
    wait_until(lambda: not dock.busy, "the tree of the classes")
    dock.groups.number.setValue(8)
    for label, name in zip(dock.table.rows.labels, ("cytoplasm", "membrane", "vesicles"), strict=False):
        dock.look.model.rename(label, name)
    wait(0.5)
    session.picture("classes-groups")
    if not session.every:
        return
    dock.naming.reset()
    dock.trust.set_value(0.1)
    session.picture("classes-threshold")
    dock.trust.set_value(1.0)
    dock.table.select(dock.table.rows.labels[:3])
    dock.table.isolate_button.click()
    session.picture("classes-isolated")
    dock.table.all_button.click()
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (10.0, -30.0, 60.0)
    session.picture("classes-3d")
    viewer.dims.ndisplay = 2


def shoot_scribble(session: Session, run: Path) -> None:
    """Take the Scribble dock: strokes on the brightest and the darkest places, and what they make."""
    dock, viewer = session.dock("Scribble"), session.viewer
    image = viewer.layers[0]
    dock.run_field.set_path(str(run))
    dock.new_button.click()
    session.picture("scribble-ready")
    layer = dock.scribbles.layer()
    z = int(viewer.dims.current_step[0])
    plane = np.asarray((image.data[0] if image.multiscale else image.data)[z]).astype(float)
    smooth = gaussian_filter(plane, 4)
    for label, order in ((1, smooth), (2, -smooth)):
        layer.selected_label = label
        for y, x in peak_local_max(order, min_distance=60, num_peaks=5, exclude_border=20):
            for shift in range(-8, 9, 4):
                layer.paint((z, int(y), int(x) + shift), label)
    dock.labels.rename(1, "bright")
    dock.labels.rename(2, "dark")
    wait_until(lambda: "segmented after" in dock.view_line.text(), "the segmentation")
    wait(0.5)
    session.picture("scribble-done")
    dock.shown.setCurrentText("uncertainty")
    session.picture("scribble-uncertainty")
    dock.suggest_button.click()
    session.picture("scribble-suggestion")
    dock.follow.setChecked(False)
    for layer in viewer.layers:
        layer.visible = layer is image or layer.name.endswith(" classes")


def shoot_evaluate(session: Session, volume: str) -> None:
    """Take the Evaluate dock: against the sample's truth, and the objects of a class."""
    dock, viewer = session.dock("Evaluate"), session.viewer
    if not volume.startswith("sample:em"):
        return
    tab = dock.truth
    classes = next(layer for layer in viewer.layers if layer.name.endswith(" classes"))
    tab.prediction.layer.choose(classes)
    tab.truth.path.set_path(volume.replace("sample:em", "sample:em-labels", 1))
    tab.truth.use_file.setChecked(True)
    tab.score.choice.setCurrentIndex(1)
    for box in (tab.score.first, tab.score.last):
        box.setValue(int(viewer.dims.current_step[0]))
    session.picture("evaluate-ready")
    tab.start_button.click()
    wait_until(lambda: not dock.busy and tab.found is not None, "the comparison")
    wait(0.5)
    session.picture("evaluate-done")
    if not session.every:
        return
    dock.tabs.setCurrentIndex(2)
    tab = dock.objects
    tab.map.choose(classes)
    finest = classes.data[0] if classes.multiscale else classes.data
    plane = np.asarray(finest[int(viewer.dims.current_step[0])])
    tab.label.setValue(int(np.bincount(plane.ravel())[1:].argmax()) + 1)
    session.picture("evaluate-objects-ready")
    tab.start_button.click()
    wait_until(lambda: not dock.busy, "the objects")
    session.picture("evaluate-objects-done")


def shoot_playground(session: Session) -> None:
    """Take the Playground dock."""
    session.viewer.layers.clear()
    dock = session.dock("Playground")
    session.picture("playground-empty")
    dock.mixture.start_button.click()
    wait(2)
    session.picture("playground-running")
    wait_until(lambda: not dock.busy, "the playground")
    session.picture("playground-done")


def shoot_share(session: Session, run: Path) -> None:
    """Take the Share dock with a run to be exported."""
    dock = session.dock("Share")
    dock.run_field.set_path(str(run))
    session.picture("share")


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("volume", nargs="?", default="sample:em")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training")
    parser.add_argument("--images", type=Path, help="take every dock in every state into this folder")
    options = parser.parse_args()
    session = Session(options.images or IMAGES, options.images is not None)
    if session.every:
        shoot_empty(session)
    shoot_volume(session, options.volume)
    run = shoot_train(session, options.minutes)
    if not session.every:
        session.animate("training.gif")
    shoot_classes(session, run)
    shoot_scribble(session, run)
    shoot_evaluate(session, options.volume)
    if session.every:
        shoot_playground(session)
        shoot_share(session, run)
    session.viewer.close()
    QApplication.processEvents()


if __name__ == "__main__":
    main()
