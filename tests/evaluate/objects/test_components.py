"""Connected components in blocks against scipy on the whole."""

import csv

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops_table

from napari_dense_ssl.core.errors import OutputError, RegionError, ScoreError
from napari_dense_ssl.core.events import Pictured, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.objects import (
    ObjectSettings,
    assembly,
    find_objects,
    finding_objects,
    job,
    write_objects_table,
)
from napari_dense_ssl.volume import Volume, open_volume, write_volume

STRUCTURE = {6: 1, 18: 2, 26: 3}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of two slices of 9 x 9 voxels: most objects cross several borders."""
    monkeypatch.setattr(assembly, "BLOCK_VOXELS", 2 * 81)
    monkeypatch.setattr(assembly, "_PLANE_EDGE", 9)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4, (7, 23, 20)).astype(np.uint8)


def same_objects(a, b) -> bool:
    """Whether two labellings differ by their numbers only."""
    pairs = np.unique(np.stack([np.ravel(a), np.ravel(b)]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("classes", [2, (1, 3)])
def test_blocks_change_nothing(small_blocks, noise, connectivity, classes):
    mask = np.isin(noise, classes)
    expected, count = ndimage.label(mask, ndimage.generate_binary_structure(3, STRUCTURE[connectivity]))
    found = find_objects(noise, classes, settings=ObjectSettings(min_voxels=1, connectivity=connectivity))
    assert len(found) == count
    assert same_objects(found.labels, expected)
    table = regionprops_table(found.labels, properties=("label", "area", "centroid", "bbox"))
    np.testing.assert_array_equal(found.voxels, table["area"])
    for axis in range(3):
        np.testing.assert_allclose(found.centroids[:, axis], table[f"centroid-{axis}"])
        np.testing.assert_array_equal(found.low[:, axis], table[f"bbox-{axis}"])
        np.testing.assert_array_equal(found.high[:, axis], table[f"bbox-{axis + 3}"])


@pytest.mark.parametrize(("least", "most"), [(4, None), (2, 9)])
def test_small_and_large_ones_are_left_out(small_blocks, noise, least, most):
    every = find_objects(noise, 2, settings=ObjectSettings(min_voxels=1))
    kept = (every.voxels >= least) & (every.voxels <= (most or 10**9))
    found = find_objects(noise, 2, settings=ObjectSettings(min_voxels=least, max_voxels=most))
    np.testing.assert_array_equal(found.voxels, every.voxels[kept])
    assert found.left_out == np.count_nonzero(~kept)
    assert set(np.unique(found.labels)) == set(range(len(found) + 1))
    assert (np.diff(found.voxels) <= 0).all(), "the largest comes first"


def test_figures_by_hand_in_the_world(tmp_path):
    array = np.zeros((4, 10, 12), np.uint8)
    array[1:3, 2:4, 3:6] = 7  # 12 voxels
    array[0, 8, 0:5] = 7  # 5, cut by two ends of the volume
    volume = Volume.from_arrays([array], voxel_size=(50, 5, 5), translation=(100, 10, 20))
    found = find_objects(volume, 7, settings=ObjectSettings(min_voxels=5))
    assert found.voxels.tolist() == [12, 5]
    assert found.volumes.tolist() == pytest.approx([12 * 1250e-9, 5 * 1250e-9])
    table = found.table()
    assert table["centroid_z_nm"].tolist() == pytest.approx([100 + 1.5 * 50, 100])
    assert table["centroid_y_nm"].tolist() == pytest.approx([10 + 2.5 * 5, 10 + 8 * 5])
    assert table["centroid_x_nm"].tolist() == pytest.approx([20 + 4 * 5, 20 + 2 * 5])
    assert table["box_x_from"].tolist() == [3, 0]
    assert table["box_x_to"].tolist() == [6, 5]
    assert table["cut_by_edge"].tolist() == [False, True]
    with write_objects_table(found, tmp_path / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["label"] == "1"
    assert float(rows[0]["volume_um3"]) == pytest.approx(15e-6)
    assert "volume_um3" not in find_objects(array, 7, settings=ObjectSettings(min_voxels=5)).table()


def test_to_ome_zarr_with_sizes_and_place(small_blocks, noise, tmp_path):
    write_volume(tmp_path / "map.zarr", noise, (50, 5, 5), (100, 10, 20), labels=True)
    settings = ObjectSettings(min_voxels=3)
    events = list(finding_objects(tmp_path / "map.zarr", 2, tmp_path / "out.zarr", settings=settings))
    (result,) = (event.picture for event in events if isinstance(event, Pictured))
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].fraction == pytest.approx(1)
    expected = find_objects(noise, 2, settings=settings)
    volume = open_volume(tmp_path / "out.zarr")
    np.testing.assert_array_equal(np.asarray(volume.data), expected.labels)
    assert volume.labels
    assert (tuple(volume.voxel_size), volume.translation) == ((50, 5, 5), (100, 10, 20))
    assert (tmp_path / "out.csv").read_text().count("\n") == len(expected) + 1
    assert result.path == tmp_path / "out.zarr"
    import zarr

    attributes = dict(zarr.open_group(tmp_path / "out.zarr", mode="r").attrs)
    first = attributes["ome"]["image-label"]["properties"][0]
    assert first["label-value"] == 1
    assert first["voxels"] == int(expected.voxels[0])
    assert attributes["napari_dense_ssl"]["classes"] == [2]
    with pytest.raises(OutputError, match="exists already"):
        find_objects(tmp_path / "map.zarr", 2, tmp_path / "out.zarr")
    find_objects(tmp_path / "map.zarr", 1, tmp_path / "out.zarr", settings=settings, overwrite=True)


def test_a_region_has_its_own_place(noise):
    volume = Volume.from_arrays([noise], voxel_size=(50, 5, 5))
    box = Box((2, 4, 6), (5, 20, 19))
    found = find_objects(volume, 2, region=box, settings=ObjectSettings(min_voxels=1))
    alone = find_objects(noise[box.slices], 2, settings=ObjectSettings(min_voxels=1))
    np.testing.assert_array_equal(found.labels, alone.labels)
    assert found.translation == (100, 20, 30)


def test_left_before_its_end_it_leaves_nothing(small_blocks, noise, tmp_path):
    events = finding_objects(noise, 2, tmp_path / "out.zarr")
    for event in events:
        if isinstance(event, Step):
            break
    assert (tmp_path / "out.zarr").exists()
    events.close()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_done_says_why(noise, monkeypatch, tmp_path):
    with pytest.raises(ScoreError, match=r"class 9 was found: it occurs nowhere\. Labels .* 1, 2, 3\."):
        find_objects(noise, 9)
    with pytest.raises(ScoreError, match="0 is what is not predicted"):
        find_objects(noise, 0)
    with pytest.raises(ScoreError, match="float32 values"):
        find_objects(noise.astype(np.float32), 1)
    with pytest.raises(RegionError):
        find_objects(noise, 1, region=Box((0, 0, 0), (9, 9, 9)))
    monkeypatch.setattr(job, "MOST_IN_MEMORY", 100)
    with pytest.raises(OutputError, match="give an output"):
        find_objects(noise, 1)
    monkeypatch.setattr(assembly, "MOST_PIECES", 10)
    with pytest.raises(ScoreError, match="raise the least size"):
        find_objects(noise, 1, tmp_path / "out.zarr", settings=ObjectSettings(min_voxels=1))
    assert list(tmp_path.iterdir()) == []
