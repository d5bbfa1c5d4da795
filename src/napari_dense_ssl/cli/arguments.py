"""Arguments that several commands share, and what they open."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dense_ssl.core.errors import SettingsError

if TYPE_CHECKING:
    from napari_dense_ssl.volume import Volume

VolumeArgument = Annotated[
    str,
    typer.Argument(
        metavar="VOLUME",
        help="A file, a folder, a URL (http, s3, gs); or sample:em, a synthetic volume.",
        show_default=False,
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        help="Which dataset of an HDF5 file, Zarr group or N5 container.", metavar="NAME", show_default=False
    ),
]
VoxelSizeOption = Annotated[
    str | None,
    typer.Option(
        help="Edge lengths of a voxel in nm, in place of the file's own.", metavar="Z,Y,X", show_default=False
    ),
]
TimepointOption = Annotated[
    int | None, typer.Option(help="Which time point, counted from 0.", metavar="N", show_default=False)
]
ChannelOption = Annotated[
    int | None, typer.Option(help="Which channel, counted from 0.", metavar="N", show_default=False)
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--roi",
        help="Region in voxels; an empty bound means the volume's own.",
        metavar="Z0:Z1,Y0:Y1,X0:X1",
        show_default=False,
    ),
]
DeviceOption = Annotated[str, typer.Option(help="Where to compute.", metavar="auto|cpu|cuda|mps")]
PrecisionOption = Annotated[str, typer.Option(help="Arithmetic precision.", metavar="auto|32|bf16|16")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted job.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def parse_voxel_size(text: str | None) -> tuple[float, float, float] | None:
    """Read ``z,y,x`` in nanometres.

    Raises
    ------
    SettingsError
        Unless there are three finite numbers above 0.
    """
    if text is None:
        return None
    try:
        sizes = [float(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) != 3 or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise SettingsError(
            f"The voxel size {text!r} cannot be used; expected three lengths above 0 in "
            "nanometres, z,y,x, such as 50,4.6,4.6."
        )
    z, y, x = sizes
    return z, y, x


def parse_range(text: str | None, name: str) -> slice | None:
    """Read ``a:b``, a half-open range of slices.

    Raises
    ------
    SettingsError
        If the text has another form or the range is empty.
    """
    if text is None:
        return None
    low, _, high = text.partition(":")
    if not (low.strip().isdecimal() and high.strip().isdecimal() and int(low) < int(high)):
        raise SettingsError(
            f"The range {name} {text!r} cannot be used; expected first:end in slices, such as 0:16."
        )
    return slice(int(low), int(high))


def opened(
    source: str,
    dataset: str | None = None,
    voxel_size: str | None = None,
    channel: int | None = None,
    timepoint: int | None = None,
) -> Volume:
    """Open a volume as the options say."""
    from napari_dense_ssl.volume import open_volume

    return open_volume(
        source,
        dataset=dataset,
        voxel_size=parse_voxel_size(voxel_size),
        channel=channel,
        timepoint=timepoint,
    )
