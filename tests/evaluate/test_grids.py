import numpy as np
import pytest

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate import compare_volumes, evaluate
from napari_dense_ssl.volume import Volume


def volume(array, size=None, translation=(0.0, 0.0, 0.0)) -> Volume:
    return Volume.from_arrays([array], voxel_size=size, translation=translation, source="a volume")


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 5, (6, 12, 16)).astype(np.uint8)


def test_a_finer_truth_is_sampled_at_the_centres(labels):
    fine = labels.repeat(3, 0).repeat(3, 1).repeat(3, 2)
    # Centres of the fine voxels 0, 3, ... lie a third of a voxel before those of the coarse ones.
    found = compare_volumes(
        volume(labels, (30, 6, 6)), volume(fine, (10, 2, 2), (-10, -2, -2)), named=True, tolerance=None
    )
    assert found.scores.miou == 1
    assert found.scores.pixels == labels.size
    (note,) = found.notes
    assert "another grid (10 x 2 x 2 nm, from -10 x -2 x -2 nm)" in note
    assert "covers 100%" in note


def test_a_coarser_truth_is_repeated(labels):
    fine = labels.repeat(2, 1).repeat(2, 2)
    found = evaluate(volume(fine, (30, 3, 3), (0, -1.5, -1.5)), volume(labels, (30, 6, 6)), named=True)
    assert (found.miou, found.pixels) == (1, fine.size)


def test_a_truth_of_a_part_lies_where_its_offset_says(labels):
    part = labels[1:5, 3:9, 4:16]
    found = evaluate(volume(labels, (30, 6, 6)), volume(part, (30, 6, 6), (30, 18, 24)), named=True)
    assert (found.miou, found.pixels) == (1, part.size)
    # Beyond the prediction's edge: what is left of it counts.
    moved = evaluate(volume(labels, (30, 6, 6)), volume(labels, (30, 6, 6), (0, 0, 6 * 6)), named=True)
    expected = evaluate(labels[:, :, 6:], labels[:, :, :-6], named=True)
    assert (moved.miou, moved.pixels) == (expected.miou, expected.pixels)


def test_the_same_grid_is_left_alone(labels):
    near = volume(labels, (30.01, 6, 6.005), (5, 1, -2))
    found = compare_volumes(volume(labels, (30, 6, 6)), near, named=True, tolerance=None)
    assert (found.scores.miou, found.notes) == (1, ())
    unknown = evaluate(volume(labels, (30, 6, 6)), volume(labels), named=True)
    assert unknown.miou == 1


def test_what_is_not_clear_is_refused(labels):
    with pytest.raises(
        ScoreError,
        match=r"hardly overlap: along X 0% .*6 x 12 x 16 voxels of 30 x 6 x 6 nm, from 0 x 0 x 900",
    ):
        evaluate(volume(labels, (30, 6, 6)), volume(labels, (30, 6, 6), (0, 0, 900)))
    with pytest.raises(ScoreError, match="hardly overlap: along Z 33%"):
        evaluate(volume(labels, (30, 6, 6)), volume(labels, (30, 6, 6), (120, 0, 0)))
    with pytest.raises(ScoreError, match="none is known of: a volume"):
        evaluate(volume(labels, (30, 6, 6)), volume(labels[:, 1:]))
    with pytest.raises(ScoreError, match=r"leave --voxel-by-voxel out"):
        evaluate(volume(labels, (30, 6, 6)), volume(labels[1:], (30, 6, 6), (30, 0, 0)), match="voxels")


def test_voxel_by_voxel_pays_no_heed_to_sizes(labels):
    found = evaluate(
        volume(labels, (30, 6, 6)), volume(labels, (1, 1, 1), (1e6, 0, 0)), named=True, match="voxels"
    )
    assert found.miou == 1
