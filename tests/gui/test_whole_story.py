"""The whole story in a real window: a volume is opened, trained on, grouped, named, corrected and passed on.

On a part of the VNC volume and on ``sample:em``, with a network that takes seconds. ``pytest
tests/gui/test_whole_story.py --whole-vnc`` tells it with all of the VNC volume, 20 slices of 1024² px.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from sklearn.metrics import jaccard_score

from napari_dense_ssl import import_model
from napari_dense_ssl.volume import open_volume, read_classes, read_map_classes

from .story import (
    COLOURS,
    NAMES,
    Person,
    Tissue,
    cuts_the_tree,
    exports,
    finest,
    looks_through,
    names_five_groups,
    opens,
    scores,
    scribbles,
    seen_in_a_fresh_window,
    segments_the_whole,
    trains_on_a_part,
    writes_the_classes,
)

SHAPE = (8, 192, 224)


def sample() -> Tissue:
    options = "shape={}x{}x{}".format(*SHAPE)
    truth = f"sample:em-labels?{options}"
    return Tissue(f"sample:em?{options}", "sample:em", truth, open_volume(truth).data.compute(), None)


def vnc(raw: Path, labels: Path, folder: Path, whole: bool) -> Tissue:
    """Return the VNC volume, or a part of it that has all five classes."""
    size = (50.0, 4.6, 4.6)
    if whole:
        return Tissue(str(raw), "raw", str(labels), tifffile.imread(labels), size)
    z, y, x = SHAPE
    for path, source in ((folder / "vnc.tif", raw), (folder / "vnc labels.tif", labels)):
        part = tifffile.imread(source, key=range(z))[:, 256 : 256 + y, 640 : 640 + x]
        tifffile.imwrite(path, part, photometric="minisblack")
    truth = tifffile.imread(folder / "vnc labels.tif")
    return Tissue(str(folder / "vnc.tif"), "vnc", str(folder / "vnc labels.tif"), truth, size)


@pytest.fixture(params=["sample", "vnc"])
def tissue(request, tmp_path, real_data) -> Tissue:
    """Asked for before napari's viewer, whose fixture does not bear that a later one skips the test."""
    if request.param == "sample":
        return sample()
    whole = request.config.getoption("--whole-vnc")
    return vnc(real_data("vnc/raw.tif"), real_data("vnc/labels.tif"), tmp_path, whole)


@pytest.fixture
def person(tissue, qtbot, make_napari_viewer_proxy, open_dock, monkeypatch) -> Person:
    viewer = make_napari_viewer_proxy(ensure_main_thread=True, show=True)
    viewer.window.resize(1500, 950)
    return Person(qtbot, viewer, open_dock, monkeypatch)


@pytest.mark.timeout(5400)
def test_from_a_volume_to_another_program(tissue, person, tmp_path, errors):
    run, classes, segmented, package = (
        tmp_path / name for name in ("run", "classes.zarr", "segmentation.zarr", "model.zip")
    )
    image = opens(person, tissue)
    trains_on_a_part(person, tissue, run)
    assert errors() == []

    dock = looks_through(person, tissue)
    cuts_the_tree(person, dock)
    before = finest(person.viewer.layers[f"{tissue.name} classes"]).copy()
    groups = names_five_groups(person, dock, person.viewer.layers[f"{tissue.name} classes"], tissue)
    np.testing.assert_array_equal(finest(person.viewer.layers[f"{tissue.name} classes"]), before)
    class_map = writes_the_classes(person, dock, tissue, classes)
    dock.look.names.finish()
    assert named_groups(read_classes(run / "classes.json").book) == groups
    assert named_groups(read_map_classes(classes).book) == groups
    assert errors() == []

    dock = scribbles(person, tissue)
    right = scribbled_rightly(dock.scribbles.layer(), tissue.truth)
    assert right > 0.85, f"{right:.3f} of the painted pixels are what they were meant to be"
    segmentation = segments_the_whole(person, dock, tissue, segmented)
    np.testing.assert_allclose(segmentation.scale, image.scale)
    assert errors() == []

    figures = scores(person, tissue, segmentation, tmp_path / "figures", named=True)
    scored = slice(tissue.trained, None)
    expected = by_scikit_learn(finest(segmentation)[scored], tissue.truth[scored])
    assert figures["miou"] == pytest.approx(expected)
    commonest = np.full_like(tissue.truth[scored], np.bincount(tissue.truth[scored].ravel())[1:].argmax() + 1)
    assert figures["miou"] > by_scikit_learn(commonest, tissue.truth[scored]) + 0.02
    figures = scores(person, tissue, class_map, tmp_path / "figures of classes", named=False)
    assert figures["mi_frac"] > 0.02, "chance has 0"

    exports(person, run, package)
    assert errors() == []
    reopened(tissue, classes, segmented, groups)
    imported(package, tmp_path / "imported", groups)
    in_another_program(tissue, classes, segmented, groups)


