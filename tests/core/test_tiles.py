import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from napari_dense_ssl.core.tiles import tiles


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    halo=st.sampled_from([0, 8, 24, 40]),
    window=st.sampled_from([32, 64, 100, 160]),
    multiple=st.sampled_from([1, 4, 8]),
    data=st.data(),
)
def test_each_wanted_pixel_is_kept_once_with_its_halo(
    height: int, width: int, halo: int, window: int, multiple: int, data: st.DataObject
) -> None:
    assume(window // multiple * multiple > 2 * halo + multiple)
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    count = np.zeros((height, width), dtype=int)
    padded = [-(-length // multiple) * multiple for length in (height, width)]
    for tile in tiles((height, width), ((y0, y1), (x0, x1)), window=window, halo=halo, multiple=multiple):
        count[tile.inner_slices] += 1
        for (a, b), (low, high), length in zip(tile.inner, tile.outer, padded, strict=True):
            assert low % multiple == 0
            assert (high - low) % multiple == 0
            assert high - low <= window
            assert 0 <= low <= a
            assert b <= high <= length
            # Cut edges keep their halo; edges of the plane need none.
            assert low == 0 or a - low >= halo
            assert high == length or high - b >= halo
    expected = np.zeros_like(count)
    expected[y0:y1, x0:x1] = 1
    np.testing.assert_array_equal(count, expected)


def test_a_window_smaller_than_its_halos_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves nothing"):
        list(tiles((200, 200), ((0, 200), (0, 200)), window=64, halo=40, multiple=8))
