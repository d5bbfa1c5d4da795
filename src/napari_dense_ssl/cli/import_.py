"""``import``: a package, or a run folder from another machine, to a run folder here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_dense_ssl.cli.progress import follow, tell


def import_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PACKAGE",
            help="What export wrote, a run folder, or a zip file of one.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="RUN", help="Run folder to make.", show_default=False)
    ],
) -> None:
    """Make a run folder of a model package, or of a run from another machine; no code in it is run."""
    from napari_dense_ssl.share import import_model

    finished = follow(import_model(source, out), stopped=lambda: "Stopped; nothing was written.")
    tell("run", finished, out)
