"""The Classes dock while one looks around: what it computes, in which order, and what becomes of it."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_dense_ssl.core.events import Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.prediction import PredictorKeeper
from napari_dense_ssl.gui.results import is_result
from napari_dense_ssl.gui.session import runs_of_session
from napari_dense_ssl.predict.map_cache import MapCache

from .fakes import FakePredictor

CLASSES, ERROR = "em classes", "em equivariance error (0 to 1)"


@pytest.fixture
def engine(monkeypatch) -> FakePredictor:
    fake = FakePredictor()
    monkeypatch.setattr(PredictorKeeper, "open", lambda self, run, device: fake)
    return fake


@pytest.fixture
def dock(em_viewer, open_dock, tmp_path, engine):
    (tmp_path / "run").mkdir()  # while a path leads nowhere it is still being typed
    runs_of_session().add(str(tmp_path / "run"))
    return open_dock(em_viewer, "Classes")


def show_all(viewer) -> None:
    """Put the whole plane into view, whatever the window's size."""
    viewer.scene.camera.center = (0, 10 + 48 * 5, 20 + 64 * 5)
    viewer.scene.camera.zoom = min(viewer.canvas.size) / (200 * 5)


def follow(qtbot, dock) -> None:
    show_all(dock.viewer)
    dock.follow.setChecked(True)
    computed(qtbot, dock)


def computed(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: "computed" in dock.view_line.text(), timeout=60_000)


def shown(viewer, name: str, z: int) -> np.ndarray:
    return np.asarray(viewer.layers[name].data[z])


def test_scrolling(qtbot, em_viewer, dock, engine, errors):
    follow(qtbot, dock)
    assert dock.view_line.text() == "Slice 3: computed"
    assert (shown(em_viewer, CLASSES, 3) == 4).all()
    assert (shown(em_viewer, ERROR, 3) == 0.25).all()
    assert engine.boxes[0].start[0] == 3, "what is in view comes first"
    qtbot.waitUntil(lambda: bool(shown(em_viewer, CLASSES, 4).any()), timeout=30_000)
    em_viewer.dims.set_current_step(0, 2)
    computed(qtbot, dock)
    qtbot.waitUntil(lambda: engine.seen(1) > 0, timeout=30_000)
    qtbot.waitUntil(lambda: engine.seen(0) > 0, timeout=30_000)
    first = [box.start[0] for box in engine.boxes if box.start[0] in (0, 1)]
    assert first[0] == 1, "ahead is where the user goes"
    count = engine.seen(3)
    em_viewer.dims.set_current_step(0, 3)
    computed(qtbot, dock)
    qtbot.wait(100)
    assert engine.seen(3) == count, "what is there is not computed again"
    dock.follow.setChecked(False)
    em_viewer.dims.set_current_step(0, 0)
    assert not dock.follower.running
    assert errors() == []


def test_the_end_of_the_view_before_is_not_said_of_the_new_one(qtbot, em_viewer, dock, engine):
    follow(qtbot, dock)
    engine.seconds = 1
    em_viewer.dims.set_current_step(0, 1)
    dock.follower.happened.emit(Step(1, 1, 1.0, 0.0, 1.0))  # on its way when the slider was moved
    assert dock.view_line.text() == "Slice 3: computed", "the new view was not looked at yet"
    qtbot.waitUntil(lambda: dock.view_line.text() == "Slice 1: computing …")
    qtbot.waitUntil(lambda: dock.view_line.text() == "Slice 1: computed", timeout=30_000)
    assert (shown(em_viewer, ERROR, 1) == 0.25).all()


def test_what_is_said_of_the_view_outlasts_another_job(qtbot, em_viewer, dock, engine):
    follow(qtbot, dock)
    qtbot.mouseClick(dock.slice_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.busy, timeout=30_000)
    # Not at once: the dock's new lines may make the canvas smaller, and what is in view is told anew.
    qtbot.waitUntil(lambda: dock.view_line.text() == "Slice 3: computed", timeout=30_000)


