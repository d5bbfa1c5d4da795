import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.predict import PredictSettings
from napari_dense_ssl.predict.views import IDENTITY, ViewAverage, WindowView, compared_views, reach_of

VIEWS = st.builds(
    WindowView, st.sampled_from(Symmetry.all()), st.tuples(st.integers(-5, 5), st.integers(-5, 5))
)


@settings(max_examples=60, deadline=None)
@given(VIEWS, st.integers(0, 6), st.integers(0, 6), st.integers(1, 8), st.integers(1, 8))
def test_undoing_a_view_brings_every_pixel_home(view, top, left, height, width):
    reach, shape = 5, (16, 24)
    extended = torch.arange(26 * 34).reshape(26, 34)
    window = extended[reach:-reach, reach:-reach]
    inner = (slice(top, top + height), slice(left, left + width))
    cut = view.cut(extended, reach)
    assert tuple(cut.shape) == view.turned(shape)
    kept, where = view.undo(cut[None], inner)
    assert torch.equal(kept[0], window[inner][where])
    # Only a strip as wide as the shift can be missing, and only at the window's own edges.
    rows, columns = where
    assert rows.stop - rows.start >= height - abs(view.shift[0])
    assert columns.stop - columns.start >= width - abs(view.shift[1])
    if top >= 5 and top + height <= 11:
        assert rows == slice(0, height)


@pytest.mark.parametrize("symmetry", Symmetry.all())
def test_turns_are_those_of_the_geometry(symmetry):
    picture = np.arange(12).reshape(3, 4)
    turned = WindowView(symmetry).cut(torch.from_numpy(picture), 0)
    assert (turned.numpy() == symmetry.apply(picture)).all()


def test_which_views_are_compared():
    views = compared_views(PredictSettings())
    assert len(views) == 9
    assert IDENTITY not in views
    assert reach_of(views) == 5
    assert reach_of(()) == 0
    assert len(compared_views(PredictSettings(symmetries=4, shifts=()))) == 3
    assert [v.symmetry.turns for v in compared_views(PredictSettings(symmetries=2, shifts=()))] == [2]
    assert compared_views(PredictSettings(symmetries=1, shifts=((0, 0),))) == ()


def test_error_and_mean_worked_by_hand():
    average = ViewAverage(torch.tensor([[[1.0, 0.5]], [[0.0, 0.5]]]))
    average.add(torch.tensor([[[0.0, 0.5]], [[1.0, 0.5]]]), (slice(0, 1), slice(0, 2)))
    average.add(torch.tensor([[[0.5]], [[0.5]]]), (slice(0, 1), slice(0, 1)))
    # Left pixel: total variation 1 and 1/2; right pixel: 0, seen by one view only.
    assert average.error().tolist() == [[0.75, 0.0]]
    assert average.mean()[0].tolist() == [[0.5, 0.5]]


def test_without_views_the_mean_is_the_reference_and_the_error_nothing():
    reference = torch.rand(3, 2, 2)
    average = ViewAverage(reference)
    assert torch.equal(average.mean(), reference)
    assert not average.error().any()
