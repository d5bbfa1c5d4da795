"""A person at napari's window who does everything in random order; each method ``do_...`` is one action."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from napari.layers import Image, Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from scipy import ndimage

from napari_dense_ssl.gui import whole
from napari_dense_ssl.volume import write_volume

PLUGIN = "napari-dense-ssl"
DOCKS = ("Volume", "Train", "Classes")
MOST_LAYERS, MOST_VIEWERS = 12, 2

SMALL = {
    "threads": 1,
    "preview_seconds": 0.3,
    "audit_seconds": 5.0,
    "encoder": {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4},
    "sampler": {"crop": 32, "view_shift": 16, "block": 64, "batch": 4, "pool": 4, "reuse": 4},
    "objective": {"codebook_pixels": 2000, "mask_size": 8},
}
"""A network that learns next to nothing, in no time."""


def volumes(folder: Path) -> list[Path]:
    """Write a TIFF and an OME-Zarr of smooth blobs."""
    noise = np.random.default_rng(0).normal(size=(8, 160, 192))
    stack = (128 + 300 * ndimage.gaussian_filter(noise, (0.5, 3, 3))).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(folder / "raw.tif", stack, photometric="minisblack")
    write_volume(folder / "blobs.zarr", stack[::-1, :120], (40.0, 4.0, 4.0))
    return [folder / "raw.tif", folder / "blobs.zarr"]


@contextmanager
def answered(path: Callable[[], Path]) -> Iterator[None]:
    """Answer the question where a whole volume is to be written."""
    before = whole.ask_where
    from napari_dense_ssl.gui import classes_dock

    classes_dock.ask_where = lambda *_: path()
    yield
    classes_dock.ask_where = before


def wait_until(true: Callable[[], bool], seconds: float = 600) -> None:
    """Let the window live until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain")
        QTest.qWait(20)


