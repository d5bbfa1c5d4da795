"""Cells between membranes, in one piece and in slabs."""

import numpy as np
import pytest

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.evaluate.objects import ObjectSettings, cells, find_objects
from napari_dense_ssl.evaluate.objects.cells import cut_cells

SETTINGS = ObjectSettings(min_voxels=50, cell_radius=4, cell_overlap=2)


def radius(least: float) -> ObjectSettings:
    return ObjectSettings(cell_radius=least)


@pytest.fixture
def tubes() -> np.ndarray:
    """Class 2: four tubes along Z, apart by membranes (class 1) of 2 px; class 3 is a blob in one of them."""
    array = np.full((12, 42, 42), 2, np.uint8)
    array[:, 20:22], array[:, :, 20:22] = 1, 1
    array[4:7, 8:11, 8:11] = 3
    array[:, 0] = 0
    return array


def test_what_membranes_enclose_is_a_cell(tubes):
    found = find_objects(tubes, 1, cells_between=True, settings=SETTINGS)
    assert len(found) == 4
    for corner in ((slice(1, 20), slice(0, 20)), (slice(22, 42), slice(22, 42))):
        assert len(np.unique(found.labels[:, *corner])) == 1, "the blob belongs to its cell"
    assert (found.labels[tubes <= 1] == 0).all()
    assert found.voxels.sum() == np.count_nonzero(tubes > 1)


def test_slabs_are_joined(tubes, monkeypatch):
    whole = find_objects(tubes, 1, cells_between=True, settings=SETTINGS)
    monkeypatch.setattr(cells, "MOST_BYTES", 7 * 42 * 42 * cells.BYTES_A_VOXEL)
    assert [box.shape[0] for box in cells.cell_slabs(_box(tubes), SETTINGS)] == [3, 3, 3, 3]
    found = find_objects(tubes, 1, cells_between=True, settings=SETTINGS)
    np.testing.assert_array_equal(found.labels, whole.labels)
    np.testing.assert_array_equal(found.voxels, whole.voxels)
    np.testing.assert_allclose(found.centroids, whole.centroids)


def test_two_cells_joined_by_a_neck_are_cut_there():
    y, x = np.ogrid[:41, :81]
    inside = ((y - 20) ** 2 + (x - 20) ** 2 < 15**2) | ((y - 20) ** 2 + (x - 60) ** 2 < 15**2)
    inside |= (abs(y - 20) < 3) & (x > 20) & (x < 60)
    plane = np.where(inside, 2, 1).astype(np.uint8)[None].repeat(3, 0)
    labels = cut_cells(plane, (1,), radius(5), VoxelSize(5, 5, 5))
    assert len(np.unique(labels)) == 3
    assert labels[1, 20, 10] != labels[1, 20, 70]
    (border,) = np.flatnonzero(np.diff(labels[1, 20, 25:56].astype(int)))
    assert abs(25 + border - 40) <= 3, "where it is narrowest: in the middle of the neck"


def test_a_tube_of_changing_width_is_one_cell():
    x = np.arange(120)
    half = 12 + 0.8 * np.sin(x / 9)  # from 11 to 13 px: a few wide places, none of them a cell of its own
    plane = np.where(abs(np.arange(40)[:, None] - 20) < half, 2, 1).astype(np.uint8)[None].repeat(3, 0)
    assert len(np.unique(cut_cells(plane, (1,), radius(5), VoxelSize(5, 5, 5)))) == 2
    cut = cut_cells(plane, (1,), ObjectSettings(cell_radius=5, cell_neck=1), VoxelSize(5, 5, 5))
    assert len(np.unique(cut)) > 2


def test_thick_slices_count_as_far_apart():
    # In px the neck's slice is 1 from the membranes above and below, in nm it is as far as ten pixels.
    plane = np.full((3, 30, 30), 1, np.uint8)
    plane[1, 5:25, 5:25] = 2
    assert cut_cells(plane, (1,), radius(4), VoxelSize(50, 5, 5)).any()
    assert not cut_cells(plane, (1,), radius(4), VoxelSize(5, 5, 5)).any()


def test_what_does_not_fit_is_refused_with_advice(tubes, monkeypatch):
    monkeypatch.setattr(cells, "MOST_BYTES", 2 * 42 * 42 * cells.BYTES_A_VOXEL)
    with pytest.raises(RegionError, match=r"a slab of 5 slices needs .* region of at most 26 x 26 px"):
        find_objects(tubes, 1, cells_between=True, settings=SETTINGS)


def _box(array):
    from napari_dense_ssl.core.geometry import Box

    return Box.whole(array.shape)
