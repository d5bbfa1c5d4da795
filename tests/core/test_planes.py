import numpy as np
import pytest

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import PLANES, XY, XZ, YZ, Plane

BOX = Box((1, 2, 3), (4, 8, 12))


@pytest.mark.parametrize("plane", PLANES)
def test_a_box_in_a_plane_holds_the_same_voxels(plane: Plane) -> None:
    voxels = np.arange(10 * 11 * 13).reshape(10, 11, 13)
    seen = plane.see(voxels)
    assert seen.shape == plane.triple(voxels.shape)
    assert (seen[plane.box(BOX).slices] == plane.see(voxels[BOX.slices])).all()
    assert plane.volume_box(plane.box(BOX)) == BOX
    assert (seen.transpose(plane.inverse) == voxels).all()


def test_planes_are_named_by_the_axes_that_lie_in_them() -> None:
    for plane, normal in ((XY, "z"), (XZ, "y"), (YZ, "x")):
        assert "zyx"[plane.axes[0]] == normal
        assert set(plane.name) == set("xyz") - {normal}


def test_planes_of_a_cyclically_turned_volume_are_the_same_images() -> None:
    voxels = np.random.default_rng(0).random((4, 5, 6))
    before = [plane.see(voxels) for plane in PLANES]
    after = [plane.see(voxels.transpose(1, 2, 0)) for plane in PLANES]
    for image in after:
        assert any(np.array_equal(image, other) for other in before)
