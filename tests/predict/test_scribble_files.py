"""Scribbles to disk and back, and what their segmentation is counted to."""

import csv

import numpy as np
import pytest
import zarr

from napari_dense_ssl.core.errors import OutputError, ScribbleError
from napari_dense_ssl.core.geometry import Box, VoxelSize
from napari_dense_ssl.predict.label_counts import LabelCounts
from napari_dense_ssl.predict.scribble_files import reading, writing_scribbles
from napari_dense_ssl.predict.sparse_labels import SparseLabels
from napari_dense_ssl.volume import Volume, World, open_volume

WORLD = World((50.0, 4.0, 4.0), (0.0, 0.0, 0.0))
FACTS = {"names": {"1": "membrane", "3": "mitochondrion"}, "colours": {"1": [1.0, 0.0, 0.5]}}


@pytest.fixture
def labels() -> SparseLabels:
    made = SparseLabels((3, 600, 600))
    made[1, 10:20, 10:20] = 1
    made[2, 550, 500:560] = 3
    return made


@pytest.mark.parametrize("name", ["s.tif", "s.zarr"])
def test_they_come_back_with_names_and_colours(tmp_path, labels, name):
    *_, last = writing_scribbles(tmp_path / name, labels, WORLD, FACTS)
    assert last[0] == last[1]
    *_, (_, _, (again, facts)) = reading(tmp_path / name, labels.shape)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(labels))
    assert facts["names"] == FACTS["names"]
    assert facts["colours"] == FACTS["colours"]
    labels[0, 0, 0] = 2
    list(writing_scribbles(tmp_path / name, labels, WORLD, FACTS))  # saved again
    assert open_volume(tmp_path / name).data[0, 0, 0].compute() == 2
    with pytest.raises(ScribbleError, match="shape"):
        list(reading(tmp_path / name, (3, 600, 601)))


def test_only_what_was_painted_is_written(tmp_path):
    labels = SparseLabels((40, 2048, 2048))
    labels[7, 100, 100] = 1
    list(writing_scribbles(tmp_path / "s.zarr", labels, WORLD))
    chunks = [p for p in (tmp_path / "s.zarr" / "0").rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(chunks) == 1
    volume = open_volume(tmp_path / "s.zarr")
    assert volume.voxel_size == (50, 4, 4)
    assert volume.labels


def test_nothing_else_is_overwritten(tmp_path, labels):
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(OutputError):
        list(writing_scribbles(tmp_path / "other.zarr", labels, WORLD))
    with pytest.raises(OutputError, match=r"ends in \.png"):
        list(writing_scribbles(tmp_path / "s.png", labels, WORLD))
    with pytest.raises(OutputError, match="200 GB"):
        list(writing_scribbles(tmp_path / "s.tif", SparseLabels((2000, 10_000, 10_000)), WORLD))
    with pytest.raises(OutputError, match="cannot be written"):
        list(writing_scribbles(tmp_path / "no" / "folder" / "s.tif", labels, WORLD))
    assert [p.name for p in tmp_path.iterdir()] == ["other.zarr"]


def test_counts_by_slice_and_volumes(tmp_path):
    values = np.zeros((3, 40, 50), np.uint8)
    values[0, :10] = 1
    values[1, :, :30] = 5
    counts = LabelCounts()
    list(counts.count(Volume.from_arrays([values]), Box((0, 0, 0), (2, 40, 50))))
    assert counts.total[1] == 500
    assert counts.total[5] == 1200
    assert sorted(counts.slices) == [0, 1]
    place = counts.write(tmp_path / "c.csv", VoxelSize(100.0, 10.0, 10.0), {1: "a", 5: "b, c"}.get)
    with place.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["slice"], r["label"], r["voxels"]) for r in rows] == [
        ("0", "1", "500"),
        ("0", "5", "0"),
        ("1", "1", "0"),
        ("1", "5", "1200"),
        ("all", "1", "500"),
        ("all", "5", "1200"),
    ]
    assert rows[-1]["name"] == "b, c"
    assert float(rows[-1]["volume_um3"]) == pytest.approx(1200 * 1e4 / 1e9)
    assert float(rows[-1]["share"]) == pytest.approx(1200 / 1700, rel=1e-5)
    unknown = counts.write(tmp_path / "u.csv", None)
    assert unknown.read_text(encoding="utf-8").splitlines()[1].endswith(",")
