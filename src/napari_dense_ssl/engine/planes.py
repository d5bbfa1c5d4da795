"""Which slices are looked at together, along which planes, in crops of what size: decided on the volume."""

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
        What the user should know about the size of crops and the choice of planes.
    """
    found = isotropy(volume, region)
    thickness, breadth = min(region.shape), min(region.shape[1:])
    resolved = settings.resolved(
        volume.slice_step(region),
        region.shape[0],
        isotropic=found.isotropic,
        thickness=thickness,
        breadth=breadth,
    )
    given, sampler, notes = settings.sampler, resolved.sampler, []
    if sampler != given:
        notes.append(
            f"Crops are {sampler.crop} px with a view shift of {sampler.view_shift} px in place of "
            f"{given.crop} and {given.view_shift}: the region {region} measures {breadth} px along one edge "
            "of its slices."
        )
    wanted = settings.planes == "ortho" or (settings.planes == "auto" and found.isotropic)
    if wanted and resolved.planes == "xy":
        notes.append(
            f"Crops are cut from the plane xy alone: the region {region} is {thickness} px thick, and crops "
            f"of {sampler.crop} px shifted by up to {sampler.view_shift} px need {sampler.window} px in each "
            "plane. Smaller crops, or a smaller view shift, would fit."
        )
    elif settings.planes == "auto" and wanted:
        notes.append(f"Crops are cut from the planes xy, xz and yz: {found.reason}.")
    return resolved, tuple(notes)
