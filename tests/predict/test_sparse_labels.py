"""The array that is painted on, against numpy's."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dense_ssl.core.errors import ScribbleError
from napari_dense_ssl.predict.sparse_labels import BLOCK, SparseLabels

SHAPE = (5, 700, 300)


def bounds(n: int) -> st.SearchStrategy[slice]:
    return st.tuples(st.integers(0, n), st.integers(0, n)).map(lambda ab: slice(min(ab), max(ab)))


boxes = st.tuples(*(bounds(n) for n in SHAPE))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(boxes, st.integers(0, 3)), max_size=6), boxes, st.integers(0, SHAPE[0] - 1))
def test_it_reads_what_was_written_as_numpy_does(writes, box, z):
    labels, truth = SparseLabels(SHAPE), np.zeros(SHAPE, np.uint8)
    for place, value in writes:
        labels[place] = value
        truth[place] = value
    np.testing.assert_array_equal(labels[box], truth[box])
    np.testing.assert_array_equal(labels[z], truth[z])
    np.testing.assert_array_equal(labels[z, 10:20], truth[z, 10:20])
    np.testing.assert_array_equal(labels[..., -1], truth[..., -1])
    np.testing.assert_array_equal(labels[:, ::7, 5:50:3], truth[:, ::7, 5:50:3])
    np.testing.assert_array_equal(np.asarray(labels), truth)
    assert labels[z, 3, 3] == truth[z, 3, 3]
    where, values = labels.places()
    np.testing.assert_array_equal(where, np.argwhere(truth))
    np.testing.assert_array_equal(values, truth[truth > 0])
    if truth[box].any():
        assert not labels.is_empty(box)


def test_arrays_of_indices():
    labels, truth = SparseLabels(SHAPE), np.zeros(SHAPE, np.uint8)
    rng = np.random.default_rng(0)
    places = tuple(rng.integers(0, n, 500) for n in SHAPE)
    values = rng.integers(0, 4, 500)
    for array in (labels, truth):
        array[places] = 2
    np.testing.assert_array_equal(np.asarray(labels), truth)
    _, first = np.unique(np.ravel_multi_index(places, SHAPE), return_index=True)
    places, values = tuple(p[first] for p in places), values[first]
    for array in (labels, truth):
        array[places] = values
    np.testing.assert_array_equal(labels[places], values)
    np.testing.assert_array_equal(np.asarray(labels), truth)
    with pytest.raises(IndexError):
        labels[9, 0, 0]
    with pytest.raises(IndexError):
        labels[:, np.array([1]), np.array([2])]


def test_two_hundred_gigabytes_take_what_was_painted():
    labels = SparseLabels((2000, 10_000, 10_000))
    labels[1500, 9_000:9_010, 5_000:5_010] = 3
    assert labels.size == 2 * 10**11
    assert labels.nbytes == BLOCK**2
    assert labels[1500, 8_990:9_020, 4_990:5_020].sum() == 300
    assert labels.places()[0].min(0).tolist() == [1500, 9_000, 5_000]
    assert labels.is_empty((slice(0, 1500), slice(0, 10_000), slice(0, 10_000)))
    with pytest.raises(ScribbleError, match="cannot be read at once"):
        np.asarray(labels)
    labels[1500, 9_000:9_010, 5_000:5_010] = 0
    assert labels.nbytes == 0, "what was erased takes nothing"


def test_what_is_read_is_a_copy_and_writes_are_told():
    labels, told = SparseLabels((1, 8, 8)), []
    labels.listen(lambda: told.append(1))
    region = labels[0:1, 0:4, 0:4]
    region[:] = 7
    assert not labels[0].any()
    labels[0:1, 0:4, 0:4] = region
    other = deepcopy(labels)
    labels.clear()
    assert len(told) == 2
    assert other[0].sum() == 7 * 16
    assert not labels[0].any()


def test_labels_of_others_are_copied_and_checked():
    truth = np.zeros((2, 6, 6), np.int32)
    truth[1, 2, 3] = 255
    np.testing.assert_array_equal(np.asarray(SparseLabels.of(truth)), truth)
    with pytest.raises(ScribbleError, match="whole numbers"):
        SparseLabels.of(truth * 2)
    with pytest.raises(ScribbleError, match="whole numbers"):
        SparseLabels.of(truth / 2.0)
    assert SparseLabels.of(truth[1]).shape == (1, 6, 6)
    with pytest.raises(ScribbleError, match=r"shape \(6,\)"):
        SparseLabels.of(truth[1, 0])
