import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.class_figures import ClassFigures
from napari_dense_ssl.predict.map_cache import CELL, MapCache

SHAPE = (3, 300, 280)


def everything(cache: MapCache, what: str) -> np.ndarray:
    return cache.read(what, *(np.arange(n) for n in cache.shape))


@st.composite
def boxes(draw) -> Box:
    z = draw(st.integers(0, SHAPE[0] - 1))
    y0, x0 = draw(st.integers(0, SHAPE[1] - 1)), draw(st.integers(0, SHAPE[2] - 1))
    y1, x1 = draw(st.integers(y0 + 1, SHAPE[1])), draw(st.integers(x0 + 1, SHAPE[2]))
    return Box((z, y0, x0), (z + 1, y1, x1))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(boxes(), st.booleans()), min_size=1, max_size=5), st.integers(0, 9))
def test_it_reads_as_an_array_that_was_written_to_and_counts_what_it_holds(writes, seed):
    random = np.random.default_rng(seed)
    grey = random.integers(0, 255, SHAPE).astype(np.uint8)
    classes, error = np.zeros(SHAPE, np.uint8), np.full(SHAPE, np.nan, np.float16)
    cache = MapCache(SHAPE, 10**9)
    for box, with_error in writes:
        shape = box.shape[1:]
        labels = random.integers(1, 6, shape).astype(np.uint8)
        errors = random.random(shape).astype(np.float16) if with_error else None
        cache.write(box, labels, errors, grey[box.slices][0])
        if errors is None:  # maps with an error are averages of more views: kept
            keep = ~np.isnan(error[box.slices][0])
            labels = np.where(keep, classes[box.slices][0], labels)
        else:
            error[box.slices] = errors
        classes[box.slices] = labels
    np.testing.assert_array_equal(everything(cache, "classes"), classes)
    np.testing.assert_array_equal(everything(cache, "error"), error)
    wanted = ClassFigures.of(classes, error, grey)
    np.testing.assert_allclose(cache.figures().sums, wanted.sums, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(cache.figures().errors, wanted.errors, atol=1e-6)
    rows, columns = np.arange(0, SHAPE[1], 3), np.array([0, 5, 7, 200, 279])
    np.testing.assert_array_equal(
        cache.read("classes", np.array([1]), rows, columns), classes[1][None, rows][:, :, columns]
    )


def least_box(absent: np.ndarray, box: Box) -> Box | None:
    """Look for what is absent of a box, pixel by pixel."""
    places = np.argwhere(absent[box.slices]) + box.start
    if not len(places):
        return None
    return Box(tuple(map(int, places.min(0))), tuple(map(int, places.max(0) + 1)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(boxes(), st.booleans()), max_size=4), boxes())
def test_what_is_missing_of_a_box(writes, wanted):
    cache = MapCache(SHAPE, 10**9)
    absent = {"classes": np.ones(SHAPE, bool), "error": np.ones(SHAPE, bool)}
    for box, with_error in [*writes, (Box((1, 0, 0), (2, 2 * CELL, CELL)), True)]:  # whole cells among them
        error = np.full(box.shape[1:], 0.5, np.float16) if with_error else None
        cache.write(box, np.ones(box.shape[1:], np.uint8), error)
        for what in ("classes", "error") if with_error else ("classes",):
            absent[what][box.slices] = False
    for what, there in absent.items():
        assert cache.missing(wanted, what) == least_box(there, wanted)


def test_what_was_seen_longest_ago_makes_way_and_never_what_is_in_view():
    one = Box((0, 0, 0), (1, CELL, CELL))
    cache = MapCache((5, CELL, CELL), 3 * MapCache.bytes_of(one))

    def compute(z: int) -> None:
        box = one.plane(z)
        cache.write(box, np.full((CELL, CELL), z + 1, np.uint8), np.full((CELL, CELL), 0.5, np.float32))

    for z in (0, 1, 2):
        compute(z)
    cache.look(one.plane(0))  # slice 0 was computed first, but is seen now
    compute(3)
    assert cache.slices == (0, 2, 3)
    assert cache.figures().labels.tolist() == [1, 3, 4]
    assert cache.figures().errors.sum() == 3 * CELL * CELL
    cache.limit = 0
    compute(4)
    assert cache.slices == (0,)
    assert not cache.read("classes", np.array([3]), np.arange(CELL), np.arange(CELL)).any()
    assert cache.missing(one.plane(3), "classes") == one.plane(3)


def test_an_error_that_is_no_number_is_trusted_least():
    cache = MapCache((1, 4, 4), 10**6)
    box = Box((0, 0, 0), (1, 4, 4))
    cache.write(box, np.ones((4, 4), np.uint8), np.full((4, 4), np.nan))
    assert cache.missing(box, "error") is None, "else it would be computed for ever"
    assert (everything(cache, "error") == 1).all()


def test_a_copy_stays_as_it_is():
    cache = MapCache((1, 4, 4), 10**6)
    box = Box((0, 0, 0), (1, 4, 4))
    cache.write(box, np.ones((4, 4), np.uint8), None)
    copy = cache.copy()
    cache.clear()
    assert not everything(cache, "classes").any()
    assert cache.figures().pixels == 0
    assert everything(copy, "classes").all()
    assert copy.figures().pixels == 16


def test_a_huge_volume_costs_nothing():
    cache = MapCache((10_000, 60_000, 60_000), 10**9)
    assert cache.missing(Box((7, 0, 0), (8, 64, 64)), "classes") is not None
    assert cache.nbytes == 0


def test_what_is_out_of_date_is_dropped_but_where_one_looks():
    for counted in (True, False):
        cache = MapCache(SHAPE, 10**9, counted=counted)
        for z in range(3):
            box = Box((z, 0, 0), (z + 1, *SHAPE[1:]))
            cache.write(box, np.full(SHAPE[1:], z + 1, np.uint8), np.full(SHAPE[1:], 0.5, np.float16))
        seen = Box((1, 10, 10), (2, 40, 50))
        cache.keep(seen)
        left = everything(cache, "classes")
        assert cache.slices == (1,)
        assert (left[1, :CELL, :CELL] == 2).all()
        assert not left[1, CELL:].any()
        assert cache.missing(seen, "classes") is None
        assert cache.missing(Box((1, 0, 0), (2, 200, 50)), "error") == Box((1, CELL, 0), (2, 200, 50))
        cache.write(seen, np.full((30, 40), 9, np.uint8), np.zeros((30, 40), np.float16))
        assert (cache.read("classes", np.array([1]), np.arange(10, 40), np.arange(10, 50)) == 9).all()
        assert cache.figures().pixels == (CELL * CELL if counted else 0)
