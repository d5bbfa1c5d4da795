import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dense_ssl.predict.class_figures import ClassFigures

CLASSES = np.array([[1, 1, 2], [0, 2, 2]], np.uint8)
ERROR = np.array([[0.1, 0.3, 0.5], [0.9, np.nan, 0.7]], np.float32)
GREY = np.array([[10, 20, 30], [99, np.nan, 50]], np.float32)


def test_figures_of_a_map_worked_by_hand():
    figures = ClassFigures.of(CLASSES, ERROR, GREY)
    assert figures.labels.tolist() == [1, 2]
    assert figures.pixels == 5
    assert figures.share()[[1, 2]] == pytest.approx([0.4, 0.6])
    assert figures.mean_grey()[[1, 2]] == pytest.approx([15, 40])
    assert figures.mean_error()[[1, 2]] == pytest.approx([0.2, 0.6])
    assert figures.total_error() == pytest.approx(0.4)
    assert np.isnan(figures.mean_error()[3])
    assert [figures.kept(t) for t in (0, 0.1, 0.3, 0.69, 1)] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_without_an_error_nothing_is_said_of_it():
    figures = ClassFigures.of(CLASSES)
    assert np.isnan(figures.total_error())
    assert np.isnan(figures.kept(1))
    assert np.isnan(figures.mean_grey()[1])


@given(st.integers(0, 100))
def test_an_error_that_is_a_threshold_is_kept_by_it(step):
    figures = ClassFigures.of(np.ones((1, 1), np.uint8), np.array([[step / 100]]))
    assert figures.kept(step / 100) == 1
    assert step == 0 or figures.kept((step - 1) / 100) == 0


def test_what_was_added_can_be_taken_back():
    figures = ClassFigures.of(CLASSES, ERROR, GREY)
    other = ClassFigures.of(CLASSES.T, ERROR.T, GREY.T)
    figures.add(other)
    assert figures.pixels == 10
    figures.add(other, -1)
    np.testing.assert_allclose(figures.sums, ClassFigures.of(CLASSES, ERROR, GREY).sums)
    np.testing.assert_allclose(figures.errors, ClassFigures.of(CLASSES, ERROR, GREY).errors)
