"""``digits``: learns digits without labels, and says how well beside the pixels as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from napari_dense_ssl.cli.arguments import JsonOption
from napari_dense_ssl.cli.flags import drawn_from, given
from napari_dense_ssl.cli.progress import follow, keeping
from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.playground.digits.settings import DigitsSettings

if TYPE_CHECKING:
    from napari_dense_ssl.playground.digits import DigitsResult


@drawn_from(DigitsSettings, "Settings")
def digits_command(
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE|DIR",
            help="MNIST as .npz, IDX files or their folder; by default scikit-learn's 8 × 8 digits.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder for figures, pictures, weights.", show_default=False
        ),
    ] = None,
    validation: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Measure on the last N training images, left out of training: for choosing settings.",
            show_default=False,
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A perturbation, such as rotation=15; may be repeated."
        ),
    ] = None,
    as_json: JsonOption = False,
    **flags: str | None,
) -> None:
    """Learn digits without labels; k-NN of the embedding beside that of the pixels."""
    chosen = given(DigitsSettings, flags)
    if assignments:
        chosen["perturbation"] = dict(map(_assigned, assignments))
    settings = DigitsSettings.model_validate(chosen)
    from napari_dense_ssl.playground.digits import DigitsResult, learn_digits, read_digits

    digits = read_digits(data)
    if validation is not None:
        digits = digits.validation(validation)
    found: list[DigitsResult] = []
    follow(keeping(learn_digits(digits, settings, out), DigitsResult, found), stopped=lambda: _stopped(out))
    (result,) = found
    if as_json:
        typer.echo(json.dumps(result.as_dict()))
    else:
        show(result, out)


def show(result: DigitsResult, out: Path | None) -> None:
    """Print the figures, the pixels' beside the embedding's."""
    facts = result.facts
    typer.echo(f"{facts['digits']}: {facts['training_images']} training, {facts['test_images']} test images")
    typer.echo(f"{'k-NN, k = 5':<12}{'embedding':>10}{'pixels':>10}")
    raw = result.raw_knn.as_dict()
    for name, value in result.knn.as_dict().items():
        typer.echo(f"{name:<12}{value:>10.4f}{raw[name]:>10.4f}")
    typer.echo(f"effective rank {result.effective_rank:.1f} of {facts['settings']['dimensions']} dimensions")
    typer.echo(f"reconstruction error {result.mse:.4f} (MSE; the mean image's {result.mean_mse:.4f})")
    typer.echo(
        f"learning took {facts['seconds']['learning']:.0f} s ({facts['cpu_seconds']['learning']:.0f} s of "
        f"CPU time), measuring {facts['seconds']['measuring']:.0f} s"
    )
    if out is not None:
        typer.echo(f"written to {out}")


def _assigned(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SettingsError(f"--set {text!r} cannot be read; expected name=value, such as rotation=15.")
    return name, yaml.safe_load(value)


def _stopped(out: Path | None) -> str:
    if out is None:
        return "Stopped; nothing was measured, and without --out nothing is kept."
    return f"Stopped; what was learned is in {out}, nothing was measured."
