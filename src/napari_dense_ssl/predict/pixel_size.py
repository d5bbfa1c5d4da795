"""A volume at the voxel size of a run: its nearest level, resampled where that is asked for."""

from __future__ import annotations

from math import log

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.geometry import VoxelSize
from napari_dense_ssl.predict.predictor import MOST_DIFFERENCE, Predictor
from napari_dense_ssl.predict.settings import PredictSettings
from napari_dense_ssl.volume import Volume
from napari_dense_ssl.volume.regrid import Regrid


def matched(predictor: Predictor, volume: Volume) -> tuple[Regrid, tuple[str, ...]]:
    """Choose the grid on which a volume is predicted.

    Where the run and the volume say their voxel size, it is the level that is nearest to the run's; if even
    that differs by more than a fifth, it is resampled or refused, as the settings say. The distance between
    slices counts only for runs that look at several of them.

    Returns
    -------
    grid : Regrid
    notes : tuple of str
        What the user should know about the choice.

    Raises
    ------
    SettingsError
        If the sizes differ and the settings do not say what to do.
    """
    settings, run = predictor.settings, predictor.run
    if not isinstance(settings, PredictSettings) or settings.resample == "ignore" or run is None:
        return Regrid(), ()
    if not (volume.voxel_size_known and run.voxel_size_known):
        return Regrid(), ()
    several = predictor.encoder.slices > 1 or settings.planes == "ortho"
    axes = (0, 1, 2) if several else (1, 2)
    trained = run.voxel_size

    def distance(level: int) -> float:
        return sum(abs(log(volume.spacing(level)[axis] / trained[axis])) for axis in axes)

    level = min(range(len(volume.levels)), key=distance)
    size = volume.spacing(level)
    notes: tuple[str, ...] = ()
    if level:
        notes = (
            f"Level {level} of {volume.source} is predicted, whose voxels of {_text(size)} nm are nearest to "
            f"those that the run was trained on ({_text(trained)} nm).",
        )
    if all(abs(size[axis] / trained[axis] - 1) <= MOST_DIFFERENCE for axis in axes):
        return Regrid(level), notes
    if settings.resample == "never":
        raise SettingsError(
            f"The voxels of {volume.source} measure {_text(size)} nm at the level that is nearest, but the "
            f"run was trained on {_text(trained)} nm: structures have another size in pixels. Choose "
            "resample auto (--resample auto) to have it resampled, ignore to predict its finest level as it "
            "is, or correct its voxel size (--voxel-size) where the file is wrong."
        )
    wanted = VoxelSize(*(trained[axis] if axis in axes else size[axis] for axis in range(3)))
    resampled = f"{volume.source} is resampled from voxels of {_text(size)} nm to {_text(wanted)} nm."
    return Regrid(level, wanted), (resampled,)


def _text(size: VoxelSize) -> str:
    return " x ".join(f"{edge:.4g}" for edge in size)
