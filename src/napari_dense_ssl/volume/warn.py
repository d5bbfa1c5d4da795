"""Library warnings that say nothing to the user of a volume."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*categories: type[Warning]) -> Iterator[None]:
    """Hide warnings of these classes within a block."""
    with warnings.catch_warnings():
        for category in categories:
            warnings.simplefilter("ignore", category)
        yield
