import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_dense_ssl.core.errors import ScoreError, SettingsError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.evaluate import Tolerance, boundaries
from napari_dense_ssl.evaluate.boundaries import boundaries_met, boundary, near


def halves(at: int, shape=(20, 30)) -> np.ndarray:
    plane = np.ones(shape, np.uint8)
    plane[:, at:] = 2
    return plane


def test_a_boundary_has_a_pixel_on_either_side():
    edge = boundary(halves(10))
    assert np.flatnonzero(edge.any(0)).tolist() == [9, 10]
    assert edge[:, 9:11].all()


def test_what_is_unlabelled_makes_no_boundary():
    plane = halves(10)
    plane[:, 8:12] = 0
    assert not boundary(plane).any()


@pytest.mark.parametrize(
    ("shift", "reach", "score"), [(0, 0, 1), (2, 2, 1), (3, 2, 0.5), (4, 2, 0), (4, 4, 1)]
)
def test_a_moved_boundary_counts_within_the_tolerance(shift, reach, score):
    # Moved by 3, the nearer of both pixels is 2 from the nearer true one, the farther 3.
    met, each = boundaries_met(halves(10 + shift), halves(10), (reach, reach), (1, 2))
    assert (met.predicted, met.true) == (40, 40)
    assert met.fscore == pytest.approx(score)
    # Of class 1 the boundary is its last column, which is `shift` away.
    assert each[1].fscore == (1 if shift <= reach else 0)


def test_nothing_to_meet_is_perfect_and_nothing_met_is_not():
    flat = np.ones((8, 8), np.uint8)
    assert boundaries_met(flat, flat, (2, 2), (1,))[0].fscore == 1
    met, _ = boundaries_met(flat, halves(4, (8, 8)), (2, 2), ())
    assert (met.precision, met.recall, met.fscore) == (0, 0, 0)


@pytest.mark.parametrize("reach", [(0.0, 0.0), (2.0, 2.0), (1.5, 4.0), (9.0, 6.5)])
def test_near_is_an_ellipse_whichever_way_it_is_computed(monkeypatch, reach):
    mask = np.random.default_rng(0).random((60, 50)) < 0.01
    spacing = [1 / r if r else 1e9 for r in reach]
    expected = distance_transform_edt(~mask, sampling=spacing) <= 1 + 1e-9
    np.testing.assert_array_equal(near(mask, reach), expected)
    if min(reach) > 0:
        monkeypatch.setattr(boundaries, "_SHIFTS", 0)
        np.testing.assert_array_equal(near(mask, reach), expected)
        assert not near(np.zeros_like(mask), reach).any()


def test_tolerances_in_pixels_and_nanometres():
    assert Tolerance.parse("3") == Tolerance(3.0, "px")
    assert Tolerance.parse(" 10 nm ").reach(VoxelSize(50, 5, 4)) == (2.0, 2.5)
    assert str(Tolerance.parse("10nm")) == "10 nm"
    with pytest.raises(SettingsError, match="'3 miles' cannot be read"):
        Tolerance.parse("3 miles")
    with pytest.raises(SettingsError, match=r"'1\.2\.3'"):
        Tolerance.parse("1.2.3")
    with pytest.raises(ScoreError, match="voxel size of the prediction is not known"):
        Tolerance.parse("10nm").reach(None)
