"""What the caller of a benchmark can cure is told in a sentence, as on the command line; no traceback."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from pydantic import ValidationError

from napari_dense_ssl.cli.failures import sentence
from napari_dense_ssl.core.errors import DenseSSLError


def in_one_sentence(main: Callable[[], None]) -> None:
    """Run a benchmark; a wrong path or setting ends it with status 1 and the sentence for it."""
    try:
        main()
    except (DenseSSLError, ValidationError) as error:
        raise SystemExit(sentence(error)) from error


def known_names(parser: argparse.ArgumentParser, text: str, known: Iterable[str], what: str) -> list[str]:
    """Return names that are written with commas; those that are unknown are an error that lists the known."""
    names, there = [name for name in text.split(",") if name], list(known)
    unknown = [name for name in names if name not in there]
    if unknown:
        parser.error(f"no {what} named {', '.join(unknown)}; there are {', '.join(there)}")
    return names
