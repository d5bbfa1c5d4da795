"""``playground``: watch a self-supervised method at work on data whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dense_ssl.cli.arguments import JsonOption
from napari_dense_ssl.cli.progress import follow
from napari_dense_ssl.core.errors import OutputError, SettingsError
from napari_dense_ssl.core.events import Event, Pictured

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_dense_ssl.playground import Film

METHODS = "contrastive dsm jepa-basic jepa-pairwise jepa-masked jepa-ema vicreg lejepa"


def playground_command(
    method: Annotated[
        str | None,
        typer.Argument(metavar="METHOD", help=f"One of: {METHODS.replace(' ', ', ')}.", show_default=False),
    ] = None,
    data: Annotated[
        str, typer.Option(metavar="mixture|moons|rings|spiral", help="What is learned from.")
    ] = "mixture",
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Passes over the points.", show_default=False)
    ] = None,
    points: Annotated[
        int | None, typer.Option(metavar="N", help="How many points an epoch has.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the points, the network and the noise.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting, such as noise=0.5, embedding=3 or predictor=no; may be repeated.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for figures.json, landscape.png, training.gif; of --all for table.json, table.md.",
            show_default=False,
        ),
    ] = None,
    mp4: Annotated[
        bool, typer.Option("--mp4", help="Write training.mp4 in place of the GIF; needs imageio[ffmpeg].")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Compare all methods, their cures and their parts, over seeds.")
    ] = False,
    seeds: Annotated[int, typer.Option(metavar="N", help="How many seeds --all takes, from 0 on.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Train a method on points in the plane, and measure it against the truth."""
    values = _values(set_ or [], data=data, epochs=epochs, points=points)
    if every == (method is not None):
        raise SettingsError(f"Name one method ({METHODS.replace(' ', ', ')}), or say --all to compare them.")
    if out is not None and out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; choose a folder.")
    if method is None:
        _compare(values, seeds, out, as_json)
    else:
        _one(method, {"seed": seed, **values}, out, ".mp4" if mp4 else ".gif", as_json)


def _one(method: str, values: dict[str, Any], out: Path | None, suffix: str, as_json: bool) -> None:
    from napari_dense_ssl.playground import FIGURES, Film, play, playground_settings
    from napari_dense_ssl.playground.frames import Frame, Scene

    settings = playground_settings(method, **values)
    if out is None:  # nobody sees pictures
        settings = settings.model_copy(update={"frames": 1, "walkers": 0})
    else:
        from napari_dense_ssl.playground.pictures import check_animation

        check_animation(out / f"training{suffix}")
        out.mkdir(parents=True, exist_ok=True)
    films: list[Film] = []

    def filmed() -> Iterator[Event]:
        with_pictures = play(settings)
        try:
            for event in with_pictures:
                match event:
                    case Pictured(picture=Scene() as scene):
                        films.append(Film(scene))
                    case Pictured(picture=Frame() as frame):
                        films[0].frames.append(frame)
                yield event
        finally:
            with_pictures.close()

    finished = follow(filmed(), stopped=lambda: "Stopped; nothing was kept, begin it anew.")
    figures = {name: float(value) for name, value in finished.summary.items()}
    found = {"method": method, "data": settings.data, "seed": settings.seed, "figures": figures}
    if out is not None:
        _write(out, films[0], suffix, {**found, "settings": settings.model_dump()})
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in figures.items():
        typer.echo(f"{name:<24}{value:>9.4f}  {FIGURES.get(name, _level(name))}")
    if out is not None:
        typer.echo(f"pictures {out}")


def _write(out: Path, film: Film, suffix: str, record: dict[str, Any]) -> None:
    from napari_dense_ssl.playground import write_animation, write_picture

    (out / "figures.json").write_text(json.dumps(record, indent=2) + "\n")
    write_picture(film, out / "landscape.png")
    for _ in write_animation(film, out / f"training{suffix}"):
        pass


def _compare(values: dict[str, Any], seeds: int, out: Path | None, as_json: bool) -> None:
    from napari_dense_ssl.playground import Row, compare_methods, markdown_table
    from napari_dense_ssl.playground.table import VARIANTS

    if seeds < 1:
        raise SettingsError(f"{seeds} seeds came; expected 1 or more.")
    rows: list[Row] = []
    job: Generator[Event] = compare_methods(VARIANTS, range(seeds), rows, **values)
    follow(job, stopped=lambda: "Stopped; nothing was kept, begin it anew.")
    found = [row.as_dict() for row in rows]
    table = markdown_table(rows)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "table.json").write_text(json.dumps(found, indent=2) + "\n")
        (out / "table.md").write_text(table + "\n")
    typer.echo(json.dumps(found) if as_json else table)


def _values(settings: list[str], **named: Any) -> dict[str, Any]:
    """Return the settings that were given; ``--set`` as YAML reads it."""
    import yaml

    values = {name: value for name, value in named.items() if value is not None}
    for item in settings:
        name, equals, text = item.partition("=")
        if not equals:
            raise SettingsError(f"--set {item!r} cannot be read; expected NAME=VALUE, such as noise=0.5.")
        try:
            values[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"--set {item!r} cannot be read; expected NAME=VALUE.") from error
    return values


def _level(name: str) -> str:
    sigma = name.rpartition("_")[2]
    return f"relative error of the score at noise {sigma}"
