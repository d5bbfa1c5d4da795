"""``evaluate``: a class map, or a segmentation, against truth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dense_ssl.cli.arguments import JsonOption, parse_range

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate import Scores

MEANINGS = {
    "mi_frac": "share of the truth's information that the classes tell, 0 to 1",
    "ami": "mutual information adjusted for chance, at most 1",
    "ari": "Rand index adjusted for chance, at most 1",
    "miou": "mean intersection over union, classes named by majority",
    "miou_fair": "the same, named by over-representation",
    "miou_hungarian": "the same, one class for each name",
    "accuracy": "share of pixels named rightly",
    "voi_split": "what was cut up, bits, 0 is perfect",
    "voi_merge": "what was run together, bits, 0 is perfect",
    "effective_classes": "exp of the entropy of the class areas",
    "classes_used": "classes that hold more than a thousandth of the pixels",
    "coverage": "share of the labelled pixels that are predicted",
    "pixels": "pixels scored",
}


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
    as_json: JsonOption = False,
) -> None:
    """Score a prediction against truth."""
    from napari_dense_ssl.evaluate import evaluate

    scores = evaluate(
        prediction, truth, fit=parse_range(fit, "--fit"), score=parse_range(score, "--score"), named=named
    )
    if as_json:
        typer.echo(json.dumps(scores.as_dict()))
    else:
        show(scores)


def show(scores: Scores) -> None:
    """Print a line a figure, with what it means."""
    figures = scores.as_dict()
    for name, meaning in MEANINGS.items():
        value = figures[name]
        text = f"{value}" if isinstance(value, int) else f"{value:.4f}"
        typer.echo(f"{name:<18} {text:>10}  {meaning}")
    for label, value in scores.iou.items():
        typer.echo(f"{f'iou of {label}':<18} {value:>10.4f}")
