"""The three orthogonal planes of a volume, and the way between their axes and the volume's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_dense_ssl.core.geometry import Box, Triple


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane that images are cut along.

    The planes' axes are the cyclic turns of Z, Y, X. Whatever is done to a volume plane by plane is
    therefore done alike to the volume whose axes are turned cyclically.

    Attributes
    ----------
    name : str
        The volume's axes that lie in the plane.
    axes : tuple of int
        The volume's axes (0 is Z) that are the plane's normal, its rows and its columns.
    """

    name: str
    axes: Triple

    @property
    def inverse(self) -> Triple:
        """The plane's axes that are the volume's Z, Y and X."""
        z, y, x = (self.axes.index(axis) for axis in range(3))
        return (z, y, x)

    def triple(self, zyx: Triple) -> Triple:
        """Bring lengths or positions along Z, Y and X to normal, rows and columns."""
        normal, rows, columns = (zyx[axis] for axis in self.axes)
        return (normal, rows, columns)

    def box(self, box: Box) -> Box:
        """Return a box of the volume in the plane's axes."""
        return Box(self.triple(box.start), self.triple(box.stop))

    def volume_box(self, box: Box) -> Box:
        """Return a box that is given in the plane's axes in those of the volume."""
        back = Plane("", self.inverse)
        return Box(back.triple(box.start), back.triple(box.stop))

    def see(self, voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return a view of voxels ``(Z, Y, X)`` whose slices are those of the plane."""
        return voxels.transpose(self.axes)


XY = Plane("xy", (0, 1, 2))
XZ = Plane("xz", (1, 2, 0))
YZ = Plane("yz", (2, 0, 1))
PLANES = (XY, XZ, YZ)
