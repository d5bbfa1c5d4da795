"""``train --devices 2`` and ``srun``: real processes, of which some are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import psutil
import pytest
import yaml
from tests.engine.conftest import small_settings

from napari_dense_ssl import open_volume
from napari_dense_ssl.core.events import Step
from napari_dense_ssl.engine import train
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import load_state

pytestmark = pytest.mark.timeout(900)

_PATIENCE = 280
"""Seconds, for machines that do much else."""

VOLUME = "sample:em?shape=6x96x96"
SLURM = {
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NUM_NODES": "1",
}
"""What srun tells each of two tasks on one machine, but for their numbers."""


class Command:
    """``napari-dense-ssl train`` in a process group of its own."""

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        (folder / "settings.yaml").write_text(yaml.safe_dump(small_settings(steps=100_000).to_yaml()))
        self.run = folder / "run"
        self.before = self.done()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "napari_dense_ssl", "train", VOLUME, "--out", str(self.run)),
                *("--settings", str(folder / "settings.yaml"), *arguments),
            ],
            env=os.environ | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def done(self) -> int:
        """Return how many steps the run's events tell of."""
        events = self.run / "events.jsonl"
        lines = events.read_text().splitlines() if events.exists() else []
        return max(
            (found["index"] for found in map(json.loads, lines) if found["event"] == "Step"), default=0
        )

    def wait_for_steps(self, steps: int) -> None:
        """Wait until so many were done since this began."""
        wait(lambda: self.process.poll() is not None or self.done() >= self.before + steps)
        assert self.process.poll() is None, self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def end(self) -> tuple[int, str, str]:
        """Return (exit status, standard output, standard error)."""
        out, error = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, out, error


def wait(ready: Callable[[], bool], seconds: float = _PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


def test_ctrl_c_stops_two_processes_after_the_same_step_and_one_goes_on(tmp_path: Path) -> None:
    with Command(tmp_path, "--devices", "2") as command:
        command.wait_for_steps(2)
        (other,) = psutil.Process(command.process.pid).children()
        os.killpg(command.process.pid, signal.SIGINT)  # as a terminal does
        status, out, error = command.end()
        assert status == 130, error
        assert out == ""
        assert error.count("Stopped; what was learned is saved") == 1
        assert error.count("train: started: processes 2") == 1
        wait(lambda: not other.is_running())
    one_more = small_settings(steps=command.done() + 1)
    steps = [e for e in train(open_volume(VOLUME), command.run, one_more, resume=True) if isinstance(e, Step)]
    assert [step.index for step in steps] == [command.done()]


def test_the_process_that_is_left_says_that_another_was_killed(tmp_path: Path) -> None:
    with Command(tmp_path, "--devices", "2") as command:
        command.wait_for_steps(2)
        (other,) = psutil.Process(command.process.pid).children()
        other.kill()
        status, out, error = command.end()
    assert status == 2, error
    assert out == ""
    assert error.count("ended before its time") == 1
    assert error.strip().endswith("go on with --resume, on as many devices or fewer.")
    assert "Traceback" not in error
    # The first one saves what it has.
    assert load_state(RunFolder.open(command.run).latest())["step"] == command.done()


def test_srun_starts_them_and_the_second_says_that_the_first_was_killed(tmp_path: Path) -> None:
    job = SLURM | {"SLURM_JOB_ID": str(os.getpid()), "MASTER_ADDR": "127.0.0.1"}
    numbers = ({"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in ("0", "1"))
    first, second = (Command(tmp_path, environment=job | number) for number in numbers)
    with first, second:
        first.wait_for_steps(2)
        first.process.kill()
        status, out, error = second.end()
    assert status == 2
    assert out == ""
    assert error.count("ended before its time") == 1
    assert "Traceback" not in error


def test_a_batch_that_cannot_be_shared_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with Command(tmp_path, "--devices", "3") as command:
        status, _, error = command.end()
    assert status == 2
    assert error.startswith("A batch of 4 crops cannot be shared evenly by 3 processes")
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
