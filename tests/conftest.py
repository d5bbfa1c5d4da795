"""Fixtures that tests of several rooms use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that makes a test a matter of many minutes."""
    parser.addoption(
        "--whole-vnc",
        action="store_true",
        help="test_whole_story.py with all of the VNC volume in the place of a part of it",
    )


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Find real data by its path in the data folder, such as ``vnc/raw.tif``; skip where it is missing.

    The folder is named by the environment variable ``DENSE_SSL_DATA``; by default it is ``shared/data``
    beside the checkout.
    """
    folder = Path(os.environ.get("DENSE_SSL_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(
                f"REAL DATA MISSING: there is no {path}; set DENSE_SSL_DATA to the folder that holds {name}"
            )
        return path

    return find
