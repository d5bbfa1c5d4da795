"""``evaluate``: a class map, or a segmentation, against truth."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dense_ssl.cli.arguments import JsonOption, parse_range
from napari_dense_ssl.cli.progress import follow, keeping

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate import Comparison

MOST_CLASSES = 64
"""Classes that get a line of their own."""


def evaluate_command(
    prediction: Annotated[
        str, typer.Argument(help="OME-Zarr of predict, or any label volume.", show_default=False)
    ],
    truth: Annotated[
        str, typer.Argument(help="A label volume, 0 = unlabelled; or sample:em-labels.", show_default=False)
    ],
    fit: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Slices that the classes are named on; by default those scored."),
    ] = None,
    score: Annotated[
        str | None, typer.Option(metavar="A:B", help="Slices that are scored; by default all.")
    ] = None,
    named: Annotated[
        bool, typer.Option("--named", help="The prediction already holds the truth's labels.")
    ] = False,
    by_names: Annotated[
        bool,
        typer.Option("--by-names", help="Score named groups of classes by the true class of the same name."),
    ] = False,
    truth_names: Annotated[
        str | None,
        typer.Option(
            metavar="K=NAME,...",
            help="What the truth's labels are called, where its file does not say: 1=membrane,2=glia.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Label image of an OME-Zarr: by default classes, or segmentation with --named.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        str,
        typer.Option(
            metavar="DISTANCE",
            help="How far a boundary may be off: pixels of a slice (2px) or nanometres (10nm).",
        ),
    ] = "2px",
    voxel_by_voxel: Annotated[
        bool,
        typer.Option(
            "--voxel-by-voxel", help="Compare voxel by voxel, whatever the files say of size and offset."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for figures (JSON), tables (CSV), pictures (PNG).", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a prediction against truth."""
    from napari_dense_ssl.evaluate import Comparison, Tolerance, comparing, write_comparison
    from napari_dense_ssl.evaluate.by_names import parse_names

    found: list[Comparison] = []
    job = comparing(
        prediction,
        truth,
        fit=parse_range(fit, "--fit"),
        score=parse_range(score, "--score"),
        named=named,
        label=label,
        match="voxels" if voxel_by_voxel else "auto",
        tolerance=Tolerance.parse(tolerance),
        by_names=by_names,
        truth_names=parse_names(truth_names) if truth_names else None,
    )
    if as_json:
        deque(keeping(job, Comparison, found), maxlen=0)
    else:
        follow(
            keeping(job, Comparison, found),
            stopped=lambda: "Stopped; a comparison keeps nothing, begin it anew.",
        )
    (result,) = found
    written = write_comparison(result, out) if out is not None else []
    if as_json:
        typer.echo(json.dumps(result.as_dict()))
        return
    show(result)
    for path in written:
        typer.echo(f"written {path}")


def show(comparison: Comparison) -> None:
    """Print a line a figure, with what it means, and one a class."""
    from napari_dense_ssl.evaluate.comparison_report import figure_rows

    for name, _, value, meaning in figure_rows(comparison):
        typer.echo(f"{name:<20} {value:>12}  {meaning}")
    rows = comparison.class_rows()
    typer.echo(f"{'true class':<12}{'pixels':>14}{'IoU':>9}{'Dice':>9}{'1:1 IoU':>9}{'boundary':>10}")
    for row in rows[:MOST_CLASSES]:
        met = f"{row['boundary_f']:>10.3f}" if "boundary_f" in row else f"{'':>10}"
        typer.echo(
            f"{row['label']:<12}{row['pixels']:>14,}{row['iou']:>9.3f}{row['dice']:>9.3f}"
            f"{row['iou_hungarian']:>9.3f}{met}"
        )
    if len(rows) > MOST_CLASSES:
        typer.echo(f"and {len(rows) - MOST_CLASSES:,} more (--out writes all)")
