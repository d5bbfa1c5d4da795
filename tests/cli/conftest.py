"""Running the command line in this process and in one of its own; small volumes and a small run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_dense_ssl.cli.main import app

SMALL = "sample:em?shape=6x192x192&seed=1"
TRUTH = "sample:em-labels?shape=6x192x192&seed=1"
TINY = (
    *(
        "--set",
        "sampler.crop=64",
        "--set",
        "sampler.batch=2",
        "--set",
        "sampler.block=96",
        "--set",
        "sampler.pool=4",
    ),
    *("--set", "objective.codebook_pixels=2000", "--classes", "8", "--device", "cpu"),
    *("--audit-seconds", "0"),
)
"""Flags of a training that takes seconds."""


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def call() -> Callable[..., Answer]:
    """Run a command in this process."""

    def run(*arguments: str | Path) -> Answer:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def spawn() -> Callable[..., Answer]:
    """Run a command in a process of its own, as a shell would."""

    def run(*arguments: str | Path, **environment: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "napari_dense_ssl", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def small_run(call: Callable[..., Answer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps on :data:`SMALL`."""
    out = tmp_path_factory.mktemp("run") / "run"
    answer = call("train", SMALL, "--out", out, "--steps", "4", *TINY)
    assert answer.status == 0, answer.err
    return out