def test_a_slice_that_is_left_is_given_up(qtbot, em_viewer, dock, engine):
    show_all(em_viewer)
    engine.seconds = 60
    dock.follow.setChecked(True)
    qtbot.waitUntil(lambda: engine.started > 0, timeout=60_000)
    assert dock.view_line.text().startswith("Slice 3: computing")
    engine.seconds = 0
    em_viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: CLASSES in em_viewer.layers, timeout=60_000)
    qtbot.waitUntil(lambda: bool(shown(em_viewer, CLASSES, 1).all()), timeout=30_000)
    assert engine.seen(3) == 0 or engine.boxes[0].start[0] == 1


def test_only_what_is_in_view_is_computed_also_after_the_image_was_moved(qtbot, em_viewer, dock, engine):
    em_viewer.scene.camera.center = (0, 10 + 20 * 5, 20 + 20 * 5)
    em_viewer.scene.camera.zoom = max(em_viewer.canvas.size) / (30 * 5)  # 30 px in view
    dock.follow.setChecked(True)
    computed(qtbot, dock)
    there = shown(em_viewer, CLASSES, 3) > 0
    assert there[6:34, 6:34].any()
    assert not there[40:].any()
    assert not there[:, 40:].any()
    em_viewer.layers["em"].translate = (100, 10 - 50 * 5, 20)  # another part comes into view
    qtbot.waitUntil(lambda: bool((shown(em_viewer, CLASSES, 3) > 0)[65:75].any()), timeout=30_000)
    for name in (CLASSES, ERROR):
        np.testing.assert_allclose(em_viewer.layers[name].translate, em_viewer.layers["em"].translate)
    em_viewer.layers["em"].scale = (50, 2, 2)
    np.testing.assert_allclose(em_viewer.layers[CLASSES].scale, (50, 2, 2))


def test_memory_is_bounded(qtbot, em_viewer, dock, engine, monkeypatch):
    slice_bytes = MapCache.bytes_of(Box((0, 0, 0), (1, 96, 128)))
    monkeypatch.setattr("napari_dense_ssl.gui.classes_look.cache_bytes", lambda: 2 * slice_bytes)
    follow(qtbot, dock)
    for z in (5, 0):
        em_viewer.dims.set_current_step(0, z)
        qtbot.waitUntil(lambda z=z: bool(shown(em_viewer, CLASSES, z).all()), timeout=30_000)
    assert shown(em_viewer, CLASSES, 5).all()
    assert not shown(em_viewer, CLASSES, 3).any(), "what was seen longest ago is dropped"
    em_viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: bool(shown(em_viewer, CLASSES, 3).all()), timeout=30_000)


def test_a_deleted_map_stays_deleted_until_it_is_asked_for(qtbot, em_viewer, dock, engine, errors):
    follow(qtbot, dock)
    em_viewer.layers.remove(ERROR)
    em_viewer.dims.set_current_step(0, 5)
    computed(qtbot, dock)
    assert ERROR not in em_viewer.layers
    assert dock.follow.isChecked()
    em_viewer.layers.remove(CLASSES)
    assert not dock.follow.isChecked()
    assert dock.status.text() == "Following has stopped: its class map was deleted."
    em_viewer.dims.set_current_step(0, 1)
    qtbot.wait(150)
    assert [layer.name for layer in em_viewer.layers] == ["em"]
    dock.follow.setChecked(True)
    computed(qtbot, dock)
    assert {CLASSES, ERROR} <= {layer.name for layer in em_viewer.layers}
    assert (shown(em_viewer, CLASSES, 5) == 6).all(), "with all that was computed before"
    assert errors() == []


def test_other_data_are_never_shown_the_maps_of_the_old(qtbot, em_viewer, dock, engine, stack):
    follow(qtbot, dock)
    count = engine.seen(3)
    em_viewer.layers["em"].data = 255 - stack
    qtbot.waitUntil(lambda: engine.seen(3) > count, timeout=30_000)
    computed(qtbot, dock)
    engine.seconds = 60
    em_viewer.layers["em"].data = np.zeros((4, 40, 50), np.uint8)
    assert [layer.name for layer in em_viewer.layers] == ["em"], "their shape is another"
    assert dock.region.last.maximum() == 3
    engine.seconds = 0
    em_viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: CLASSES in em_viewer.layers, timeout=30_000)
    assert em_viewer.layers[CLASSES].data.shape == (4, 40, 50)


