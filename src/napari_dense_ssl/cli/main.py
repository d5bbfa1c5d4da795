"""The application: gathers the commands, and answers errors with one sentence and an exit status.

Exit status 0: done. 2: the input was bad, and one sentence on standard error says how. 130: stopped with
Ctrl-C. A traceback is a bug.
"""

from __future__ import annotations

import sys
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from napari_dense_ssl.cli import (
    audit,
    demo,
    digits,
    doctor,
    evaluate,
    export,
    import_,
    info,
    objects,
    open,
    playground,
    predict,
    probe,
    recipes,
    train,
    tree,
)
from napari_dense_ssl.cli.failures import one_line, sentence
from napari_dense_ssl.cli.progress import Stopped
from napari_dense_ssl.core.errors import DenseSSLError


class Commands(TyperGroup):
    """The group of all commands; the one place where errors become exit statuses."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and leave through ``sys.exit``."""
        kwargs["standalone_mode"] = False
        try:
            status = super().main(*args, **kwargs)
        except Stopped as stopped:
            _leave(str(stopped), 130)
        except typer.TyperException as error:
            _leave(f"{one_line(error.format_message())} See: {_help_of(error)}.", error.exit_code)
        except (DenseSSLError, ValidationError, OSError) as error:
            _leave(sentence(error), 2)
        except (KeyboardInterrupt, typer.Abort):
            _leave("Stopped.", 130)
        sys.exit(status if isinstance(status, int) else 0)


def _help_of(error: typer.TyperException) -> str:
    """Return the command that shows what was expected."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context is not None else 'napari-dense-ssl'} --help"


def _leave(message: str, status: int) -> None:
    typer.echo(message, err=True)
    sys.exit(status)


app = typer.Typer(
    name="napari-dense-ssl",
    cls=Commands,
    help="Explore electron-microscopy volumes without labels: dense self-supervised classes, and where not "
    "to trust them.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback is for a bug report: plain, with no local variables in it.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from napari_dense_ssl import __version__

        typer.echo(f"napari-dense-ssl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Explore electron-microscopy volumes without labels."""


app.command("demo")(demo.demo)
app.command("open")(open.open_in_napari)
app.command("info")(info.info)
app.command("train")(train.train_command)
app.command("predict")(predict.predict_command)
app.command("probe")(probe.probe_command)
app.command("audit")(audit.audit_command)
app.command("tree")(tree.tree_command)
app.command("evaluate")(evaluate.evaluate_command)
app.command("objects")(objects.objects_command)
app.command("export")(export.export_command)
app.command("import")(import_.import_command)
app.command("playground")(playground.playground_command)
app.command("digits")(digits.digits_command)
app.command("recipes")(recipes.recipes)
app.command("doctor")(doctor.doctor)
