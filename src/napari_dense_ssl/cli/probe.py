"""``probe``: scribbles and a run to a segmentation in an OME-Zarr."""

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
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.probe_settings import ProbeSettings


@drawn_from(ProbeSettings, "Settings: features, classifier, tiles")
def probe_command(
    volume: VolumeArgument,
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="Run of train.", show_default=False)],
    scribbles: Annotated[
        str,
        typer.Option(
            "--scribbles",
            metavar="LABELS",
            help="Label volume of the same shape; 0 where nothing is scribbled.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="SEG.zarr", help="OME-Zarr to write.", show_default=False)
    ],
    roi: RegionOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    overwrite: OverwriteOption = False,
    resume: ResumeOption = False,
    dataset: DatasetOption = None,
    voxel_size: VoxelSizeOption = None,
    channel: ChannelOption = None,
    timepoint: TimepointOption = None,
    **flags: str | None,
) -> None:
    """Segment a volume, or a region of it, as a few scribbles say."""
    settings = ProbeSettings.model_validate(given(ProbeSettings, flags))
    pixels = opened(volume, dataset, voxel_size, channel, timepoint)
    box = Box.parse(roi, pixels.shape) if roi is not None else None
    from napari_dense_ssl.predict import probe

    finished = follow(
        probe(
            pixels,
            run,
            scribbles,
            out,
            region=box,
            settings=settings,
            overwrite=overwrite,
            resume=resume,
            device=device,
            precision=precision,
        ),
        stopped=lambda: f"Stopped; what is finished is in {out}. Go on with the same command and --resume.",
    )
    tell("segmentation", finished, out)
