from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.events import Preview
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.gui import maps
from napari_dense_ssl.gui.colours import class_colormap
from napari_dense_ssl.gui.maps import SparseMap, full_resolution


@given(st.data())
def test_levels_hold_every_second_pixel_of_what_was_written(data):
    y0 = data.draw(st.integers(0, 30))
    x0 = data.draw(st.integers(0, 30))
    y1 = data.draw(st.integers(y0 + 1, 37))
    x1 = data.draw(st.integers(x0 + 1, 41))
    maps._SINGLE, before = 16, maps._SINGLE
    try:
        sparse = SparseMap((2, 37, 41), "uint8")
    finally:
        maps._SINGLE = before
    assert [level.shape for level in sparse.levels] == [(2, 37, 41), (2, 19, 21), (2, 10, 11)]
    plane = np.random.default_rng(0).integers(1, 255, (y1 - y0, x1 - x0), np.uint8)
    sparse.write(Box((1, y0, x0), (2, y1, x1)), plane)
    finest = np.asarray(sparse.levels[0][:])
    np.testing.assert_array_equal(finest[1, y0:y1, x0:x1], plane)
    assert finest.astype(bool).sum() == plane.size
    for step, level in ((2, sparse.levels[1]), (4, sparse.levels[2])):
        np.testing.assert_array_equal(level[:], finest[:, ::step, ::step])


def test_a_huge_map_costs_nothing_and_can_be_cleared():
    sparse = SparseMap((10_000, 60_000, 60_000), "float32")  # 144 TB
    assert sparse.multiscale
    box = Box((7, 1000, 1000), (8, 1004, 1004))
    sparse.write(box, np.ones((4, 4), np.float32))
    assert np.asarray(sparse.levels[0][box.slices]).sum() == 16
    small = SparseMap((2, 8, 8), "uint8")
    small.write(Box((0, 0, 0), (1, 8, 8)), np.ones((8, 8), np.uint8))
    small.clear(0)
    assert not np.asarray(small.levels[0][:]).any()
    assert small.data is small.levels[0]


def test_coarse_previews_are_drawn_at_their_place():
    # Pixels at voxels 0.5 and 2.5: each stands for two voxels.
    preview = Preview(
        0, Box((0, 0, 0), (1, 4, 4)), Grid((0.5, 0.5), (2, 2)), np.array([[1, 2], [3, 4]], np.uint8)
    )
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(full_resolution(preview, preview.classes), expected)


def test_fine_previews_are_taken_as_they_are():
    box = Box((3, 10, 20), (4, 14, 26))
    preview = Preview(3, box, Grid((10, 20)), np.ones((4, 6), np.uint8))
    assert full_resolution(preview, preview.classes) is preview.classes


def test_each_label_has_its_colour_and_zero_is_clear():
    colours = class_colours()
    colormap = class_colormap()
    mapped = colormap.map(np.array([0, 1, 254], np.uint8))
    assert mapped[0, 3] == 0
    np.testing.assert_allclose(mapped[1], colours[1], atol=1e-6)
    np.testing.assert_allclose(mapped[2], colours[254], atol=1e-6)
