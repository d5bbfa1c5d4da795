import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.windows import Layout, groups, windows
from napari_dense_ssl.volume import Volume


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 40), st.integers(32, 160), st.randoms())
def test_windows_hold_each_wanted_pixel_once_with_its_halo(height, width, halo, tile, random):
    y0, x0 = random.randrange(height), random.randrange(width)
    wanted = Box((0, y0, x0), (2, random.randrange(y0, height) + 1, random.randrange(x0, width) + 1))
    layout = Layout(tile, halo, 8)
    seen = np.zeros((2, height, width), int)
    for window in windows([wanted], (height, width), layout):
        seen[window.box.slices] += 1
        plane = layout.plane(height, width)
        for (a, b), (p, q), length in zip(window.tile.inner, window.tile.outer, plane, strict=True):
            assert p % 8 == 0
            assert (q - p) % 8 == 0
            assert q - p >= 32
            assert p == 0 or a - p >= halo
            assert q >= length or q - b >= halo
    assert (seen[wanted.slices] == 1).all()
    assert seen.sum() == wanted.size


def test_the_layout_wastes_little_on_halos():
    cut = Layout(416, 48, 8).tiles((1024, 1024), Box((0, 0, 0), (1, 1024, 1024)))
    assert len(cut) == 9
    assert {tile.outer_shape for tile in cut} == {(408, 408)}


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (16, 16), (40, 33)])
def test_what_lies_beyond_the_plane_is_its_reflection(shape):
    picture = np.random.default_rng(0).integers(0, 255, (1, *shape)).astype(np.uint8)
    volume = Volume.from_arrays([picture])
    (window,) = windows([Box.whole(picture.shape)], shape, Layout(64, 8, 8))
    pixels = window.read(volume, volume.intensity(), 5)
    height, width = window.tile.outer_shape
    assert pixels.shape == (1, height + 10, width + 10)
    assert pixels.dtype == np.float32
    margins = [(0, 0), (5, height + 5 - shape[0]), (5, width + 5 - shape[1])]
    expected = np.pad(volume.intensity().normalise(picture), margins, mode="reflect")
    assert np.array_equal(pixels, expected)


def test_windows_read_alike_wherever_they_are_cut(texture):
    """A pixel beyond the edge is the same in all windows that hold it: else tiles would show seams."""
    volume = Volume.from_arrays([texture((1, 101, 90))])
    intensity = volume.intensity()
    whole = next(windows([Box.whole(volume.shape)], (101, 90), Layout(512, 16, 8)))
    picture = whole.read(volume, intensity, 8)
    for window in windows([Box.whole(volume.shape)], (101, 90), Layout(56, 8, 8)):
        (y0, y1), (x0, x1) = window.tile.outer
        assert np.array_equal(window.read(volume, intensity, 8), picture[:, y0 : y1 + 16, x0 : x1 + 16])


def test_groups_keep_the_order_and_one_shape():
    boxes = [Box((z, 0, 0), (z + 1, 64, 64)) for z in range(5)] + [Box((9, 0, 0), (10, 40, 64))]
    found = list(windows(boxes[:5], (64, 64), Layout(64, 8, 8)))
    other = list(windows(boxes[5:], (40, 64), Layout(64, 8, 8)))
    cut = list(groups([*found, *other], 2))
    assert [len(group) for group in cut] == [2, 2, 1, 1]
    assert [window.z for group in cut for window in group] == [0, 1, 2, 3, 4, 9]


def test_a_window_holds_its_neighbouring_slices(texture):
    volume = Volume.from_arrays([texture((6, 64, 64))])
    intensity = volume.intensity()
    for window in windows([Box.whole(volume.shape)], (64, 64), Layout(64, 8, 8)):
        stack = window.read(volume, intensity, 0, slices=3)
        assert stack.shape == (3, 64, 64)
        for offset in (-1, 0, 1):
            z = {-1: 1, 6: 4}.get(window.z + offset, window.z + offset)  # mirrored at both ends
            expected = intensity.normalise(volume.read(Box((z, 0, 0), (z + 1, 64, 64)))[0])
            assert np.array_equal(stack[1 + offset], expected)
