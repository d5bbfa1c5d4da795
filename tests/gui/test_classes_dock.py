"""The Classes dock, driven by clicks against a prediction whose maps can be told from each other."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.gui.prediction import PredictorKeeper
from napari_dense_ssl.gui.results import error_limit
from napari_dense_ssl.gui.session import runs_of_session

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


def click(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def compute(qtbot, dock, button) -> None:
    click(qtbot, button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=60_000)


def plane(viewer, name: str, z: int) -> np.ndarray:
    return np.asarray(viewer.layers[name].data[z])


def test_slices_become_two_layers_in_the_images_place(qtbot, em_viewer, dock, engine, errors, tmp_path):
    assert dock.run_field.path() == str(tmp_path / "run"), "the latest run of the session comes first"
    selected = set(em_viewer.layers.selection)
    compute(qtbot, dock, dock.slice_button)
    assert sum(box.size for box in engine.boxes) == 96 * 128
    assert (plane(em_viewer, CLASSES, 3) == 4).all()
    assert (plane(em_viewer, ERROR, 3) == 0.25).all()
    assert not plane(em_viewer, CLASSES, 2).any()
    assert np.isnan(plane(em_viewer, ERROR, 2)).all(), "what is not computed is no small error"
    image = em_viewer.layers["em"]
    for name in (CLASSES, ERROR):
        layer = em_viewer.layers[name]
        np.testing.assert_allclose(layer.scale, image.scale)
        np.testing.assert_allclose(layer.translate, image.translate)
        assert layer.units == image.units
        assert layer.axis_labels == image.axis_labels
        assert layer.metadata[KEY]["run"] == str(tmp_path / "run")
    assert em_viewer.layers[ERROR].contrast_limits == [0, 0.5]
    assert em_viewer.layers[ERROR].contrast_limits_range == [0, 1]
    assert em_viewer.layers[ERROR].colormap.name == "magma"
    assert set(em_viewer.layers.selection) == selected
    assert dock.layer.currentText() == "em", "our own maps are not offered as images"
    assert dock.layer.count() == 1
    assert dock.status.text() == "Slice 3: 1 classes occur, mean equivariance error 0.250 (0 to 1). " + (
        "Its colours end at 0.5."
    )

    em_viewer.dims.set_current_step(0, 1)
    compute(qtbot, dock, dock.slice_button)
    assert len(em_viewer.layers) == 3, "a second slice goes into the same layers"
    assert (plane(em_viewer, CLASSES, 1) == 2).all()
    assert (plane(em_viewer, CLASSES, 3) == 4).all()
    assert errors() == []


def test_colours_that_the_user_has_set_are_kept(qtbot, em_viewer, dock, engine):
    compute(qtbot, dock, dock.slice_button)
    em_viewer.layers[ERROR].contrast_limits = (0, 0.3)
    engine.error = 0.9
    compute(qtbot, dock, dock.slice_button)
    assert em_viewer.layers[ERROR].contrast_limits == [0, 0.3]
    assert (plane(em_viewer, ERROR, 3) == np.float16(0.9)).all()


@pytest.mark.parametrize(("value", "limit"), [(0.0, 0.05), (0.05, 0.05), (0.06, 0.1), (0.4, 0.5), (1.0, 1.0)])
def test_where_the_colours_of_an_error_end(value, limit):
    assert error_limit(np.full((4, 4), value)) == limit


def test_which_map_is_shown(qtbot, em_viewer, dock, engine):
    compute(qtbot, dock, dock.slice_button)
    for text, visible in (
        ("equivariance error", (False, True)),
        ("both", (True, True)),
        ("classes", (True, False)),
    ):
        dock.shown.setCurrentText(text)
        assert (em_viewer.layers[CLASSES].visible, em_viewer.layers[ERROR].visible) == visible
    assert em_viewer.layers["em"].visible


def test_classes_alone(qtbot, em_viewer, dock, engine):
    dock.error.setChecked(False)
    compute(qtbot, dock, dock.slice_button)
    assert set(engine.whats) == {("classes",)}
    assert [layer.name for layer in em_viewer.layers] == ["em", CLASSES]


def test_a_region(qtbot, em_viewer, dock, engine):
    dock.region.choice.setCurrentIndex(1)
    dock.region.first.setValue(2)
    dock.region.last.setValue(4)
    compute(qtbot, dock, dock.region_button)
    assert sum(box.size for box in engine.boxes) == 3 * 96 * 128
    assert [int(plane(em_viewer, CLASSES, z).max()) for z in range(6)] == [0, 0, 3, 4, 5, 0]
    assert dock.progress.value() == 1000


def test_stop_and_go_on(qtbot, em_viewer, dock, engine):
    engine.seconds = 0.05
    click(qtbot, dock.region_button)
    qtbot.waitUntil(lambda: CLASSES in em_viewer.layers, timeout=60_000)
    assert not dock.region_button.isEnabled()
    click(qtbot, dock.stop_button)
    qtbot.waitUntil(lambda: not dock.busy, timeout=30_000)
    assert engine.closed == 1
    assert dock.progress.format() == "stopped"
    assert plane(em_viewer, CLASSES, 0).any()
    assert dock.region_button.isEnabled()


@pytest.mark.parametrize("what", ["layer", "dock", "window"])
def test_the_job_ends_with_its_layer_dock_or_window(qtbot, em_viewer, dock, engine, errors, what):
    engine.seconds = 60
    click(qtbot, dock.slice_button)
    qtbot.waitUntil(lambda: bool(engine.started), timeout=60_000)
    match what:
        case "layer":
            em_viewer.layers.remove("em")
        case "dock":
            dock.parent().destroyOnClose()
        case _:
            em_viewer.close()
    qtbot.waitUntil(lambda: engine.closed == 1, timeout=30_000)
    assert errors() == []


def test_deleted_maps_come_back(qtbot, em_viewer, dock, engine):
    compute(qtbot, dock, dock.slice_button)
    em_viewer.layers.remove(CLASSES)
    compute(qtbot, dock, dock.slice_button)
    assert (plane(em_viewer, CLASSES, 3) == 4).all()


def test_without_a_run_nothing_can_be_computed(em_viewer, dock):
    dock.run_field.set_path("")
    for button in (dock.slice_button, dock.region_button, dock.whole_button):
        assert not button.isEnabled()


def test_a_region_too_large_for_memory_is_refused(qtbot, make_napari_viewer_proxy, open_dock, engine, errors):
    import dask.array as da

    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    viewer.add_image(
        da.zeros((1000, 2000, 2000), np.uint8, chunks=(1, 512, 512)), name="em", contrast_limits=(0, 1)
    )
    runs_of_session().add("run")
    dock = open_dock(viewer, "Classes")
    click(qtbot, dock.region_button)
    assert "4000.0 million voxels need" in errors()[0]
    assert not engine.boxes


# -- looking -----------------------------------------------------------------------------------------------


def in_world(y: float, x: float, z: int = 3) -> tuple[float, float, float]:
    """Return where a voxel of the stack lies."""
    return 100 + 50 * z, 10 + 5 * y, 20 + 5 * x


def press(viewer, place, drag: float = 0.0, button: int = 1, modifiers=()) -> None:
    """Click (or drag) on the canvas, as napari passes it on."""
    from types import SimpleNamespace

    model = viewer.__wrapped__
    event = SimpleNamespace(
        button=button,
        modifiers=modifiers,
        type="mouse_press",
        pos=np.array([10.0, 10.0]),
        position=place,
        view_direction=None,
        dims_displayed=[1, 2],
    )
    for callback in list(model.mouse_drag_callbacks):
        steps = callback(model, event)
        if steps is None or "drag_to_zoom" in str(callback):
            continue
        for kind in ("press", *(["mouse_move"] if drag else []), "mouse_release"):
            event.type = kind
            event.pos = event.pos + (drag if kind == "mouse_move" else 0)
            if next(steps, "end") == "end":
                break


def test_picking_a_pixel_chooses_its_class(qtbot, em_viewer, dock, engine):
    compute(qtbot, dock, dock.slice_button)
    em_viewer.dims.set_current_step(0, 2)
    compute(qtbot, dock, dock.slice_button)
    press(em_viewer, in_world(50, 60, 3))
    assert dock.table.selection() == [4]
    press(em_viewer, in_world(50, 60, 2), drag=20)
    assert dock.table.selection() == [4], "a drag moves the view and picks nothing"
    press(em_viewer, in_world(50, 60, 2), modifiers=("Shift",))
    press(em_viewer, in_world(50, 60, 2), button=2)
    assert dock.table.selection() == [4]
    dock.trust.set_value(0.1)
    press(em_viewer, in_world(50, 60, 2))
    assert dock.table.selection() == [3], "also where the threshold hides it"
    press(em_viewer, in_world(50, 60, 5))
    assert dock.table.selection() == [], "where nothing is computed there is nothing to choose"
    em_viewer.add_labels(np.zeros((6, 96, 128), np.uint8), name="mine").mode = "paint"
    press(em_viewer, in_world(50, 60, 3))
    assert dock.table.selection() == [], "a brush of napari's keeps the mouse"


def test_hidden_and_chosen_classes_on_the_canvas(qtbot, em_viewer, dock, engine):
    dock.region.choice.setCurrentIndex(1)
    dock.region.first.setValue(2)
    dock.region.last.setValue(4)
    compute(qtbot, dock, dock.region_button)
    dock.look.show_figures()
    layer = em_viewer.layers[CLASSES]
    assert dock.table.rows.labels == [3, 4, 5]

    def alphas() -> list[float]:
        qtbot.wait(20)
        return layer.colormap.map(np.array([3, 4, 5], np.uint8))[:, 3].tolist()

    assert alphas() == [1, 1, 1]
    dock.table.select([4])
    assert alphas() == [0.25, 1, 0.25]
    click(qtbot, dock.table.isolate_button)
    assert alphas() == [0, 1, 0]
    click(qtbot, dock.table.all_button)
    assert alphas() == [1, 1, 1]
    assert [int(plane(em_viewer, CLASSES, z).max()) for z in (2, 3, 4)] == [3, 4, 5], "the map stays"
    assert "class: 3" in layer.get_status(in_world(10, 10, 3), world=True)["value"]
    assert not layer.editable


def test_the_threshold_hides_pixels_without_computing(qtbot, em_viewer, dock, engine):
    engine.error = np.linspace(0, 1, 96 * 128, dtype=np.float32).reshape(96, 128)
    assert not dock.trust.slider.isEnabled()
    compute(qtbot, dock, dock.slice_button)
    dock.look.show_figures()
    assert dock.trust.sentence.text() == "Shows all pixels; mean error 0.500 (0 to 1)."
    count = len(engine.boxes)
    dock.trust.slider.setFocus()
    qtbot.keyClick(dock.trust.slider, Qt.Key.Key_PageDown)
    assert dock.trust.value() == 0.9
    dock.trust.number.setValue(0.25)
    assert dock.trust.sentence.text() == "Shows 25.0 % of the pixels; mean error 0.500 (0 to 1)."
    drawn = plane(em_viewer, CLASSES, 3)
    assert (drawn > 0).mean() == pytest.approx(0.25, abs=0.001)
    assert (drawn[:20] == 4).all()
    assert not drawn[30:].any()
    assert len(engine.boxes) == count
    dock.trust.set_value(1)
    assert (plane(em_viewer, CLASSES, 3) == 4).all()


def test_figures_of_the_table(qtbot, em_viewer, dock, engine, stack):
    compute(qtbot, dock, dock.slice_button)
    qtbot.waitUntil(lambda: dock.table.rows.rowCount() == 1, timeout=60_000)
    row = [dock.table.sorted.index(0, column).data() for column in range(4)]
    assert row == ["3", "100.0 %", f"{stack[3].mean():.1f}", "0.250"]
    assert dock.table_line.text() == "1 classes in 0.01 million pixels computed so far."


def test_keys(qtbot, em_viewer, dock, engine):
    em_viewer.window.add_dock_widget  # noqa: B018 - the dock is in a window
    for keys, act in (
        ("Ctrl+L", dock.follow),
        ("Ctrl+.", dock.stop_button),
        ("Ctrl+Return", dock.slice_button),
    ):
        assert keys in act.toolTip()
