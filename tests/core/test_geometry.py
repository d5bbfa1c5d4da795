import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import Box, Symmetry, VoxelSize

SHAPE = (20, 100, 80)


def test_a_region_is_read_with_open_bounds() -> None:
    assert Box.parse("0:16, :, 10:", SHAPE) == Box((0, 0, 10), (16, 100, 80))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0:16,:", "2 ranges"),
        ("a:b,:,:", "'a:b'"),
        ("0:16,-5:,:", "outside"),
        ("3:3,:,:", "empty"),
        ("0:21,:,:", "outside"),
    ],
)
def test_a_bad_region_is_named_with_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(RegionError, match=says) as caught:
        Box.parse(text, SHAPE)
    assert "0:20,0:100,0:80" in str(caught.value)


def test_the_text_of_a_box_reads_back() -> None:
    box = Box((1, 2, 3), (4, 50, 60))
    assert Box.parse(str(box), SHAPE) == box


def test_boxes_that_do_not_meet_share_nothing() -> None:
    assert Box((0, 0, 0), (2, 2, 2)).intersect(Box((5, 0, 0), (6, 2, 2))).size == 0


coordinates = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
boxes = st.tuples(coordinates, coordinates).map(
    lambda pair: Box(
        tuple(min(a, b) for a, b in zip(*pair, strict=True)),  # type: ignore[arg-type]
        tuple(max(a, b) + 1 for a, b in zip(*pair, strict=True)),  # type: ignore[arg-type]
    )
)


@given(boxes, boxes)
def test_an_intersection_counts_what_masks_count(a: Box, b: Box) -> None:
    masks = np.zeros((2, 10, 10, 10), dtype=bool)
    masks[0][a.slices] = True
    masks[1][b.slices] = True
    assert a.intersect(b).size == int((masks[0] & masks[1]).sum())


def test_there_are_eight_symmetries_and_each_is_undone_by_its_inverse() -> None:
    square = np.arange(12).reshape(1, 3, 4)
    seen = set()
    for symmetry in Symmetry.all():
        turned = symmetry.apply(square)
        seen.add(turned.tobytes() + bytes(turned.shape))
        np.testing.assert_array_equal(symmetry.inverse.apply(turned), square)
    assert len(seen) == 8


def test_a_voxel_of_fib_sem_is_isotropic_and_one_of_ssTEM_is_not() -> None:  # noqa: N802
    assert VoxelSize(10, 10, 10).isotropic
    assert not VoxelSize(50, 4.6, 4.6).isotropic
