"""Where to scribble next, on maps whose answer is plain."""

import numpy as np
import pytest

from napari_dense_ssl.core.errors import ScribbleError
from napari_dense_ssl.predict.class_scribble import class_pixels
from napari_dense_ssl.predict.suggest import suggest


def test_the_most_uncertain_areas_come_first_and_apart():
    sure = np.full((400, 400), 0.01, np.float32)
    sure[200, :] = 0.5  # a border between two classes: thin
    sure[40:80, 40:80] = 0.5  # the largest doubt
    sure[300:320, 300:320] = 0.5
    found = suggest(sure, 7, (1000, 2000), count=2)
    assert [s.place[0] for s in found] == [7, 7]
    (_, y, x), (_, v, u) = (s.place for s in found)
    assert 1040 <= y < 1080
    assert 2040 <= x < 2080
    assert 1300 <= v < 1320
    assert 2300 <= u < 2320
    assert found[0].pixels == pytest.approx(40 * 40, rel=0.5)
    assert 0.3 < found[0].uncertainty <= 0.5


def test_places_keep_their_distance():
    rng = np.random.default_rng(0)
    found = suggest(rng.random((300, 300)).astype(np.float32), count=20, apart=60)
    places = np.array([s.place[1:] for s in found])
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    assert len(found) > 3
    assert distances[~np.eye(len(found), dtype=bool)].min() >= 60
    assert suggest(rng.random((300, 300)).astype(np.float32), count=1)[0].place[0] == 0


def test_nothing_is_suggested_where_nothing_is_known_or_all_is_sure():
    assert suggest(np.full((50, 50), np.nan, np.float32)) == ()
    assert suggest(np.zeros((50, 50), np.float32)) == ()
    half = np.full((50, 50), np.nan, np.float32)
    half[:10, :10] = 0.6
    ((_, y, x),) = (s.place for s in suggest(half))
    assert y < 10
    assert x < 10


def test_a_class_becomes_a_strokes_worth_of_its_pixels():
    classes = np.zeros((60, 50), np.uint8)
    classes[10:50, 10:40] = 4
    classes[0, :5] = 9
    rows, columns = class_pixels(classes, [4], most=100)
    assert len(rows) == 100
    assert (classes[rows, columns] == 4).all()
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 100
    again = class_pixels(classes, [4], most=100)
    np.testing.assert_array_equal(np.stack(again), (rows, columns))
    assert not np.array_equal(np.stack(class_pixels(classes, [4], most=100, seed=1)), (rows, columns))
    assert len(class_pixels(classes, [9, 0], most=100)[0]) == 5, "what there is; never what is not predicted"
    merged = class_pixels(classes, [4, 9], most=10**6)
    assert len(merged[0]) == 40 * 30 + 5
    with pytest.raises(ScribbleError, match="classes 6 do not occur"):
        class_pixels(classes, [7])
