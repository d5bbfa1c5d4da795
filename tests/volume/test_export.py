"""Several images and labels in one OME-Zarr."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dense_ssl.core.errors import OutputError, PlaneChoiceError
from napari_dense_ssl.volume import Part, World, list_labels, open_volume, write_volume, writing

WORLD = World((50, 5, 5), (0, 0, 0))


@pytest.fixture
def image() -> np.ndarray:
    return np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)


def test_labels_are_found_beside_their_image(tmp_path, image):
    parts = [
        Part("em", image, WORLD),
        Part("a/b", image % 7, WORLD, labels=True),
        Part("a b", image % 5, WORLD, labels=True),
    ]
    counts = list(writing(tmp_path / "v.zarr", parts))
    assert counts == [(i, 9) for i in range(1, 10)]  # three slices of each
    assert list_labels(tmp_path / "v.zarr") == ("labels/a_b", "labels/a_b_2")
    labels = open_volume(tmp_path / "v.zarr", dataset="labels/a_b_2")
    assert labels.labels
    np.testing.assert_array_equal(np.asarray(labels.data), image % 5)
    assert not open_volume(tmp_path / "v.zarr").labels


def test_nothing_else_has_labels(tmp_path, image):
    assert list_labels(write_volume(tmp_path / "v.zarr", image, None)) == ()
    assert list_labels("sample:em") == ()


def test_left_before_its_end_it_leaves_nothing(tmp_path, image):
    job = writing(tmp_path / "v.zarr", [Part("em", image, WORLD)])
    assert next(job) == (1, 3)
    assert (tmp_path / "v.zarr").exists()
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, image):
    for part, what in (
        (Part("p", image, World((5, 5), (0, 0)), "yx"), r"expected axes \(Y, X\)"),
        (Part("p", image.astype(float), WORLD, labels=True), "labels of type float64"),
        (Part("p", image.astype(complex), WORLD), "grey values of type complex128"),
    ):
        with pytest.raises(OutputError, match=f"^p: .*{what}"):
            list(writing(tmp_path / "v.zarr", [Part("em", image, WORLD), part]))
    assert list(tmp_path.iterdir()) == []


def test_an_image_with_channels_says_how_many(tmp_path, image):
    both = np.stack([image, image + 1])
    world = World((1, 50, 5, 5), (0, 0, 0, 0))
    for _ in writing(tmp_path / "v.zarr", [Part("em", both, world, "czyx")]):
        pass
    with pytest.raises(PlaneChoiceError) as choice:
        open_volume(tmp_path / "v.zarr")
    assert (choice.value.axis, choice.value.count) == ("channel", 2)
    volume = open_volume(tmp_path / "v.zarr", channel=1)
    np.testing.assert_array_equal(np.asarray(volume.data), image + 1)
    assert volume.voxel_size == (50, 5, 5)
