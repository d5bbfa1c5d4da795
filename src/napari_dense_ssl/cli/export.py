"""``export``: a run to a model package for bioimage.io and the tools around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_dense_ssl.cli.arguments import (
    ChannelOption,
    DatasetOption,
    OverwriteOption,
    TimepointOption,
    VoxelSizeOption,
    opened,
)
from napari_dense_ssl.cli.flags import drawn_from, given
from napari_dense_ssl.cli.progress import follow, tell
from napari_dense_ssl.share.settings import ExportSettings


@drawn_from(ExportSettings, "What is said of the model")
def export_command(
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="Run of train.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", metavar="MODEL.zip", help="Package to write.", show_default=False)
    ],
    authors: Annotated[
        list[str] | None,
        typer.Option(
            "--author",
            metavar="NAME",
            help='"Name" or "Name (Affiliation)"; may be repeated.',
            show_default=False,
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="WORD", help="Word to find it by; may be repeated.", show_default=False
        ),
    ] = None,
    volume: Annotated[
        str | None,
        typer.Option(
            "--volume",
            metavar="VOLUME",
            help="Where test input and cover are cut from; by default the volume that was trained on.",
            show_default=False,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    dataset: DatasetOption = None,
    voxel_size: VoxelSizeOption = None,
    channel: ChannelOption = None,
    timepoint: TimepointOption = None,
    **flags: str | None,
) -> None:
    """Write a run as a bioimage.io model package, to be shared."""
    said = given(ExportSettings, flags) | {"authors": tuple(authors or ()), "tags": tuple(tags or ())}
    settings = ExportSettings.model_validate(said)
    pixels = None if volume is None else opened(volume, dataset, voxel_size, channel, timepoint)
    from napari_dense_ssl.share import export_model

    finished = follow(
        export_model(run, out, settings, volume=pixels, overwrite=overwrite),
        stopped=lambda: "Stopped; nothing was written.",
    )
    tell("package", finished, out)
