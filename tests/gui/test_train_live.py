"""The live map among layers that a person moves, hides, renames, deletes and replaces."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import napari_dense_ssl.engine
from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.core.watch import Watch
from napari_dense_ssl.gui.layers import KEY, layer_source
from napari_dense_ssl.gui.live import LiveMap, ViewTeller

from .fakes import FakeTrain

NAME = "em classes (live)"


def preview(
    z: int, value: int, rows: tuple[int, int] = (0, 96), columns: tuple[int, int] = (0, 128)
) -> Preview:
    box = Box((z, rows[0], columns[0]), (z + 1, rows[1], columns[1]))
    classes = np.full(box.shape[1:], value, np.uint8)
    return Preview(z, box, Grid((float(rows[0]), float(columns[0]))), classes, step=value)


@pytest.fixture
def live(em_viewer):
    """A live map of the layer em, which has shown one preview; `told` counts calls of `changed`."""
    told = []
    live = LiveMap(em_viewer, layer_source(em_viewer.layers["em"]), "run", lambda: told.append(1))
    live.told = told
    live.show(preview(3, 5))
    yield live
    live.close()


def pixels(layer, z: int) -> np.ndarray:
    return np.asarray(layer.data[z])


def test_what_a_person_sets_stays(em_viewer, live):
    em_viewer.add_labels(np.zeros((6, 96, 128), np.uint8), name="mine")
    layer = em_viewer.layers[NAME]
    assert [entry.name for entry in em_viewer.layers] == ["em", NAME, "mine"]
    layer.opacity, layer.contour, layer.blending = 0.8, 2, "additive"
    layer.name = "what I look at"
    em_viewer.layers.move(1, 3)
    em_viewer.layers.selection = {em_viewer.layers["mine"]}
    em_viewer.scene.camera.zoom = 3.0
    limits = em_viewer.layers["em"].contrast_limits
    live.show(preview(3, 7))
    assert [entry.name for entry in em_viewer.layers] == ["em", "mine", "what I look at"]
    assert (layer.opacity, layer.contour, layer.blending) == (0.8, 2, "additive")
    assert {entry.name for entry in em_viewer.layers.selection} == {"mine"}
    assert em_viewer.scene.camera.zoom == 3.0
    assert em_viewer.layers["em"].contrast_limits == limits
    assert pixels(layer, 3).max() == 7
    assert not pixels(em_viewer.layers["mine"], 3).any()


def test_what_is_displayed_is_the_newest_map(em_viewer, live):
    layer = em_viewer.layers[NAME]

    def displayed(row: int, column: int) -> int:
        """Ask for what is drawn at a pixel, as the mouse over it does; nm from the image's corner."""
        return layer.get_value((250.0, 10 + 5.0 * row, 20 + 5.0 * column), world=True)

    assert displayed(5, 5) == displayed(20, 30) == 5
    live.show(preview(3, 7, (10, 40), (20, 60)))
    assert displayed(20, 30) == 7
    assert displayed(5, 5) == displayed(50, 30) == 0, "the rest of an older map is gone"


def test_a_hidden_map_costs_nothing_and_comes_back(em_viewer, live):
    assert live.wanted
    em_viewer.layers[NAME].visible = False
    assert not live.wanted
    assert live.told
    live.show(preview(3, 9))
    assert pixels(em_viewer.layers[NAME], 3).max() == 5
    em_viewer.layers[NAME].visible = True
    live.show(preview(3, 9))
    assert pixels(em_viewer.layers[NAME], 3).max() == 9
    assert em_viewer.layers[NAME].visible


def test_who_deletes_the_map_does_not_want_it_until_asking_for_it(em_viewer, live):
    em_viewer.layers.remove(NAME)
    assert not live.on
    live.show(preview(3, 9))
    assert NAME not in em_viewer.layers
    live.switch(True)
    live.show(preview(3, 9))
    assert pixels(em_viewer.layers[NAME], 3).max() == 9
    live.switch(False)
    assert NAME not in em_viewer.layers


def test_a_layer_of_the_same_name_is_not_ours(em_viewer):
    mine = em_viewer.add_labels(np.zeros((6, 96, 128), np.uint8), name=NAME)
    live = LiveMap(em_viewer, layer_source(em_viewer.layers["em"]), "run")
    live.show(preview(3, 5))
    assert not pixels(mine, 3).any()
    assert pixels(live.layer, 3).max() == 5
    assert len(em_viewer.layers) == 3
    live.close()


def test_a_copy_is_the_persons_own(em_viewer, live):
    ours = em_viewer.layers[NAME]
    data, keywords, _ = ours.as_layer_data_tuple()
    copy = em_viewer.add_labels(np.array(data), **(keywords | {"name": f"{NAME} copy"}))
    live.show(preview(3, 9))
    assert pixels(copy, 3).max() == 5
    assert pixels(ours, 3).max() == 9


