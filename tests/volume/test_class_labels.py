"""Names and colours in an OME-Zarr: valid, read by others, and the map stays as it is."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import ome_zarr_models
import pytest
import zarr

from napari_dense_ssl.core.class_book import ClassBook
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.core.errors import ClassesError, OutputError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import Part, Volume, World, create_output, open_volume, writing
from napari_dense_ssl.volume.class_file import NAME, SavedClasses
from napari_dense_ssl.volume.class_labels import (
    book_of_metadata,
    grouped_map,
    label_metadata,
    read_map_classes,
    write_map_classes,
)

# napari 0.9 on pydantic 2
pytestmark = [pytest.mark.filterwarnings("ignore:`json_encoders` is deprecated")]
TREE = ClassTree(((0, 1, 1.0), (2, 3, 2.0), (4, 5, 3.0)))
BOOK = ClassBook(4).rename(3, "vesicles").merge([1, 2]).rename(1, "membrane").recolour(1, (255, 0, 0))
SAVED = SavedClasses(BOOK, TREE, "abc")
CLASSES = np.arange(5, dtype=np.uint8).reshape(1, 1, 5).repeat(3, 0).repeat(600, 1).repeat(120, 2)


def predicted(path: Path, version: str) -> None:
    source = Volume.from_arrays(
        [np.zeros(CLASSES.shape, np.uint8)], voxel_size=(50, 5, 5), source="sample:em"
    )
    output = create_output(path, source, provenance={}, version=version)  # type: ignore[arg-type]
    output.write("classes", Box.whole(CLASSES.shape), CLASSES)
    write_map_classes(path, SAVED)  # of an unfinished map, whose pyramid is still to come
    output.complete()


# napari-ome-zarr 0.7 hands napari the colours alone, without one for other labels
@pytest.mark.filterwarnings("ignore:color_dict did not provide a default color")
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_names_and_colours_as_others_read_them(tmp_path: Path, version: str) -> None:
    from napari.layers import Labels
    from napari_ome_zarr import napari_get_reader

    path = tmp_path / "out.zarr"
    predicted(path, version)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    write_map_classes(path, SAVED)
    group = zarr.open_group(str(path), mode="r")
    assert ome_zarr_models.open_ome_zarr(group["labels/classes"]) is not None
    assert list(group["labels/classes"].members()), "no warning of an unknown file either"
    data, keywords, kind = list(napari_get_reader(str(path))(str(path)))[1]
    assert kind == "labels"
    layer = Labels(data, **(keywords | {"visible": True}))
    np.testing.assert_array_equal(np.asarray(layer.data[0]), CLASSES)
    np.testing.assert_allclose(layer.colormap.map(np.array([2, 3])), [[1, 0, 0, 1]] * 2)
    assert "name: membrane" in layer.get_status((0, 0, 5 * 360), world=True)["value"]
    assert layer.features["group"].tolist() == [1, 2, 2, 3]
    after = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert after == before, "writing the same again changes nothing, and the map was whole before"


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_they_come_back_also_where_only_the_attributes_were_copied(tmp_path: Path, version: str) -> None:
    path = tmp_path / "out.zarr"
    predicted(path, version)
    assert read_map_classes(path) == SAVED
    (path / "labels" / "classes" / "0" / NAME).unlink()
    found = read_map_classes(path)
    assert found is not None
    assert found.book.groups == BOOK.groups
    assert [found.book.name(k) for k in range(4)] == [BOOK.name(k) for k in range(4)]
    assert [found.book.colour(k) for k in range(4)] == [BOOK.colour(k) for k in range(4)]


def test_attributes_that_others_wrote() -> None:
    assert book_of_metadata({"version": "0.5"}) is None
    found = book_of_metadata(
        {
            "colors": [{"label-value": 2, "rgba": [0, 0, 255, 255]}, {"label-value": "x"}, 7],
            "properties": [{"label-value": 1, "class-name": "cell"}, {"label-value": 900, "name": "far"}],
        }
    )
    assert found is not None
    assert (found.classes, found.name(0), found.name(1), found.colour(1)) == (2, "cell", "1", (0, 0, 255))


def test_written_with_any_labels(tmp_path: Path) -> None:
    path = tmp_path / "saved.zarr"
    world = World((50.0, 5.0, 5.0), (0.0, 0.0, 0.0))
    parts = [
        Part("em", CLASSES, world),
        Part("em classes", CLASSES, world, labels=True, classes=SAVED),
    ]
    for _ in writing(path, parts):
        pass
    group = zarr.open_group(str(path), mode="r")
    assert (
        group["labels/em_classes"].attrs["ome"]["image-label"]["properties"]
        == label_metadata(BOOK)["properties"]
    )
    assert read_map_classes(path, "labels/em_classes") == SAVED
    assert read_map_classes(path, None) is None, "an image has no classes"


def test_places_without_a_class_map(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no label image labels/classes"):
        write_map_classes(tmp_path, SAVED)
    assert read_map_classes(tmp_path / "nothing.zarr") is None
    assert read_map_classes("sample:em-labels") is None


def test_a_map_is_grouped_lazily(tmp_path: Path) -> None:
    looked: list[int] = []

    def block(block_info: dict | None = None) -> np.ndarray:
        looked.append(1)
        return CLASSES[:1]

    lazy = da.map_blocks(block, chunks=((1,) * 3, (600,), (600,)), dtype=np.uint8, meta=np.empty((0, 0, 0)))
    looked.clear()
    grouped = grouped_map(lazy, BOOK)
    assert (grouped.shape, grouped.dtype, looked) == (CLASSES.shape, np.uint8, [])
    np.testing.assert_array_equal(grouped[1, 0, ::120].compute(), [0, 1, 2, 2, 3])
    assert looked == [1]
    predicted(tmp_path / "out.zarr", "0.5")
    volume = open_volume(tmp_path / "out.zarr", dataset="labels/classes")
    np.testing.assert_array_equal(np.asarray(grouped_map(volume, BOOK))[0, 0, ::120], [0, 1, 2, 2, 3])
    with pytest.raises(
        ClassesError, match=r"has the label 4, but the names are of 3 classes \(labels 1 to 3\)"
    ):
        grouped_map(CLASSES, ClassBook(3)).compute()
