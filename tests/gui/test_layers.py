from __future__ import annotations

import dataclasses

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.gui.fields import is_source
from napari_dense_ssl.gui.layers import KEY, layer_data, layer_source, nanometres, volume_name
from napari_dense_ssl.volume import Volume, create_output, open_volume, write_volume


@pytest.mark.parametrize(
    ("unit", "length"),
    [("nm", 1), ("um", 1000), ("micrometer", 1000), ("angstrom", 0.1), ("pixel", None), ("s", None)],
)
def test_nanometres(unit, length):
    assert nanometres(unit) == (None if length is None else pytest.approx(length))


def test_a_volume_becomes_a_layer_with_its_place_in_the_world():
    volume = Volume.from_arrays(
        [np.arange(4 * 8 * 6, dtype=np.uint8).reshape(4, 8, 6)],
        voxel_size=(40, 4, 8),
        translation=(1, 2, 3),
        source="/somewhere/my.volume.ome.tif",
    )
    volume = dataclasses.replace(volume, format="OME-TIFF")
    data, keywords, kind = layer_data(volume)
    layer = Image(data, **keywords)
    assert kind == "image"
    assert layer.name == "my.volume"
    np.testing.assert_array_equal(layer.scale, (40, 4, 8))
    np.testing.assert_array_equal(layer.translate, (1, 2, 3))
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.contrast_limits[0] < layer.contrast_limits[1]
    assert layer.metadata[KEY]["source"] == "/somewhere/my.volume.ome.tif"


def test_a_constant_volume_can_be_shown():
    data, keywords, _ = layer_data(Volume.from_arrays([np.full((2, 4, 4), 7, np.uint8)]))
    assert Image(data, **keywords).contrast_limits == [6.5, 7.5]


def test_a_map_that_was_predicted_is_no_image_to_learn_from(tmp_path):
    source = Volume.from_arrays([np.zeros((2, 32, 32), np.uint8)], source="sample:em")
    create_output(tmp_path / "out.zarr", source, provenance={}).complete()
    write_volume(tmp_path / "in.zarr", np.arange(2 * 32 * 32, dtype=np.uint16).reshape(2, 32, 32), (1, 1, 1))
    offered = {}
    for name in ("out.zarr", "in.zarr"):
        data, keywords, kind = layer_data(open_volume(str(tmp_path / name)))
        assert kind == "image"
        offered[name] = is_source(Image(data, **keywords))
    assert offered == {"out.zarr": False, "in.zarr": True}


@pytest.mark.parametrize(
    ("facts", "offered"),
    [
        (None, True),
        ({"format": "TIFF", "source": "a.tif"}, True),
        ({"run": "runs/1", "kind": "error"}, False),
        ({"format": "OME-Zarr 0.5", "run": "runs/1", "kind": "error"}, False),
        ({"playground": "dsm"}, False),
    ],
)
def test_images_that_are_made_of_another_are_not_offered(facts, offered):
    image = Image(np.zeros((2, 4, 4)), metadata={} if facts is None else {KEY: facts})
    assert is_source(image) is offered


def test_pyramids_become_multiscale_layers():
    volume = Volume.from_arrays([np.zeros((4, 64, 64), np.uint8), np.zeros((4, 32, 32), np.uint8)])
    data, keywords, _ = layer_data(volume)
    layer = Image(data, **keywords)
    assert layer.multiscale
    assert layer_source(layer).open().factors == ((1, 1, 1), (1, 2, 2))


@pytest.mark.parametrize(
    ("source", "dtype", "kind"),
    [
        ("/a/raw.tif", np.uint8, "image"),
        ("/a/labels.tif", np.uint8, "labels"),
        ("/a/raw.tif", np.int32, "labels"),
        ("/a/labels.tif", np.float32, "image"),
        ("/labels/raw.tif", np.uint8, "image"),
    ],
)
def test_labels_are_known_by_dtype_or_name(source, dtype, kind):
    volume = Volume.from_arrays([np.ones((2, 8, 8), dtype)], source=source)
    assert layer_data(volume)[2] == kind


def test_name_of_a_dataset_in_a_container():
    volume = Volume.from_arrays([np.zeros((2, 8, 8), np.uint8)], source="/a/cells.h5")
    assert volume_name(volume) == "cells"


def test_layers_of_other_readers_are_taken_in_their_units(stack):
    layer = Image(
        da.from_array(stack), scale=(0.05, 0.005, 0.005), translate=(0.1, 0, 0), units=("um",) * 3, name="x"
    )
    source = layer_source(layer)
    assert source.voxel_size == pytest.approx((50, 5, 5))
    volume = source.open()
    assert volume.voxel_size == VoxelSize(*source.voxel_size)
    assert volume.translation == pytest.approx((100, 0, 0))
    np.testing.assert_array_equal(volume.data.compute(), stack)
    assert source.placement["units"] == ("micrometer",) * 3


def test_pixels_keep_their_proportions(stack):
    assert layer_source(Image(stack, scale=(10, 1, 1))).open().voxel_size == (10, 1, 1)


def test_layers_of_our_reader_are_opened_from_their_source():
    data, keywords, _ = layer_data(open_volume("sample:em?shape=4x64x64&seed=3"))
    layer = Image(data, **keywords)
    layer.scale = (30, 3, 3)  # corrected by the user in napari
    volume = layer_source(layer).open()
    assert volume.source == "sample:em?shape=4x64x64&seed=3"
    assert volume.voxel_size == (30, 3, 3)


@pytest.mark.parametrize(
    ("data", "rgb", "said"),
    [
        (np.zeros((8, 8), np.uint8), False, "has 2 axes"),
        (np.zeros((2, 2, 8, 8), np.uint8), False, "has 4 axes"),
        (np.zeros((4, 8, 8, 3), np.uint8), True, "colour"),
    ],
)
def test_other_images_are_refused_with_advice(data, rgb, said):
    source = layer_source(Image(data, rgb=rgb, name="x"))
    with pytest.raises(VolumeError, match=said):
        source.open()