def test_the_next_training_goes_on_in_the_same_layer(em_viewer, live):
    layer = em_viewer.layers[NAME]
    layer.opacity = 0.9
    live.close()
    after = LiveMap(em_viewer, layer_source(em_viewer.layers["em"]), "another run")
    after.show(preview(2, 8))
    assert len(em_viewer.layers) == 2
    assert (layer.opacity, layer.metadata[KEY]["run"]) == (0.9, "another run")
    assert pixels(layer, 2).max() == 8
    assert not pixels(layer, 3).any(), "the map of the run before is gone"
    after.close()
    layer.name = "kept"
    third = LiveMap(em_viewer, layer_source(em_viewer.layers["em"]), "third run")
    third.show(preview(2, 3))
    assert pixels(layer, 2).max() == 8, "a new name keeps it"
    assert len(em_viewer.layers) == 3
    third.close()


def test_a_map_whose_data_was_replaced_is_given_up(em_viewer, live):
    layer = em_viewer.layers[NAME]
    layer.data = np.ones((6, 96, 128), np.uint8)
    layer.name = "mine now"
    live.show(preview(3, 9))
    assert pixels(layer, 3).max() == 1
    assert pixels(em_viewer.layers[NAME], 3).max() == 9


def test_an_image_whose_data_was_replaced_has_no_live_map(em_viewer, live):
    em_viewer.layers["em"].data = np.zeros((3, 20, 20), np.uint8)
    assert not live.wanted
    live.show(preview(3, 9))
    assert pixels(em_viewer.layers[NAME], 3).max() == 5


def test_nothing_is_in_view_for_who_does_not_look(em_viewer):
    watch, wish = Watch(), SimpleNamespace(wanted=True)
    identity = str(em_viewer.layers["em"].unique_id)
    teller = ViewTeller(em_viewer, identity, watch, lambda: wish.wanted)
    assert watch.view() is not None
    wish.wanted = False
    teller.tell()
    assert watch.view() is None
    teller.close()


def test_large_maps_are_not_read_whole_in_3d(make_napari_viewer_proxy):
    import dask.array as da

    viewer = make_napari_viewer_proxy(ensure_main_thread=True)
    viewer.add_image(da.zeros((600, 400, 400), chunks=(1, 400, 400), dtype=np.uint8), contrast_limits=(0, 1))
    live = LiveMap(viewer, layer_source(viewer.layers[0]), "run")
    assert live.wanted
    viewer.dims.ndisplay = 3
    assert not live.wanted
    live.close()


# -- through the dock --------------------------------------------------------------------------------------


@pytest.fixture
def engine(monkeypatch) -> FakeTrain:
    fake = FakeTrain()
    monkeypatch.setattr(napari_dense_ssl.engine, "train", fake)
    return fake


def test_deleting_the_live_layer_turns_it_off_and_the_box_brings_it_back(
    qtbot, em_viewer, open_dock, engine, errors
):
    dock = open_dock(em_viewer, "Train")
    dock.start()
    qtbot.waitUntil(lambda: NAME in em_viewer.layers, timeout=20_000)
    em_viewer.layers.remove(NAME)
    assert not dock.live_box.isChecked()
    views = len(engine.views)
    count = engine.count
    qtbot.waitUntil(lambda: engine.count > count + 30, timeout=20_000)
    assert len(engine.views) <= views + 1, "nothing is computed for a map that nobody sees"
    assert NAME not in em_viewer.layers
    dock.live_box.click()
    qtbot.waitUntil(lambda: NAME in em_viewer.layers, timeout=20_000)
    em_viewer.layers["em"].data = np.zeros((6, 96, 128), np.uint8)
    assert "pixels of the layer em were replaced" in dock.banners.text("replaced")
    assert errors() == []


def test_two_viewers_with_layers_of_the_same_name(
    qtbot, make_napari_viewer_proxy, em_viewer, stack, open_dock, engine, errors
):
    other = make_napari_viewer_proxy(ensure_main_thread=True)
    other.add_image(stack[::-1], name="em")
    docks = [open_dock(viewer, "Train") for viewer in (em_viewer, other)]
    em_viewer.dims.set_current_step(0, 1)
    other.dims.set_current_step(0, 4)
    for dock in docks:
        dock.start()
    qtbot.waitUntil(lambda: NAME in em_viewer.layers and NAME in other.layers, timeout=30_000)
    qtbot.waitUntil(lambda: pixels(em_viewer.layers[NAME], 1).max() == 2, timeout=20_000)
    qtbot.waitUntil(lambda: pixels(other.layers[NAME], 4).max() == 5, timeout=20_000)
    assert not pixels(em_viewer.layers[NAME], 4).any()
    assert not pixels(other.layers[NAME], 1).any()
    em_viewer.layers.remove("em")
    qtbot.waitUntil(lambda: not docks[0].busy, timeout=10_000)
    assert docks[1].busy
    assert errors() == []
