"""What the caller of a benchmark can cure is told in a sentence, as on the command line; no traceback."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from napari_dense_ssl.cli.failures import sentence
from napari_dense_ssl.core.errors import DenseSSLError


def in_one_sentence(main: Callable[[], None]) -> None:
    """Run a benchmark; a wrong path or setting ends it with status 1 and the sentence for it."""
    try:
        main()
    except (DenseSSLError, ValidationError) as error:
        raise SystemExit(sentence(error)) from error