def test_two_images_two_runs_and_other_names(qtbot, em_viewer, dock, engine, tmp_path, stack):
    follow(qtbot, dock)
    image = em_viewer.layers["em"]
    image.name = "renamed"
    em_viewer.add_image(stack, name="em", scale=image.scale, translate=image.translate, units=("nm",) * 3)
    em_viewer.layers.move(0, 2)
    em_viewer.dims.set_current_step(0, 5)
    computed(qtbot, dock)
    assert (shown(em_viewer, CLASSES, 5) == 6).all(), "the layer is followed under its new name"
    assert len(em_viewer.layers) == 4
    dock.layer.choose(em_viewer.layers["em"])
    qtbot.waitUntil(lambda: len(em_viewer.layers) == 6, timeout=30_000)
    (tmp_path / "other").mkdir()
    dock.run_field.set_path(str(tmp_path / "other"))
    qtbot.waitUntil(lambda: len(em_viewer.layers) == 8, timeout=30_000)
    identity = str(em_viewer.layers["em"].unique_id)
    for run in ("run", "other"):
        assert sum(is_result(one, "classes", str(tmp_path / run), identity) for one in em_viewer.layers) == 1
    em_viewer.layers.remove("em")
    qtbot.waitUntil(lambda: dock.layer.currentText() == "renamed", timeout=30_000)


def test_a_duplicate_of_a_map_keeps_what_it_was(qtbot, em_viewer, dock, engine):
    follow(qtbot, dock)
    em_viewer.layers.selection = {em_viewer.layers[CLASSES]}
    em_viewer.layers[CLASSES].as_layer_data_tuple()
    from napari.layers._layer_actions import _duplicate_layer

    _duplicate_layer(em_viewer.layers)
    copy = em_viewer.layers[f"{CLASSES} copy"]
    em_viewer.layers["em"].data = np.zeros((6, 96, 128), np.uint8)
    assert (np.asarray(copy.data[3]) == 4).all()


def test_two_windows(qtbot, make_napari_viewer_proxy, open_dock, engine, stack, tmp_path):
    runs_of_session().add(str(tmp_path / "run"))
    viewers = [make_napari_viewer_proxy(ensure_main_thread=True) for _ in range(2)]
    docks = []
    for number, viewer in enumerate(viewers):
        viewer.add_image(stack, name="em")
        viewer.dims.set_current_step(0, number)
        docks.append(open_dock(viewer, "Classes"))
        docks[-1].error.setChecked(False)
        click(qtbot, docks[-1].slice_button)
    qtbot.waitUntil(lambda: not any(dock.busy for dock in docks), timeout=60_000)
    for number, viewer in enumerate(viewers):
        there = [bool(shown(viewer, CLASSES, z).any()) for z in (0, 1)]
        assert there == [number == 0, number == 1]
    docks[0].table.select([1])
    docks[0].table.hide_button.click()
    qtbot.waitUntil(lambda: viewers[0].layers[CLASSES].colormap.map(1)[3] == 0, timeout=60_000)
    assert viewers[1].layers[CLASSES].colormap.map(2)[3] == 1


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_dock_opened_again_finds_its_maps(qtbot, em_viewer, dock, engine, open_dock):
    follow(qtbot, dock)
    dock.trust.set_value(0.5)
    em_viewer.window.remove_dock_widget(dock)
    assert not dock.follower.running
    again = open_dock(em_viewer, "Classes")
    assert again is not dock
    assert again.table.rows.labels == [*again.look.maps.cache.figures().labels]
    assert 4 in again.table.rows.labels
    assert again.trust.value() == 0.5
    em_viewer.dims.set_current_step(0, 0)
    again.follow.setChecked(True)
    qtbot.waitUntil(lambda: bool(shown(em_viewer, CLASSES, 0).all()), timeout=30_000)
    assert len(em_viewer.layers) == 3


