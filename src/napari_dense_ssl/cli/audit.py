"""``audit``: asks whether what a run learned is about the image, or about the place in the crop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dense_ssl.cli.arguments import (
    ChannelOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    RegionOption,
    TimepointOption,
    VolumeArgument,
    VoxelSizeOption,
    opened,
)
from napari_dense_ssl.cli.progress import follow, keeping
from napari_dense_ssl.core.geometry import Box

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate import Audit


def audit_command(
    volume: VolumeArgument,
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="Run of train.", show_default=False)],
    truth: Annotated[
        str | None,
        typer.Option(
            metavar="LABELS",
            help="Labels of the volume's shape, 0 = unlabelled; or sample:em-labels.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="REPORT.png", help="Page to write; .png or .html.", show_default=False),
    ] = None,
    roi: RegionOption = None,
    crops: Annotated[int, typer.Option(metavar="N", help="Pairs of crops; 200 for figures to quote.")] = 200,
    crop: Annotated[
        int | None, typer.Option(metavar="PX", help="Edge of the crops; by default 128, or what fits.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which crops are drawn.")] = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
    dataset: DatasetOption = None,
    voxel_size: VoxelSizeOption = None,
    channel: ChannelOption = None,
    timepoint: TimepointOption = None,
) -> None:
    """Ask whether a run's classes follow the image or the place in the crop."""
    from napari_dense_ssl.evaluate import Audit, audit, write_audit_report
    from napari_dense_ssl.evaluate.audit_report import check_report_path

    if out is not None:
        check_report_path(out)
    pixels = opened(volume, dataset, voxel_size, channel, timepoint)
    box = Box.parse(roi, pixels.shape) if roi is not None else None
    found: list[Audit] = []
    job = audit(
        pixels,
        run,
        truth=truth,
        region=box,
        crops=crops,
        crop=crop,
        seed=seed,
        device=device,
        precision=precision,
    )
    follow(keeping(job, Audit, found), stopped=lambda: "Stopped; an audit keeps nothing, begin it anew.")
    (result,) = found
    if out is not None:
        size = pixels.voxel_size
        pixel_size = (size.y, size.x) if pixels.voxel_size_known else None
        write_audit_report(result, out, title=f"{run.name} on {pixels.source}", pixel_size=pixel_size)
    if as_json:
        typer.echo(json.dumps(result.as_dict()))
        return
    show(result)
    if out is not None:
        typer.echo(f"report   {out}")


def show(audit: Audit) -> None:
    """Print a line a figure, with its null, its count and what it means, then the verdict."""
    from napari_dense_ssl.evaluate.audit_report import rows_of

    typer.echo(f"{'figure':<24}{'value':>8} {'null':>8} {'count':>6}  meaning")
    for name, value, null, count, meaning in rows_of(audit):
        typer.echo(f"{name:<24}{value:>8} {null:>8} {count:>6}  {meaning}")
    if audit.truth is not None:
        for label, iou in audit.truth.scores.iou.items():
            typer.echo(f"{f'iou of {label}':<24}{iou:>8.3f}")
    typer.echo(f"seen     {audit.where}")
    typer.echo(f"verdict  {audit.verdict.word}: {audit.verdict.reason}")
    typer.echo(f"advice   {audit.verdict.advice}")
