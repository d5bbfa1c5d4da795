"""``objects``: connected components of a class, or cells between membranes, with a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from napari_dense_ssl.cli.arguments import JsonOption, OverwriteOption, RegionOption
from napari_dense_ssl.cli.flags import drawn_from, given
from napari_dense_ssl.cli.progress import follow, keeping
from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.objects.settings import ObjectSettings

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate.objects import Objects


@drawn_from(ObjectSettings, "Settings: which objects, and how")
def objects_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MAP", help="OME-Zarr of predict or probe, or any label volume.", show_default=False
        ),
    ],
    classes: Annotated[
        str,
        typer.Option(
            "--class",
            metavar="N[,N]",
            help="Labels of the objects (class + 1 in maps), taken together; with --cells, membranes.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="OUT.zarr", help="OME-Zarr to write; OUT.csv beside.", show_default=False
        ),
    ],
    cells: Annotated[
        bool, typer.Option("--cells", help="Cut the space between membranes into cells.")
    ] = False,
    label: Annotated[
        str, typer.Option(metavar="NAME", help="Label image of an OME-Zarr that holds several.")
    ] = "classes",
    roi: RegionOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    **flags: str | None,
) -> None:
    """Find the objects of a class in three dimensions, with sizes and places."""
    from napari_dense_ssl.evaluate.label_sources import label_source
    from napari_dense_ssl.evaluate.objects import Objects, finding_objects

    settings = ObjectSettings.model_validate(given(ObjectSettings, flags))
    labels = label_source(source, label, "the class map")
    found: list[Objects] = []
    job = finding_objects(
        labels,
        parse_classes(classes),
        out,
        cells_between=cells,
        settings=settings,
        region=Box.parse(roi, labels.shape) if roi is not None else None,
        overwrite=overwrite,
    )
    follow(keeping(job, Objects, found), stopped=lambda: f"Stopped; nothing is left in {out}, begin it anew.")
    (result,) = found
    if as_json:
        typer.echo(json.dumps(summary(result)))
    else:
        show(result, out)


def parse_classes(text: str) -> tuple[int, ...]:
    """Read ``3`` or ``3,4``.

    Raises
    ------
    SettingsError
        If it has another form.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"The class {text!r} cannot be read; expected a label, or several: 3 or 3,4.")
    return tuple(int(part) for part in parts)


def summary(objects: Objects) -> dict[str, object]:
    """Return what ``--json`` says."""
    volumes = objects.volumes
    return {
        "objects": len(objects),
        "left_out": objects.left_out,
        "voxels": int(objects.voxels.sum()),
        "volume_um3": None if volumes is None else float(volumes.sum()),
        "median_voxels": float(np.median(objects.voxels)) if len(objects) else None,
        "largest_voxels": int(objects.voxels[0]) if len(objects) else None,
    }


def show(objects: Objects, out: Path) -> None:
    """Print how many there are, and the largest."""
    typer.echo(f"objects  {out}")
    typer.echo(f"table    {out.with_suffix('.csv')}")
    typer.echo(f"found    {len(objects):,}; {objects.left_out:,} of another size were left out")
    if not len(objects):
        return
    columns = objects.table()
    unit = "nm" if objects.voxel_size else "px"
    typer.echo(f"{'label':>8}{'voxels':>14}{'µm³':>12}  centre, Z Y X, {unit}")
    for i in range(min(10, len(objects))):
        volume = f"{columns['volume_um3'][i]:.4g}" if objects.voxel_size else "unknown"
        centre = ", ".join(f"{columns[f'centroid_{a}_{unit}'][i]:.0f}" for a in "zyx")
        typer.echo(f"{i + 1:>8}{objects.voxels[i]:>14,}{volume:>12}  {centre}")
