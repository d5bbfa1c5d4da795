"""``predict``: a run and a volume to class map, error map and embedding in an OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_dense_ssl.cli.arguments import (
    ChannelOption,
    DatasetOption,
    DeviceOption,
    OverwriteOption,
    PrecisionOption,
    RegionOption,
    ResumeOption,
    TimepointOption,
    VolumeArgument,
    VoxelSizeOption,
    opened,
)
from napari_dense_ssl.cli.flags import drawn_from, given
from napari_dense_ssl.cli.progress import follow, tell
from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.settings import WHAT, PredictSettings


@drawn_from(PredictSettings, "Settings: tiles and views")
def predict_command(
    volume: VolumeArgument,
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="Run of train.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", metavar="OUT.zarr", help="OME-Zarr to write.", show_default=False)
    ],
    what: Annotated[str, typer.Option(metavar="KINDS", help=f"Some of {', '.join(WHAT)}.")] = "classes,error",
    roi: RegionOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    overwrite: OverwriteOption = False,
    resume: ResumeOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Compute in N processes here, one network each.", show_default=False
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Compute on the workers of a dask scheduler: tcp://host:8786, or its file.",
            show_default=False,
        ),
    ] = None,
    dataset: DatasetOption = None,
    voxel_size: VoxelSizeOption = None,
    channel: ChannelOption = None,
    timepoint: TimepointOption = None,
    **flags: str | None,
) -> None:
    """Predict a volume, or a region of it, tile by tile."""
    kinds = parse_kinds(what)
    settings = PredictSettings.model_validate(given(PredictSettings, flags))
    pixels = opened(volume, dataset, voxel_size, channel, timepoint)
    box = Box.parse(roi, pixels.shape) if roi is not None else None
    from napari_dense_ssl.predict import predict

    finished = follow(
        predict(
            pixels,
            run,
            out,
            what=kinds,
            roi=box,
            overwrite=overwrite,
            resume=resume,
            device=device,
            precision=precision,
            settings=settings,
            workers=workers,
            scheduler=scheduler,
        ),
        stopped=lambda: f"Stopped; what is finished is in {out}. Go on with the same command and --resume.",
    )
    tell("prediction", finished, out)


def parse_kinds(text: str) -> tuple[str, ...]:
    """Read a list such as ``classes,error``.

    Raises
    ------
    SettingsError
        If a kind is unknown, or there is none.
    """
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not kinds or not set(kinds) <= set(WHAT):
        raise SettingsError(
            f"--what {text!r} cannot be used; expected some of {', '.join(WHAT)}, such as classes,error."
        )
    return kinds
