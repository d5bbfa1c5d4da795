from collections.abc import Iterator

import numpy as np
import pytest

from napari_dense_ssl.core.events import Beat, Event, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import View, Watch
from napari_dense_ssl.predict import MapCache, Predictor, PredictSettings, follow
from napari_dense_ssl.volume import Volume

_BEATS = 8


@pytest.fixture
def big() -> Volume:
    random = np.random.default_rng(0)
    return Volume.from_arrays([random.integers(0, 255, (6, 192, 192), np.uint8)])


@pytest.fixture
def predictor(pointwise, cpu) -> Predictor:
    return Predictor(pointwise, cpu, PredictSettings(tile=64, symmetries=2, shifts=((1, 3),)))


def until_done(events: Iterator[Event]) -> list[Event]:
    """Take events until all that is in view is there."""
    taken = []
    for event in events:
        taken.append(event)
        if isinstance(event, Step) and event.fraction == 1:
            break
    return taken


def until_idle(events: Iterator[Event]) -> list[Event]:
    """Take events until nothing is left to do: more beats in a row than a tile has passes."""
    taken: list[Event] = []
    while len(taken) < _BEATS or not all(isinstance(event, Beat) for event in taken[-_BEATS:]):
        taken.append(next(events))
    return taken


def middle(box: Box) -> np.ndarray:
    return (np.add(box.start, box.stop) / 2)[1:]


def test_what_is_in_view_comes_first_from_the_middle_outwards_and_the_classes_before_the_error(
    predictor, big
):
    view = View(Box((2, 0, 0), (3, 192, 192)), ahead=(3, 4))
    cache = MapCache(big.shape, 10**9)
    events = follow(big, predictor, Watch(view), cache)
    seen = until_done(events)
    assert isinstance(seen[0], Started)
    previews = [event for event in seen if isinstance(event, Preview)]
    assert {preview.z for preview in previews} == {2}
    kinds = [preview.error is not None for preview in previews]
    assert kinds == sorted(kinds), "no error before all classes are there"
    assert kinds.count(True) >= kinds.count(False) > 3
    distances = [np.linalg.norm(middle(p.box) - 96) for p in previews if p.error is None]
    assert distances == sorted(distances)
    fractions = [event.fraction for event in seen if isinstance(event, Step)]
    assert fractions == sorted(fractions)
    assert cache.missing(view.box, "error") is None

    ahead = [event for event in until_idle(events) if isinstance(event, Preview)]
    assert list(dict.fromkeys(preview.z for preview in ahead)) == [3, 4]
    assert cache.missing(view.box.plane(3), "error") is None, "the next slice whole"
    assert cache.missing(view.box.plane(4), "classes") is None
    assert cache.missing(view.box.plane(4), "error") is not None
    events.close()


def test_what_is_there_is_not_computed_again(predictor, pointwise, big):
    view = View(Box((1, 0, 0), (2, 100, 100)))
    cache, watch = MapCache(big.shape, 10**9), Watch(view)
    events = follow(big, predictor, watch, cache)
    until_done(events)
    count = len(pointwise.sizes)
    watch.look(View(Box((1, 10, 10), (2, 90, 90))))
    until_done(events)
    assert len(pointwise.sizes) == count
    watch.look(View(Box((1, 0, 0), (2, 100, 110))))
    computed = [event.box for event in until_done(events) if isinstance(event, Preview)]
    assert computed
    assert all(box.start[2] >= 100 for box in computed), "only the new margin"
    events.close()


def test_the_maps_are_those_of_the_whole_volume(predictor, big):
    cache = MapCache(big.shape, 10**9)
    box = Box((0, 0, 0), (1, 192, 192))
    until_done(follow(big, predictor, Watch(View(box)), cache))
    (whole,) = [
        p
        for p in Predictor(
            predictor.encoder, predictor.device, PredictSettings(tile=256, symmetries=2, shifts=((1, 3),))
        ).plane(big, 0, box, ("classes", "error"))
        if not isinstance(p, Beat | Noted)
    ]
    axes = np.arange(1), np.arange(192), np.arange(192)
    np.testing.assert_array_equal(cache.read("classes", *axes)[0], whole.classes)
    np.testing.assert_allclose(cache.read("error", *axes)[0], whole.error, atol=1e-3)


def test_a_slice_that_is_left_is_given_up_after_the_pass_under_way(predictor, pointwise, big):
    view = View(Box((0, 0, 0), (1, 192, 192)))
    cache, watch = MapCache(big.shape, 10**9), Watch(view)
    events = follow(big, predictor, watch, cache, what=("classes",))
    while not isinstance(next(events), Preview):
        pass
    passes = len(pointwise.sizes)
    watch.look(View(view.box.plane(5)))
    seen = until_done(events)
    assert {event.z for event in seen if isinstance(event, Preview)} == {5}
    assert len([p for p in seen if isinstance(p, Preview)]) + passes + 1 >= len(pointwise.sizes)
    assert cache.missing(view.box, "classes") is not None
    watch.look(None)
    assert isinstance(next(events), Beat)
    events.close()


def test_windows_are_smaller_while_somebody_looks(pointwise, cpu):
    assert Predictor(pointwise, cpu).for_viewing().layout(("classes",)).tile == 400
    chosen = Predictor(pointwise, cpu, PredictSettings(tile=96))
    assert chosen.for_viewing() is chosen
