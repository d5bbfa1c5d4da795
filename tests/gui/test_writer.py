"""File > Save as OME-Zarr: what napari hands over comes back, in our reader and in others'."""

from __future__ import annotations

import dask.array as da
import napari
import napari_ome_zarr
import numpy as np
import ome_zarr_models
import pytest
import zarr
from napari.utils.notifications import notification_manager

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.gui import writer
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.volume import list_labels, open_volume

PLUGIN = "napari-dense-ssl"
PLACE = {
    "scale": (0.05, 0.005, 0.004),
    "translate": (1, 0.02, 0.03),
    "units": ("um",) * 3,
    "axis_labels": ("z", "y", "x"),
}


@pytest.fixture
def viewer(make_napari_viewer, plugin):
    return make_napari_viewer()


def warnings() -> list[str]:
    return [str(n.message) for n in notification_manager.records if str(n.severity) == "warning"]


def test_image_and_labels_come_back_as_they_were(viewer, stack, tmp_path):
    path = tmp_path / "saved.zarr"
    classes = (stack // 32).astype(np.uint8)
    viewer.add_image(stack, name="em", **PLACE)
    viewer.add_labels(classes, name="em classes: 8/K", metadata={KEY: {"run": "runs/a", "of": "em"}}, **PLACE)
    assert viewer.layers.save(str(path)) == [str(path)]  # found by its ending alone
    viewer.layers.clear()
    image, labels = viewer.open(str(path), plugin=PLUGIN)
    assert (type(image).__name__, type(labels).__name__) == ("Image", "Labels")
    np.testing.assert_array_equal(np.asarray(image.data), stack)
    np.testing.assert_array_equal(np.asarray(labels.data), classes)
    for layer in (image, labels):
        np.testing.assert_array_equal(layer.scale, (50, 5, 4))
        np.testing.assert_array_equal(layer.translate, (1000, 20, 30))
        assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
    assert list_labels(path) == ("labels/em_classes__8_K",)
    assert zarr.open_group(path).attrs["napari_dense_ssl"]["parts"]["em classes: 8/K"]["run"] == "runs/a"


def test_other_readers_take_it_too(viewer, stack, tmp_path):
    path = tmp_path / "saved.zarr"
    viewer.add_image(stack, name="em", **PLACE)
    viewer.add_labels(stack // 32, name="classes", **PLACE)
    viewer.layers.save(str(path), plugin=PLUGIN)
    assert ome_zarr_models.open_ome_zarr(zarr.open_group(str(path), mode="r")) is not None
    found = napari_ome_zarr.napari_get_reader(str(path))(str(path))
    assert [kind for _, _, kind in found] == ["image", "labels"]
    np.testing.assert_array_equal(np.asarray(found[1][0][0]), stack // 32)
    np.testing.assert_allclose(found[0][1]["scale"], (50, 5, 4))


def test_several_images(viewer, stack, tmp_path):
    path = tmp_path / "many.zarr"
    viewer.add_image(stack, name="same name", **PLACE)
    viewer.add_image(stack[:, :40], name="Same Name", **PLACE)
    viewer.add_labels(stack[:, :40] // 32, name="labels", **PLACE)
    viewer.layers.save(str(path), plugin=PLUGIN)
    # the labels belong to the image of their shape
    assert list_labels(path, "Same_Name_2") == ("Same_Name_2/labels/labels_2",)
    viewer.layers.clear()
    layers = viewer.open(str(path), plugin=PLUGIN)
    assert sorted((type(x).__name__, x.data.shape) for x in layers) == [
        ("Image", (6, 40, 128)),
        ("Image", (6, 96, 128)),
        ("Labels", (6, 40, 128)),
    ]
    for inside in ("same_name", "Same_Name_2"):
        assert ome_zarr_models.open_ome_zarr(zarr.open_group(str(path / inside), mode="r")) is not None
    found = napari_ome_zarr.napari_get_reader(str(path / "Same_Name_2"))(str(path / "Same_Name_2"))
    assert [(kind, data[0].shape) for data, _, kind in found] == [
        ("image", (6, 40, 128)),
        ("labels", (6, 40, 128)),
    ]


def test_labels_alone_are_labels_again(viewer, stack, tmp_path):
    viewer.add_labels(stack // 32, name="classes")
    viewer.layers.save(str(tmp_path / "a.zarr"), plugin=PLUGIN)
    viewer.layers.clear()
    (layer,) = viewer.open(str(tmp_path / "a.zarr"), plugin=PLUGIN)
    assert type(layer).__name__ == "Labels"
    assert [str(unit) for unit in layer.units] == ["pixel"] * 3  # no length is made up


def test_a_lazy_pyramid_is_written_block_by_block(viewer, tmp_path):
    held: list[int] = []

    def block(block_info=None):
        held.append(1)
        return np.full((1, 512, 512), block_info[None]["chunk-location"][0], np.uint16)

    fine = da.map_blocks(
        block, chunks=((1,) * 5, (512, 512), (512,)), dtype=np.uint16, meta=np.empty((0, 0, 0))
    )
    viewer.add_image(
        [fine, fine[:, ::2, ::2]],
        multiscale=True,
        name="big",
        contrast_limits=(0, 5),
        scale=(50, 5, 5),
        units="nm",
    )
    held.clear()
    viewer.layers.save(str(tmp_path / "big.zarr"), plugin=PLUGIN)
    assert len(held) == 10  # each block once
    volume = open_volume(tmp_path / "big.zarr")
    assert [level.shape for level in volume.levels] == [(5, 1024, 512), (5, 512, 256)]
    np.testing.assert_array_equal(volume.levels[1][:, 7, 9].compute(), range(5))
    assert volume.voxel_size == (50, 5, 5)


@pytest.mark.parametrize(
    ("shape", "names", "axes"),
    [
        ((40, 50), ("y", "x"), "yx"),
        ((5, 40, 50), ("time", "y", "x"), "tyx"),
        ((2, 3, 40, 50), ("c", "z", "y", "x"), "czyx"),
        ((2, 3, 4, 40, 50), ("t", "c", "z", "y", "x"), "tczyx"),
    ],
)
def test_two_to_five_axes(tmp_path, shape, names, axes):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    layer = napari.layers.Image(values, axis_labels=names, scale=[2] * len(shape))
    path = tmp_path / "n.zarr"
    writer.write(str(path), [layer.as_layer_data_tuple()])
    multiscale = zarr.open_group(path).attrs["ome"]["multiscales"][0]
    assert "".join(axis["name"] for axis in multiscale["axes"]) == axes
    assert multiscale["datasets"][0]["coordinateTransformations"][0]["scale"] == [2] * len(shape)
    np.testing.assert_array_equal(zarr.open_array(path / "0")[:], values)
    assert ome_zarr_models.open_ome_zarr(zarr.open_group(str(path), mode="r")) is not None


def test_an_affine_that_only_stretches_and_moves_is_kept(stack, tmp_path):
    affine = np.diag([2.0, 3, 4, 1])
    affine[:3, 3] = (5, 6, 7)
    layer = napari.layers.Image(stack, scale=(50, 5, 5), translate=(1, 1, 1), units="nm", affine=affine)
    writer.write(str(tmp_path / "a.zarr"), [layer.as_layer_data_tuple()])
    volume = open_volume(tmp_path / "a.zarr")
    assert volume.voxel_size == (100, 15, 20)
    assert volume.translation == (7, 9, 11)
    assert warnings() == []


def test_a_rotation_is_warned_of(stack, tmp_path):
    turn = np.eye(3)
    turn[1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]  # within the slices
    layer = napari.layers.Image(stack, scale=(50, 5, 5), units="nm", rotate=turn, name="tilted")
    writer.write(str(tmp_path / "a.zarr"), [layer.as_layer_data_tuple()])
    assert open_volume(tmp_path / "a.zarr").voxel_size == (50, 5, 5)
    (message,) = warnings()
    assert message.startswith("The layer tilted is rotated, sheared or mirrored")


def test_the_ending_is_added(stack, tmp_path):
    layer = napari.layers.Image(stack, name="v1.2")
    assert writer.write(str(tmp_path / "v1.2"), [layer.as_layer_data_tuple()]) == [
        str(tmp_path / "v1.2.zarr")
    ]


def test_nothing_that_exists_is_touched(viewer, stack, tmp_path):
    viewer.add_image(stack)
    kept = tmp_path / "kept.zarr"
    kept.mkdir()
    (kept / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"kept\.zarr exists already; choose another name"):
        viewer.layers.save(str(kept), plugin=PLUGIN)
    with pytest.raises(OutputError, match="would lie inside"):
        viewer.layers.save(str(kept / "inner.zarr"), plugin=PLUGIN)
    assert [file.name for file in kept.iterdir()] == ["notes.txt"]


def test_what_cannot_be_held_is_refused_before_anything_is_written(tmp_path):
    colour = napari.layers.Image(np.zeros((20, 20, 3), np.uint8), rgb=True, name="photo")
    with pytest.raises(OutputError, match="photo is a colour"):
        writer.write(str(tmp_path / "a.zarr"), [colour.as_layer_data_tuple()])
    deep = napari.layers.Image(np.zeros((1,) * 6, np.uint8), name="deep")
    with pytest.raises(OutputError, match="deep has 6 axes"):
        writer.write(str(tmp_path / "a.zarr"), [deep.as_layer_data_tuple()])
    assert list(tmp_path.iterdir()) == []


def test_a_mask_becomes_zero_and_one(tmp_path):
    mask = napari.layers.Image(np.eye(8, dtype=bool)[None])
    writer.write(str(tmp_path / "a.zarr"), [mask.as_layer_data_tuple()])
    np.testing.assert_array_equal(np.asarray(open_volume(tmp_path / "a.zarr").data)[0], np.eye(8))


def test_cancelling_leaves_nothing_behind(viewer, stack, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_SHOW_SECONDS", 0.0)
    seen: list[int] = []

    class Impatient(writer.cancelable_progress):
        def update(self, n: float = 1) -> None:
            seen.append(self.total)
            super().update(n)
            self.cancel()

    monkeypatch.setattr(writer, "cancelable_progress", Impatient)
    viewer.add_image(stack)
    with pytest.raises(OutputError, match="was cancelled, and nothing of it was kept"):
        viewer.layers.save(str(tmp_path / "a.zarr"), plugin=PLUGIN)
    assert seen == [6]  # one slice a block, and no coarser level
    assert not (tmp_path / "a.zarr").exists()


def test_a_source_that_fails_leaves_nothing_behind(tmp_path):
    def block(block_info=None):
        raise ValueError("torn tape")

    broken = da.map_blocks(block, chunks=((1, 1), (20,), (20,)), dtype=np.uint8, meta=np.empty((0, 0, 0)))
    with pytest.raises(ValueError, match="torn tape"):
        writer.write(str(tmp_path / "a.zarr"), [(broken, {"name": "x"}, "image")])
    assert not (tmp_path / "a.zarr").exists()
