"""Which slices are looked at together, and along which planes: decided on the volume."""

from __future__ import annotations

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import PLANES, XY, Plane
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.volume import Volume
from napari_dense_ssl.volume.isotropy import isotropy


def planes_of(settings: TrainSettings) -> tuple[Plane, ...]:
    """Return the planes that are learned from, these being decided."""
    return PLANES if settings.planes == "ortho" else (XY,)


def decided(settings: TrainSettings, volume: Volume, region: Box) -> tuple[TrainSettings, tuple[str, ...]]:
    """Decide what settings leave to the volume.

    Parameters
    ----------
    settings : TrainSettings
    volume : Volume
    region : Box
        What is learned from.

    Returns
    -------
    settings : TrainSettings
        See :meth:`TrainSettings.resolved`.
    notes : tuple of str
        What the user should know about the choice of planes.
    """
    found = isotropy(volume, region)
    thickness = min(region.shape)
    resolved = settings.resolved(
        volume.slice_step(region), region.shape[0], isotropic=found.isotropic, thickness=thickness
    )
    wanted = settings.planes == "ortho" or (settings.planes == "auto" and found.isotropic)
    if wanted and resolved.planes == "xy":
        return resolved, (
            f"Crops are cut from the plane xy alone: the region {region} is {thickness} px thick, and crops "
            f"of {settings.sampler.crop} px shifted by up to {settings.sampler.view_shift} px need "
            f"{settings.sampler.window} px in each plane. Smaller crops, or a smaller view shift, would fit.",
        )
    if settings.planes == "auto" and wanted:
        return resolved, (f"Crops are cut from the planes xy, xz and yz: {found.reason}.",)
    return resolved, ()