def test_views_across_the_slices_show_what_is_there_and_offer_the_rest(
    qtbot, em_viewer, dock, engine, errors
):
    follow(qtbot, dock)
    assert not dock.view_button.isVisibleTo(dock)
    em_viewer.dims.order = (1, 0, 2)
    em_viewer.dims.set_current_step(1, 40)
    show_plane(em_viewer)
    assert dock.view_button.isVisibleTo(dock)
    assert dock.view_line.text().startswith(
        "This view cuts across the slices; it shows what is computed: parts of"
    )
    qtbot.wait(150)
    count = len(engine.boxes)
    assert dock.follow.isChecked()
    qtbot.wait(150)
    assert len(engine.boxes) == count, "nothing is computed unasked"
    layer = em_viewer.layers[CLASSES]
    cut = np.asarray(layer.data[:, 40])
    assert (cut[3] == 4).all()
    dock.error.setChecked(False)
    click(qtbot, dock.view_button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=60_000)
    cut = np.asarray(layer.data[:, 40])
    assert [int(row.min()) for row in cut] == [1, 2, 3, 4, 5, 6], "each slice its own map"
    value = layer.get_value((100 + 2 * 50, 10 + 40 * 5, 20 + 64 * 5), world=True)
    assert value == 3

    em_viewer.dims.order = (0, 1, 2)
    em_viewer.dims.ndisplay = 3
    assert dock.view_line.text().startswith("The 3-D view shows what is computed: parts of 6 of 6")
    for name in (CLASSES, ERROR):
        np.testing.assert_allclose(em_viewer.layers[name].scale, (50, 5, 5))
    click(qtbot, dock.view_button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=60_000)
    assert np.asarray(layer.data).all()
    em_viewer.dims.ndisplay = 2
    assert not dock.view_button.isVisibleTo(dock)
    assert errors() == []


def show_plane(viewer) -> None:
    viewer.scene.camera.center = (0, 100 + 3 * 50, 20 + 64 * 5)
    viewer.scene.camera.zoom = min(viewer.canvas.size) / (200 * 5)


def test_a_region_stands_still_while_the_view_is_filled(qtbot, em_viewer, dock, engine):
    show_all(em_viewer)
    engine.seconds = 0.03
    dock.error.setChecked(False)
    click(qtbot, dock.region_button)
    qtbot.waitUntil(lambda: engine.started > 0, timeout=60_000)
    dock.follow.setChecked(True)
    qtbot.waitUntil(lambda: dock.job.paused, timeout=60_000)
    computed(qtbot, dock)
    assert not dock.job.paused
    qtbot.waitUntil(lambda: not dock.busy, timeout=60_000)
    assert [int(shown(em_viewer, CLASSES, z).min()) for z in range(6)] == [1, 2, 3, 4, 5, 6]


def test_without_a_run_nothing_is_followed(em_viewer, dock):
    dock.run_field.set_path("")
    assert not dock.follow.isEnabled()


def test_what_was_computed_of_a_deleted_image_is_let_go(qtbot, em_viewer, dock, engine):
    follow(qtbot, dock)
    kept = weakref.ref(dock.look.maps.cache)
    em_viewer.layers.clear()
    qtbot.waitUntil(lambda: not dock.follow.isChecked(), timeout=30_000)
    qtbot.waitUntil(lambda: engine.closed == engine.started, timeout=30_000)

    def gone() -> bool:
        gc.collect()
        return kept() is None

    qtbot.waitUntil(gone, timeout=30_000)


def test_the_window_does_not_wait_for_a_network_that_is_being_loaded(monkeypatch, tmp_path):
    import napari_dense_ssl.model as model
    import napari_dense_ssl.predict as predict

    loading, go_on = threading.Event(), threading.Event()

    class Slow:
        @classmethod
        def open(cls, folder, device):
            loading.set()
            assert go_on.wait(30)
            return cls()

    class Folder:
        @classmethod
        def open(cls, path):
            return cls()

        def fingerprint(self):
            return "a"

    monkeypatch.setattr(model, "RunFolder", Folder)
    monkeypatch.setattr(predict, "Predictor", Slow)
    keeper = PredictorKeeper()
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(keeper.open, str(tmp_path), "cpu")
        assert loading.wait(30)
        keeper.clear()  # would wait until the end of the test
        go_on.set()
        first = opened.result(30)
    assert keeper.open(str(tmp_path), "cpu") is not first, "what was loaded meanwhile is not kept"
