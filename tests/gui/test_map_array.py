from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.map_array import MapArray, Threshold, TrustedMap, level_shapes
from napari_dense_ssl.predict.map_cache import MapCache

SHAPE = (4, 150, 140)


def held(cache: MapCache) -> SimpleNamespace:
    return SimpleNamespace(cache=cache)


def filled() -> tuple[MapCache, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    classes = random.integers(1, 9, SHAPE).astype(np.uint8)
    error = random.random(SHAPE).astype(np.float16)
    cache = MapCache(SHAPE, 10**9)
    for z in range(SHAPE[0]):
        cache.write(Box.whole(SHAPE).plane(z), classes[z], error[z])
    return cache, classes, error


KEYS = st.one_of(
    st.integers(-4, 3),
    st.builds(
        slice,
        st.none() | st.integers(-3, 3),
        st.none() | st.integers(0, 4),
        st.sampled_from([None, 1, 2, -1]),
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.tuples(KEYS, KEYS, KEYS), KEYS)
def test_it_is_indexed_as_numpy_is(key, second):
    cache, classes, _ = filled()
    cut, wanted = MapArray(held(cache), "classes", SHAPE)[key], classes[key]
    np.testing.assert_array_equal(np.asarray(cut), wanted)
    if wanted.ndim and wanted.shape[0] >= 4:
        np.testing.assert_array_equal(np.asarray(cut[second]), wanted[second])
    assert np.shape(cut) == wanted.shape


def test_ellipsis_masks_and_lists():
    cache, classes, _ = filled()
    array = MapArray(held(cache), "classes", SHAPE)
    np.testing.assert_array_equal(array[..., 3], classes[..., 3])
    np.testing.assert_array_equal(array[1][[2, 5]], classes[1][[2, 5]])
    assert (array.shape, array.ndim, array.size, len(array)) == (SHAPE, 3, classes.size, 4)
    with pytest.raises(OutputError, match="cannot be painted on"):
        array[0, 0, 0] = 1


def test_a_coarse_level_is_every_second_pixel():
    cache, classes, _ = filled()
    np.testing.assert_array_equal(MapArray(held(cache), "classes", (4, 75, 70)), classes[:, ::2, ::2])
    np.testing.assert_array_equal(MapArray(held(cache), "classes", (2, 75, 70))[1], classes[2, ::2, ::2])


def test_cutting_reads_nothing(monkeypatch):
    huge = (10_000, 60_000, 60_000)
    array = MapArray(held(MapCache(huge, 10**6)), "error", huge)
    plane = array[:, 100:200, 300:400][7]  # as napari cuts a pyramid
    assert np.isnan(np.asarray(plane)).all()
    assert plane.shape == (100, 100)


def test_the_threshold_hides_and_changes_nothing():
    cache, classes, error = filled()
    threshold = Threshold()
    shown = TrustedMap(
        MapArray(held(cache), "classes", SHAPE), MapArray(held(cache), "error", SHAPE), threshold
    )
    np.testing.assert_array_equal(shown, classes)
    threshold.value = 0.29
    doubtful = error.astype(np.float32) > np.float32(0.29)
    np.testing.assert_array_equal(shown[2], np.where(doubtful[2], 0, classes[2]))
    assert (np.asarray(shown) > 0).mean() == pytest.approx(cache.figures().kept(0.29))
    np.testing.assert_array_equal(shown.classes, classes)
    copy = deepcopy(shown)
    cache.clear()
    threshold.value = 1
    np.testing.assert_array_equal(copy, np.where(doubtful, 0, classes))
    assert not np.asarray(shown).any()


def test_without_an_error_all_is_shown():
    shape = (1, 8, 8)
    cache = MapCache(shape, 10**6)
    cache.write(Box.whole(shape), np.ones((8, 8), np.uint8), None)
    classes, error = (MapArray(held(cache), what, shape) for what in ("classes", "error"))
    assert np.asarray(TrustedMap(classes, error, Threshold(0.1))).all()
    assert not np.isnan(np.asarray(error)).any(), "a volume without NaN, in which rays would be lost"
    assert np.isnan(np.asarray(error[0])).all()


def test_large_planes_get_a_pyramid():
    assert level_shapes((3, 2048, 100)) == [(3, 2048, 100)]
    assert level_shapes((3, 5001, 100)) == [(3, 5001, 100), (3, 2501, 50), (3, 1251, 25)]
