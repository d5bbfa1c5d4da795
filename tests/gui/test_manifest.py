from __future__ import annotations

from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from napari._app_model.constants import MenuId
from npe2.manifest.contributions import WidgetContribution
from npe2.manifest.utils import import_python_name

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.gui.reader import get_reader


def test_every_command_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name))


def test_menus_are_ones_that_napari_shows(manifest):
    known = {menu.value for menu in MenuId.contributables()}
    own = {menu.id for menu in manifest.contributions.submenus}
    assert set(manifest.contributions.menus) <= known | own


def test_nothing_that_older_npe2_refuses(manifest, root: Path):
    # npe2 0.9 forbids fields that it does not know; these two came with 0.10.
    text = (root / "src/napari_dense_ssl/napari.yaml").read_text()
    new = {"default_dock_area", "tabify"} & set(WidgetContribution.model_fields)
    assert not any(word in text for word in new)


def test_the_manifest_at_the_top_is_the_packaged_one(root: Path):
    assert (root / "napari.yaml").read_text() == (root / "src/napari_dense_ssl/napari.yaml").read_text()


def write(path: Path, stack: np.ndarray) -> None:
    match path.suffix:
        case ".tif":
            tifffile.imwrite(path, stack, photometric="minisblack")
        case ".h5":
            with h5py.File(path, "w") as file:
                file["stack"] = stack
        case ".mrc":
            with mrcfile.new(path) as file:
                file.set_data(stack.astype(np.int16))
                file.voxel_size = (50, 50, 500)  # ångström, X Y Z
        case ".zarr":
            zarr.create_array(path, data=stack)
        case _:
            path.mkdir()
            for z, plane in enumerate(stack):
                tifffile.imwrite(path / f"{z:03d}.tif", plane)


@pytest.mark.parametrize("name", ["a.tif", "a.h5", "a.mrc", "a.zarr", "slices"])
def test_napari_opens_every_format_through_the_plugin(make_napari_viewer, plugin, tmp_path, stack, name):
    path = tmp_path / name
    write(path, stack)
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(path), plugin="napari-dense-ssl")
    np.testing.assert_array_equal(np.asarray(layer.data), stack)
    assert layer.axis_labels == ("z", "y", "x")
    known = name == "a.mrc"  # the others say nothing of their voxels: no length is made up
    assert [str(unit) for unit in layer.units] == ["nanometer" if known else "pixel"] * 3
    if known:
        np.testing.assert_allclose(layer.scale, (50, 5, 5))


def test_each_volume_of_a_container_becomes_a_layer(make_napari_viewer, plugin, tmp_path, stack):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["raw"], file["labels"] = stack, (stack > 100).astype(np.uint8)
    viewer = make_napari_viewer()
    layers = viewer.open(str(tmp_path / "two.h5"), plugin="napari-dense-ssl")
    assert {(layer.name, type(layer).__name__) for layer in layers} == {
        ("two raw", "Image"),
        ("two labels", "Labels"),
    }


@pytest.mark.parametrize("key", ["synthetic-em", "synthetic-em-labels"])
def test_sample_data(make_napari_viewer, plugin, key, monkeypatch):
    from napari_dense_ssl.gui import samples

    asked: list[str] = []

    def small(source: str):
        from napari_dense_ssl.gui.reader import read

        asked.append(source)
        return read(f"{source}?shape=4x64x64")

    monkeypatch.setattr(samples, "read", small)
    viewer = make_napari_viewer()
    viewer.open_sample("napari-dense-ssl", key)
    assert asked[0] == "sample:em"
    kinds = [type(layer).__name__ for layer in viewer.layers]
    assert kinds == (["Image"] if key == "synthetic-em" else ["Image", "Labels"])


def test_the_reader_says_what_is_wrong_with_a_file(tmp_path):
    (tmp_path / "text.tif").write_text("not a picture")
    reader = get_reader(str(tmp_path / "text.tif"))
    with pytest.raises(VolumeError):
        reader(str(tmp_path / "text.tif"))
    assert get_reader([str(tmp_path / "text.tif")]) is None
    (tmp_path / "empty").mkdir()
    assert get_reader(str(tmp_path / "empty")) is None