def named_groups(book) -> dict[str, tuple[int, ...]]:
    """Return the labels of each named group."""
    return {
        book.name(group[0]): tuple(k + 1 for k in group) for group in book.groups if book.is_named(group[0])
    }


def scribbled_rightly(layer, truth) -> float:
    z, y, x = layer.data.places()[0].T
    return float((truth[z, y, x] == layer.data.places()[1]).mean())


def by_scikit_learn(predicted, truth) -> float:
    seen = (truth > 0) & (predicted > 0)
    return float(jaccard_score(truth[seen], predicted[seen], average="macro", labels=np.unique(truth[seen])))


def reopened(tissue, classes, segmented, groups) -> None:
    """Our reader in a fresh process: the layers with their places, names and colours."""
    layers = seen_in_a_fresh_window("napari-dense-ssl", classes, segmented)
    labels = [layer for layer in layers if layer["kind"] == "Labels"]
    assert len(labels) == 2
    for layer in layers:
        assert layer["shape"] == list(tissue.truth.shape)
        assert layer["units"] == ["nanometer"] * 3
        if tissue.voxel_size is not None:
            assert layer["scale"] == pytest.approx(tissue.voxel_size)
    looks_of_classes(labels[0], groups)
    looks_of_segmentation(labels[1])


def looks_of_classes(layer, groups) -> None:
    """All classes of a named group bear its name and its colour."""
    numbers = {name: label for label, name in NAMES.items()}
    seen = set()
    for name, members in groups.items():
        for label in map(str, members):
            if label in layer["names"]:  # occurs in the volume
                assert layer["names"][label] == name
                assert layer["colours"][label] == list(COLOURS[numbers[name]])
                seen.add(name)
    assert seen == set(NAMES.values())


def looks_of_segmentation(layer) -> None:
    assert layer["names"] == {str(label): name for label, name in NAMES.items()}
    assert len({tuple(colour) for colour in layer["colours"].values()}) == len(NAMES)


def imported(package, out, groups) -> None:
    """The package on another machine: a run whose classes have their names."""
    with zipfile.ZipFile(package) as file:
        assert {"rdf.yaml", "weights.torchscript.pt", "weights.safetensors"} <= set(file.namelist())
    for _ in import_model(package, out):
        pass
    assert named_groups(read_classes(out / "classes.json").book) == groups


def in_another_program(tissue, classes, segmented, groups) -> None:
    """napari-ome-zarr, which knows nothing of us: images with their labels, names and colours."""
    layers = seen_in_a_fresh_window("napari-ome-zarr", classes, segmented)
    kinds = [layer["kind"] for layer in layers]
    assert sorted(kinds) == ["Image", "Image", "Labels", "Labels"]
    assert all(layer["shape"] == list(tissue.truth.shape) for layer in layers)
    labels = [layer for layer in layers if layer["kind"] == "Labels"]
    looks_of_classes(labels[0], groups)
    looks_of_segmentation(labels[1])
