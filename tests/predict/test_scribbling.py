"""Scribbling step by step: what is computed after a stroke, what is kept, what is dropped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.core.events import Event, Pictured, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Desk, View
from napari_dense_ssl.predict import (
    MapCache,
    Predictor,
    ProbeSettings,
    Scribbles,
    Segmented,
    SparseLabels,
    probe,
    scribble,
)
from napari_dense_ssl.predict.scribbling import _Session
from napari_dense_ssl.volume import Volume, open_output

SETTINGS = ProbeSettings(tile=64, chunk=32, members=2, hidden=16)
WHOLE = Box((0, 0, 0), (1, 80, 96))


@pytest.fixture(scope="module")
def volume() -> Volume:
    """Smooth on the left of column 48, grainy on its right, of the same mean grey."""
    noise = np.random.default_rng(0).normal(size=(4, 80, 96))
    smooth = gaussian_filter(noise, (0, 4, 4))
    pixels = np.where(np.arange(96) < 48, smooth / smooth.std(), noise)
    return Volume.from_arrays(
        [np.clip(128 + 40 * pixels, 0, 255).astype(np.uint8)], voxel_size=(50.0, 4.0, 4.0)
    )


def strokes(*more: tuple[int, int, int, int]) -> tuple[SparseLabels, Scribbles]:
    """A line in either texture of the first two slices; and further ones: slice, row, column, label."""
    drawn = SparseLabels((4, 80, 96))
    drawn[:2, 20, 10:30] = 85
    drawn[:2, 60, 60:80] = 255
    for z, y, x, label in more:
        drawn[z, y, x : x + 10] = label
    return drawn, Scribbles.of(*drawn.places())


@pytest.fixture
def predictor(small_encoder, cpu) -> Predictor:
    return Predictor(small_encoder, cpu)


def until_done(events: Iterator[Event]) -> list[Event]:
    taken = []
    for event in events:
        taken.append(event)
        if isinstance(event, Step) and event.fraction == 1:
            break
    return taken


def pictures(events: list[Event]) -> list[Segmented]:
    return [event.picture for event in events if isinstance(event, Pictured)]


def read(cache: MapCache, what: str, z: int) -> np.ndarray:
    return cache.read(what, np.array([z]), np.arange(80), np.arange(96))[0]


def test_the_last_answer_is_that_of_probe(predictor, volume, tmp_path):
    drawn, scribbles = strokes()
    list(probe(volume, predictor, drawn, tmp_path / "out.zarr", settings=SETTINGS))
    output = open_output(tmp_path / "out.zarr")
    cache = MapCache(volume.shape, 10**9, counted=False)
    desk = Desk(View(WHOLE), scribbles)
    events = scribble(volume, predictor, desk, cache, settings=SETTINGS)
    for z in range(4):
        desk.look(View(WHOLE.plane(z)))
        until_done(events)
        same = read(cache, "classes", z) == output.label("segmentation")[z]
        # Features are kept in half precision, and read by probe in single.
        assert same.mean() > 0.999
        confidence = 1 - read(cache, "error", z).astype(float)
        assert np.abs(confidence - output.image[z]).max() < 0.02
    events.close()


def test_a_stroke_is_answered_twice_without_encoding_anything(predictor, volume, small_encoder, monkeypatch):
    passes = []
    monkeypatch.setattr(
        Predictor,
        "_forward",
        lambda self, images, to=Predictor._forward: passes.append(1) or to(self, images),
    )
    cache = MapCache(volume.shape, 10**9, counted=False)
    desk: Desk[Scribbles] = Desk(View(WHOLE))
    events = scribble(volume, predictor, desk, cache, settings=SETTINGS)
    first = until_done(events)
    assert isinstance(first[0], Started)
    assert not pictures(first), "there is nothing to learn from yet"
    assert passes, "what is in view is encoded before the first stroke"
    drawn = SparseLabels((4, 80, 96))
    drawn[0, 20, 10:30], drawn[0, 60, 60:80] = 1, 2
    before = len(passes)
    desk.put(Scribbles.of(*drawn.places()))
    found = pictures(until_done(events))
    assert len(passes) == before
    assert [one.final for one in found] == [False, True]
    assert found[1].suggestions
    assert not found[0].suggestions
    for one in found:
        assert one.z == 0
        assert one.pixels.sum() == 80 * 96
        assert set(np.flatnonzero(one.pixels)) <= {1, 2}
        assert 0 <= one.uncertainty <= 0.5
        assert sum(one.areas.values()) == pytest.approx(1)
    truth = np.where(np.arange(96) < 48, 1, 2)
    inner = np.abs(np.arange(96) - 47.5) > 8
    assert (read(cache, "classes", 0) == truth)[:, inner].mean() > 0.9
    desk.look(View(WHOLE.plane(1)))
    (again,) = pictures(until_done(events))
    assert again.final
    assert again.z == 1, "another slice needs no fitting"
    desk.look(View(Box((0, 0, 0), (1, 60, 90))))
    moved = until_done(events)
    assert not [event for event in moved if isinstance(event, Preview)], "what is segmented stays"
    assert pictures(moved)[0].pixels.sum() == 60 * 90
    events.close()


def test_a_newer_stroke_ends_what_was_being_fitted(predictor, volume):
    cache = MapCache(volume.shape, 10**9, counted=False)
    desk = Desk(View(WHOLE), strokes()[1])
    slow = SETTINGS.model_copy(update={"members": 50, "hidden": 256})
    events = scribble(volume, predictor, desk, cache, settings=slow)
    for event in events:
        if isinstance(event, Pictured):
            break
    assert not event.picture.final
    desk.put(strokes((0, 40, 60, 7))[1])
    found = []
    for event in events:
        if isinstance(event, Pictured):
            found.append(event.picture)
            break
    assert not found[0].final, "the older strokes got no second answer"
    assert 7 in found[0].areas
    events.close()


def test_what_an_older_classifier_said_is_not_left_in_other_slices(predictor, volume):
    cache = MapCache(volume.shape, 10**9, counted=False)
    desk = Desk(View(WHOLE.plane(3)), strokes()[1])
    events = scribble(volume, predictor, desk, cache, settings=SETTINGS)
    until_done(events)
    desk.look(View(WHOLE))
    until_done(events)
    assert cache.slices == (0, 3)
    desk.put(strokes((0, 40, 60, 7))[1])
    until_done(events)
    assert cache.slices == (0,)
    desk.put(None)
    assert not pictures(until_done(events)), "nothing is segmented when strokes are taken back"
    events.close()


def test_features_are_bounded_in_memory(predictor, volume):
    one_slice = 80 * 96 * 2 * 32  # at least: half precision, some thirty channels
    desk: Desk[Scribbles] = Desk()
    session = _Session(volume, predictor, desk, MapCache(volume.shape, 10**9), SETTINGS, one_slice)
    for z in range(4):
        desk.look(view := View(WHOLE.plane(z)))
        list(session.serve(view, None))
        seen = [window.box for window in session._windows(view)]
        assert all(box in session.features for box in seen), "what is in view is never dropped"
        largest = sum(session.features.get(box).nbytes for box in seen)
        assert session.features.nbytes <= max(one_slice, largest)


def test_only_what_is_in_view_is_previewed_and_the_middle_first(predictor, volume):
    wide = Volume.from_arrays([np.tile(volume.data.compute(), (1, 3, 3))])
    drawn = SparseLabels(wide.shape)
    drawn[0, 20, 10:30], drawn[0, 60, 60:80] = 1, 2
    desk = Desk(View(Box((0, 0, 0), (1, 60, 60))), Scribbles.of(*drawn.places()))
    cache = MapCache(wide.shape, 10**9, counted=False)
    events = scribble(wide, predictor, desk, cache, settings=SETTINGS)
    taken = until_done(events)
    boxes = {event.box for event in taken if isinstance(event, Preview)}
    assert all(box.intersect(Box((0, 0, 0), (1, 60, 60))).size for box in boxes)
    assert cache.missing(Box((0, 0, 0), (1, 60, 60)), "classes") is None
    assert pictures(taken)[-1].pixels.sum() == 3600
    events.close()


def test_peoples_scribbles_on_a_2d_image(real_data, small_encoder, cpu):
    """A 2-D image goes the way of a volume, as one of a single slice; scribbled on by a person."""
    raw, strokes = (
        tifffile.imread(real_data(f"hrdv2/{name}.tif"), key=0)[None, :256, :256]
        for name in ("raw", "scribbles")
    )
    volume = Volume.from_arrays([raw])
    drawn = SparseLabels.of(strokes)
    scribbles = Scribbles.of(*drawn.places())
    settings = ProbeSettings(classifier="discriminants")
    cache = MapCache(volume.shape, 10**9, counted=False)
    whole = Box.whole(volume.shape)
    predictor = Predictor(small_encoder, cpu)
    events = scribble(volume, predictor, Desk(View(whole), scribbles), cache, settings=settings)
    last = pictures(until_done(events))[-1]
    events.close()
    assert set(np.flatnonzero(last.pixels)) <= set(scribbles.ids.tolist())
    z, y, x = drawn.places()[0].T
    found = cache.read("classes", np.arange(1), np.arange(256), np.arange(256))[z, y, x]
    right = (found == drawn.places()[1]).mean()
    common = np.bincount(drawn.places()[1]).max() / len(z)
    assert right > max(0.6, 0.9 * common), "the strokes themselves are mostly named as they were drawn"
