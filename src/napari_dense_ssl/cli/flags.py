"""Flags drawn from the fields of a settings model, so that a new setting is one field and nothing more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Command = TypeVar("Command", bound=Callable[..., None])


def drawn_from(model: type[BaseModel], panel: str) -> Callable[[Command], Command]:
    """Replace a command's ``**flags`` by a flag for each field of `model` that is a plain value.

    Every flag is text to typer, and None where it is not given: pydantic alone reads and checks values,
    whichever way they come.

    Parameters
    ----------
    model : type of BaseModel
        The settings.
    panel : str
        Heading of these flags in ``--help``.
    """

    def decorate(command: Command) -> Command:
        fixed = inspect.signature(command, eval_str=True)
        own = [p for p in fixed.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        drawn = [_flag(n, f, panel) for n, f in model.model_fields.items() if _is_plain(f.annotation)]
        command.__signature__ = fixed.replace(parameters=[*own, *drawn])  # type: ignore[attr-defined]
        return command

    return decorate


def given(model: type[BaseModel], flags: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the flags that were given, for `model` to validate."""
    return {n: _chosen(model.model_fields[n].annotation, v) for n, v in flags.items() if v is not None}


def _chosen(annotation: Any, text: str) -> Any:
    """Return the choice that a text stands for: pydantic reads no choice of 2 from ``"2"``."""
    if get_origin(annotation) is Literal:
        return next((choice for choice in get_args(annotation) if str(choice) == text), text)
    return text


def _flag(name: str, field: FieldInfo, panel: str) -> inspect.Parameter:
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar="Z0:Z1,Y0:Y1,X0:X1" if name == "roi" else _metavar(field.annotation),
        help=_help(field),
        show_default=False,
        rich_help_panel=panel,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


def _is_plain(annotation: Any) -> bool:
    """Whether a flag can carry the field: text, numbers, choices, or nothing."""
    if get_origin(annotation) is Literal:
        return True
    if get_origin(annotation) is tuple:
        return False
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return all(map(_is_plain, parts)) if parts else annotation in (str, int, float, bool)


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(str(value) for value in get_args(annotation))
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if parts:
        return "|".join(dict.fromkeys(map(_metavar, parts)))
    return {int: "N", float: "NUMBER", bool: "yes|no"}.get(annotation, "TEXT")


def _help(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    text = field.description or field.title or ""
    return f"{text} Unit: {unit}." if unit else text
