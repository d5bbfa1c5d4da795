import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import contingency_table

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate import Contingency, contingency


def test_a_table_counted_by_hand():
    pred = np.array([[1, 1, 3], [0, 3, 3]])
    truth = np.array([[5, 5, 5], [5, 0, 7]])
    table = contingency(pred, truth)
    assert table.predicted.tolist() == [1, 3]
    assert table.truth.tolist() == [5, 7]
    assert table.counts.toarray().tolist() == [[2, 0], [1, 1]]
    assert table.unpredicted == 1
    assert table.total == 4


def test_nothing_is_ignored_when_asked():
    table = contingency(np.array([0, 1]), np.array([0, 0]), ignore=None)
    assert table.counts.toarray().tolist() == [[1], [1]]
    assert table.unpredicted == 0


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.int32, (6, 7), elements=st.integers(0, 5)), st.integers(0, 6), st.integers(0, 2**31))
def test_the_parts_add_up_to_the_whole(labels, cut, seed):
    truth = np.random.default_rng(seed).integers(0, 4, labels.shape)
    whole = contingency(labels, truth)
    parts = contingency(labels[:cut], truth[:cut]) + contingency(labels[cut:], truth[cut:])
    assert (whole.predicted == parts.predicted).all()
    assert (whole.truth == parts.truth).all()
    assert (whole.counts.toarray() == parts.counts.toarray()).all()
    assert whole.unpredicted == parts.unpredicted


def test_agrees_with_scikit_image_and_large_labels_cost_no_memory():
    rng = np.random.default_rng(0)
    pred, truth = rng.integers(1, 6, (20, 20)), rng.integers(1, 4, (20, 20))
    expected = contingency_table(truth, pred).toarray()[1:, 1:].T
    assert (contingency(pred, truth).counts.toarray() == expected).all()
    sparse = contingency(pred * 1_000_000_007, truth * 1_000_003)
    assert (sparse.counts.toarray() == expected).all()
    assert sparse.predicted[0] == 1_000_000_007


def test_dense_spreads_over_given_labels():
    table = contingency(np.array([2, 2, 4]), np.array([1, 1, 3]))
    dense = table.dense(np.array([1, 2, 4]), np.array([1, 2, 3]))
    assert dense.tolist() == [[0, 0, 0], [2, 0, 0], [0, 0, 1]]
    assert Contingency.empty().dense(np.array([1]), np.array([1])).tolist() == [[0]]


@pytest.mark.parametrize(
    ("pred", "truth", "words"),
    [
        (np.ones((2, 3), int), np.ones((3, 2), int), r"\(2, 3\).*\(3, 2\)"),
        (np.ones((2, 2)), np.ones((2, 2), int), "float64.*whole numbers"),
        (np.ones((2, 2), int), -np.ones((2, 2), int), "negative label -1"),
    ],
)
def test_what_is_no_label_volume_is_refused(pred, truth, words):
    with pytest.raises(ScoreError, match=words):
        contingency(pred, truth)