class Person:
    """Acts in one or two windows.

    Parameters
    ----------
    make_viewer : callable
        Opens a window.
    folder : Path
        For volumes, runs and outputs.
    chance : random.Random
    """

    def __init__(self, make_viewer: Callable[[], Any], folder: Path, chance: random.Random) -> None:
        self.make_viewer, self.folder, self.chance = make_viewer, folder, chance
        self.files = volumes(folder)
        self.viewers: list[Any] = [make_viewer()]
        self.viewer = self.viewers[0]
        self.docks: dict[int, dict[str, Any]] = {id(self.viewer): {}}
        self.outputs = 0

    def act(self) -> str | None:
        """Do something that is possible now; return what it was."""
        self.viewer = self.chance.choice(self.viewers)
        names = [name for name in dir(self) if name.startswith("do_")]
        weights = [getattr(getattr(self, name), "weight", 2) for name in names]
        name = self.chance.choices(names, weights)[0]
        return name[3:].replace("_", " ") if getattr(self, name)() is not False else None

    def rest(self) -> None:
        """Close all docks, layers and further windows."""
        for viewer in list(self.viewers):
            for name in list(self.docks[id(viewer)]):
                self._close(viewer, name)
            if viewer is not self.viewers[0]:
                self._leave(viewer)
        self.viewer = self.viewers[0]
        self.viewer.dims.ndisplay = 2
        self.viewer.layers.clear()

    # -- what is there ---------------------------------------------------------------------------------

    def dock(self, name: str) -> Any:
        """Return a dock of the window at hand; opened where it is not open."""
        docks = self.docks[id(self.viewer)]
        if name not in docks:
            frame, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
            docks[name] = (frame, widget)
        frame, widget = docks[name]
        frame.show()
        frame.raise_()
        return widget

    def _close(self, viewer: Any, name: str) -> None:
        frame, _ = self.docks[id(viewer)].pop(name)
        viewer.window.remove_dock_widget(frame)

    def _leave(self, viewer: Any) -> None:
        self.viewers.remove(viewer)
        del self.docks[id(viewer)]
        viewer.close()
        self.viewer = self.viewers[0]

    def _images(self) -> list[Any]:
        return [layer for layer in self.viewer.layers if isinstance(layer, Image)]

    def _some(self) -> Any:
        return self.chance.choice(list(self.viewer.layers)) if len(self.viewer.layers) else None

    def click(self, button: QWidget) -> bool:
        """Press a button as the mouse does; False where it cannot be pressed."""
        if not button.isEnabled():
            return False
        if button.isVisible():
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        else:
            button.click()  # scrolled away, or in a tab behind
        return True

    def begin(self) -> None:
        """Do what has to be done before there is anything to do: open, train a little, look at a slice."""
        self.do_drop_a_file()
        train = self.dock("Train")
        self._make_small(train)
        train.budget.set_values(None, 5)
        self.click(train.start_button)
        wait_until(lambda: not train.busy)
        classes = self.dock("Classes")
        self.click(classes.slice_button)
        wait_until(lambda: not classes.busy)

    # -- volumes and layers ----------------------------------------------------------------------------

    def do_open_a_volume(self) -> bool | None:
        if len(self._images()) > 2 or len(self.viewer.layers) > MOST_LAYERS:
            return False
        volume = self.dock("Volume")
        volume.path.choose(str(self.chance.choice(self.files)))
        wait_until(lambda: volume.open_button.isEnabled() and not volume.busy)
        return self.click(volume.open_button)

    def do_drop_a_file(self) -> bool | None:
        if len(self._images()) > 2 or len(self.viewer.layers) > MOST_LAYERS:
            return False
        self.viewer.open(str(self.chance.choice(self.files)), plugin=PLUGIN)
        return None

    def do_type_a_wrong_path(self) -> None:
        self.dock("Volume").path.set_path(self.chance.choice(["", "nowhere.tif", "sample:em"]))

    do_type_a_wrong_path.weight = 1  # type: ignore[attr-defined]

    def do_delete_a_layer(self) -> bool | None:
        layer = self._some()
        if layer is None:
            return False
        if self.viewer.dims.ndisplay == 3:
            # napari 0.9.2 alone ends in a segmentation fault (glDrawElements) when a Labels layer is removed
            # from a 3-D view (napari_alone.py), which is not looked for here.
            self.viewer.dims.ndisplay = 2
            QTest.qWait(200)
        self.viewer.layers.remove(layer)
        return None

    def do_rename_a_layer(self) -> bool | None:
        layer = self._some()
        if layer is None:
            return False
        layer.name = self.chance.choice(["raw", "raw classes", "raw classes (live)", "mine", layer.name])
        return None

    def do_duplicate_a_layer(self) -> bool | None:
        from napari.layers._layer_actions import _duplicate_layer

        layer = self._some()
        if layer is None or len(self.viewer.layers) > MOST_LAYERS:
            return False
        self.viewer.layers.selection = {layer}
        _duplicate_layer(self.viewer.layers)
        return None

    def do_reorder_layers(self) -> bool | None:
        if len(self.viewer.layers) < 2:
            return False
        count = len(self.viewer.layers)
        self.viewer.layers.move(self.chance.randrange(count), self.chance.randrange(count))
        return None

    def do_hide_or_show_a_layer(self) -> bool | None:
        layer = self._some()
        if layer is None:
            return False
        layer.visible = not layer.visible
        return None

    def do_replace_pixels(self) -> bool | None:
        images = [image for image in self._images() if not image.multiscale]
        if not images or self.chance.random() < 0.5:
            return False
        image = self.chance.choice(images)
        shape = list(image.data.shape)
        if self.chance.random() < 0.3:
            shape[0] = max(2, shape[0] - 1)
        image.data = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
        return None

    def do_change_the_scale(self) -> bool | None:
        images = self._images()
        if not images:
            return False
        image = self.chance.choice(images)
        image.scale = tuple(np.asarray(image.scale) * self.chance.choice([0.5, 1, 2]))
        return None

    def do_save_a_layer(self) -> bool | None:
        layer = self._some()
        if not isinstance(layer, Image | Labels):
            return False
        self.outputs += 1
        self.viewer.layers.selection = {layer}
        path = self.folder / f"saved-{self.outputs}.zarr"
        self.viewer.layers.save(str(path), selected=True, plugin=PLUGIN)
        return None

    # -- looking ---------------------------------------------------------------------------------------

    def do_scroll(self) -> bool | None:
        dims = self.viewer.dims
        if dims.ndim < 3:
            return False
        axis = dims.not_displayed[0] if dims.not_displayed else 0
        step = self.chance.choice([-1, 1, 1, 1, self.chance.randrange(-8, 8)])
        for _ in range(self.chance.randrange(1, 6)):
            dims.set_current_step(axis, dims.current_step[axis] + step)
            QTest.qWait(30)
        return None

    do_scroll.weight = 8  # type: ignore[attr-defined]

    def do_zoom(self) -> None:
        camera = self.viewer.scene.camera
        if self.chance.random() < 0.4:
            self.viewer.reset_view()
        else:
            camera.zoom *= self.chance.choice([0.5, 0.8, 1.5, 3])
            camera.center = tuple(np.asarray(camera.center) * self.chance.uniform(0.8, 1.2))

    def do_turn_to_3d_or_back(self) -> None:
        self.viewer.dims.ndisplay = 2 if self.viewer.dims.ndisplay == 3 else self.chance.choice([2, 3])

    def do_change_the_order_of_axes(self) -> None:
        order = list(range(self.viewer.dims.ndim))
        if self.chance.random() < 0.5:
            self.chance.shuffle(order)
        self.viewer.dims.order = tuple(order)

    def do_click_on_the_canvas(self) -> bool | None:
        found = [w for w in QApplication.allWidgets() if type(w).__name__ == "CanvasBackendDesktop"]
        found = [w for w in found if w.isVisible()]
        if not found:
            return False
        canvas = self.chance.choice(found)
        place = QPoint(self.chance.randrange(canvas.width()), self.chance.randrange(canvas.height()))
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
        return None

    def do_change_the_theme(self) -> None:
        self.viewer.theme = "light" if self.viewer.theme == "dark" else "dark"

    # -- training --------------------------------------------------------------------------------------

    def do_start_a_training(self) -> bool | None:
        train = self.dock("Train")
        if not train.start_button.isEnabled():
            return False
        if train.fields.past is None:
            self._make_small(train)
        return self.click(train.start_button)

    do_start_a_training.weight = 4  # type: ignore[attr-defined]

    def _make_small(self, train: Any) -> None:
        train.setup_button.setChecked(True)
        train.advanced.expand(animate=False)
        settings = train.settings()
        values = settings.model_dump() | {"classes": 6}
        for name, value in SMALL.items():
            values[name] = values[name] | value if isinstance(value, dict) else value
        train.form.set_values(type(settings).model_validate(values))
        train.classes.setValue(6)
        train.budget.set_values(None, self.chance.choice([5, 60, 100_000, 100_000]))
        train.device.choose("cpu")
        train.folder.set_path("")

    def do_pause_or_go_on(self) -> bool:
        return self.click(self.dock("Train").pause_button)

    def do_stop_a_training(self) -> bool:
        return self.click(self.dock("Train").stop_button)

    do_stop_a_training.weight = 3  # type: ignore[attr-defined]

    def do_resume_a_run(self) -> bool | None:
        train = self.dock("Train")
        train.resume_button.fill()
        runs = [action for action in train.resume_button.runs.actions() if action.toolTip().startswith("/")]
        if not runs or not train.resume_button.isEnabled():
            return False
        self.chance.choice(runs).trigger()
        if self.chance.random() < 0.8 and train.fields.past is not None:
            return self.click(train.start_button)
        return None

    def do_switch_the_live_map(self) -> bool:
        return self.click(self.dock("Train").live_box)

    # -- classes ---------------------------------------------------------------------------------------

    def do_follow_the_slice(self) -> bool:
        return self.click(self.dock("Classes").follow)

    do_follow_the_slice.weight = 4  # type: ignore[attr-defined]

    def do_choose_a_run(self) -> bool | None:
        classes = self.dock("Classes")
        count = classes.run_field.box.count()
        if not count:
            return False
        classes.run_field.choose(classes.run_field.box.itemText(self.chance.randrange(count)))
        return None

    def do_compute_a_slice(self) -> bool:
        return self.click(self.dock("Classes").slice_button)

    do_compute_a_slice.weight = 3  # type: ignore[attr-defined]

    def do_compute_a_region(self) -> bool:
        classes = self.dock("Classes")
        classes.region.choice.setCurrentIndex(self.chance.choice([0, 1]))
        classes.region.first.setValue(self.chance.randrange(4))
        return self.click(classes.region_button)

    def do_compute_this_view(self) -> bool:
        return self.click(self.dock("Classes").view_button)

    def do_compute_the_whole_volume(self) -> bool:
        self.outputs += self.chance.choice([0, 1])
        with answered(lambda: self.folder / f"classes-{self.outputs}.zarr"):
            return self.click(self.dock("Classes").whole_button)

    def do_stop_the_classes(self) -> bool:
        return self.click(self.dock("Classes").stop_button)

    def do_set_the_threshold(self) -> bool | None:
        trust = self.dock("Classes").trust
        if not trust.number.isEnabled():
            return False
        trust.number.setValue(self.chance.choice([0.02, 0.1, 0.3, 1.0]))
        return None

    def do_show_other_maps(self) -> None:
        self.dock("Classes").shown.setCurrentIndex(self.chance.randrange(3))

    def do_choose_classes(self) -> bool | None:
        table = self.dock("Classes").table
        if not table.rows.labels:
            return False
        table.select(self.chance.sample(table.rows.labels, min(2, len(table.rows.labels))))
        buttons = (table.isolate_button, table.hide_button, table.all_button)
        self.click(self.chance.choice(buttons))
        table.search.setText(self.chance.choice(["", "", "1"]))
        return None

    # -- docks and windows -----------------------------------------------------------------------------

    def do_open_a_dock(self) -> None:
        self.dock(self.chance.choice(DOCKS))

    def do_close_a_dock(self) -> bool | None:
        names = list(self.docks[id(self.viewer)])
        if not names:
            return False
        self._close(self.viewer, self.chance.choice(names))
        return None

    do_close_a_dock.weight = 3  # type: ignore[attr-defined]

    def do_open_a_second_window(self) -> bool | None:
        if len(self.viewers) >= MOST_VIEWERS or self.chance.random() < 0.5:
            return False
        self.viewer = self.make_viewer()
        self.viewers.append(self.viewer)
        self.docks[id(self.viewer)] = {}
        return None

    def do_close_the_second_window(self) -> bool | None:
        if len(self.viewers) < 2:
            return False
        self._leave(self.viewers[1])
        return None
