"""Whether all three planes of a volume look alike: by its voxel size, or measured on the images."""

from __future__ import annotations

from typing import NamedTuple

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume.volume import Volume

_MOST = 1.3
"""Largest ratio of a voxel's edges that counts as isotropic."""


class Isotropy(NamedTuple):
    """Whether a volume is isotropic, and how that is known, as the rest of a sentence."""

    isotropic: bool
    reason: str


def isotropy(volume: Volume, region: Box | None = None) -> Isotropy:
    """Tell whether a volume is isotropic.

    Parameters
    ----------
    volume : Volume
        Its voxel size decides where the file says it.
    region : Box, optional
        Where to measure the distance between slices otherwise.
    """
    if volume.voxel_size_known:
        edges = " x ".join(f"{edge:g}" for edge in volume.voxel_size)
        ratio = max(volume.voxel_size) / min(volume.voxel_size)
        return Isotropy(ratio <= _MOST, f"voxels measure {edges} nm")
    step = volume.slice_step(region)
    found = "have nothing in common" if step == float("inf") else f"lie {step:.3g} px apart"
    return Isotropy(
        step <= _MOST, f"the file gives no voxel size, and slices {found} as measured on the images"
    )
