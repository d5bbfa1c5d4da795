"""Two processes train as one does: started by torchrun, in each of the ways that a training may go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.engine.conftest import made_volume, small_settings
from tests.engine.several import CASES, counted_planes, views
from tests.engine.test_train import weights_of

from napari_dense_ssl.core.errors import EndedElsewhereError, ProcessesError, SettingsError
from napari_dense_ssl.core.events import Audited, Step
from napari_dense_ssl.engine import TrainSettings, train
from napari_dense_ssl.engine.processes import STARTED, checked_launch, found_launch
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import load_state
from napari_dense_ssl.objective.iic import information_loss, joint_distribution

ROOT = Path(__file__).parents[2]

WITHOUT_GRADIENT = {f"student.predictor.{layer}.bias" for layer in (0, 3, 6)}
"""Weights of the experiments' predictor that normalisation takes out again: rounding errors move them.

What classes are told by is left out too: it is fitted, at the end, to codes that a rounding error may move.
"""


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote (``tests/engine/several.py``)."""
    folder = tmp_path_factory.mktemp("several")
    alone(folder / "from-one", small_settings(), close_at=3)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "tests.engine.several", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def alone(out: Path, settings: TrainSettings, *, close_at: int | None = None, **more: bool) -> list[Step]:
    """Train in this process."""
    steps, job = [], train(made_volume(), out, settings, **more)
    for event in job:
        if isinstance(event, Step):
            steps.append(event)
            if event.index == close_at:
                job.close()  # type: ignore[attr-defined]
    return steps


def written(folder: Path, name: str) -> tuple[Any, Any]:
    """Return what either process saw."""
    first, second = (json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in (0, 1))
    return first, second


def assert_same_losses(one: list[Step], two: list[dict[str, float]]) -> None:
    assert [step.index for step in one] == [step["index"] for step in two]
    for step, other in zip(one, two, strict=True):
        assert {"index", *step.losses} == set(other)
        for name, value in step.losses.items():
            # Shares of pixels move by whole pixels, where two classes are as likely as each other.
            within = 0.02 if name == "agreement" else 2e-3
            assert other[name] == pytest.approx(value, rel=within, abs=1e-5), (step.index, name)


@pytest.mark.parametrize("name", CASES)
def test_losses_do_not_depend_on_the_number_of_processes(folder: Path, tmp_path: Path, name: str) -> None:
    one = alone(tmp_path / "run", CASES[name]())
    first, second = written(folder, name)
    assert_same_losses(one, first["steps"])
    # The first step, before rounding errors have grown: to float accuracy.
    for loss, value in one[0].losses.items():
        assert first["steps"][0][loss] == pytest.approx(value, rel=2e-5, abs=1e-6), loss
    assert first["steps"] == second["steps"]
    assert first["finished"]
    assert second["finished"]
    # All that training goes on with is the same too: what is saved, by the first process alone.
    one_after, two_after = weights_of(tmp_path / "run"), weights_of(folder / name)
    assert one_after.keys() == two_after.keys()
    for key, value in one_after.items():
        told = key.startswith(("average.head", "average.filter_weight"))
        if not (told or key in WITHOUT_GRADIENT):
            assert torch.allclose(two_after[key], value, rtol=0.02, atol=0.02), key
    assert first["saved"][0] == second["saved"][0]


def test_information_and_its_gradient_are_those_of_all_pixels(folder: Path) -> None:
    first, second = views()
    first.requires_grad_()
    loss = information_loss(joint_distribution(first.softmax(1), second.softmax(1)), 1.2)
    loss.backward()
    assert first.grad is not None
    for rank, answer in enumerate(written(folder, "information")):
        assert answer["loss"] == pytest.approx(loss.item(), rel=1e-6)
        # What is averaged over the processes adds up to the gradient.
        gradient = torch.tensor(answer["gradient"]) / 2
        assert torch.allclose(gradient, first.grad[rank::2], rtol=1e-4, atol=1e-8)


def test_the_audit_is_that_of_one_process(folder: Path, tmp_path: Path) -> None:
    events = list(train(made_volume(), tmp_path / "run", CASES["audited"]()))
    (one,) = [event for event in events if isinstance(event, Audited)]
    first, second = written(folder, "audited")
    assert first["audit"] == pytest.approx(dict(one.figures), rel=1e-2, abs=1e-4)
    assert second["audit"] is None  # the first one looks, for all


def test_minutes_end_all_processes_after_the_same_step(folder: Path) -> None:
    first, second = written(folder, "minutes")
    assert first["steps"]
    assert first["steps"] == second["steps"]
    assert first["finished"]
    assert second["finished"]


@pytest.mark.parametrize("name", ["closed-by-first", "closed-by-second"])
def test_closing_the_job_of_one_process_stops_and_saves_all(folder: Path, name: str) -> None:
    first, second = written(folder, name)
    assert [step["index"] for step in first["steps"]] == [1, 2]
    assert first["steps"] == second["steps"]
    assert not first["finished"]
    assert not second["finished"]
    assert load_state(RunFolder.open(folder / name).latest())["step"] == 2


def test_a_run_of_one_process_goes_on_with_two(folder: Path, tmp_path: Path) -> None:
    whole = alone(tmp_path / "whole", small_settings())
    first, _ = written(folder, "from-one")
    assert_same_losses(whole[3:], first["steps"])


def test_a_run_of_two_processes_goes_on_with_one(folder: Path, tmp_path: Path) -> None:
    whole = alone(tmp_path / "whole", small_settings())
    steps = alone(folder / "to-one", small_settings(), resume=True)
    assert_same_losses(whole[3:], [{"index": step.index, **step.losses} for step in steps])


def test_where_one_process_is_short_of_memory_all_take_less_at_a_time(folder: Path) -> None:
    first, second = written(folder, "memory")
    for seen in (first, second):
        (note,) = [note for note in seen["notes"] if "ran out of memory" in note]
        assert "going on with 1 crops at a time" in note
    assert first["steps"] == second["steps"]
    assert load_state(RunFolder.open(folder / "memory").latest())["splits"] == 2


def test_each_plane_of_targets_is_computed_by_one_process(folder: Path, tmp_path: Path) -> None:
    """They cost a good part of a step: computed by all, more devices would not make them less."""
    with counted_planes() as planes:
        alone(tmp_path / "run", small_settings())
    first, second = written(folder, "planes-of-targets")
    assert first + second == len(planes)
    assert min(first, second) >= len(planes) // 4


def test_the_first_process_alone_writes_the_run_folder(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "dense-dsm" / "events.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines if line["event"] == "Step"] == [1, 2, 3, 4, 5]
    assert [line["details"]["processes"] for line in lines if line["event"] == "Started"] == [2]


def test_more_devices_than_processes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProcessesError, match=r"2 devices needs a process for each.*napari-dense-ssl train"):
        list(train(made_volume(), tmp_path / "run", small_settings(devices=2)))
    with pytest.raises(ProcessesError, match=r"1 device on each of 2 machines.*torchrun"):
        list(train(made_volume(), tmp_path / "run", small_settings(nodes=2)))
    assert not (tmp_path / "run").exists()


def test_processes_that_do_not_fit_the_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STARTED, "3")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(SettingsError, match=r"4 crops cannot be shared evenly by 3.*sampler.batch=3"):
        checked_launch(small_settings())
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert found_launch()[:4] == ("--devices", 1, 3, 1)
    with pytest.raises(EndedElsewhereError) as other:
        checked_launch(small_settings())
    assert other.value.told


def test_a_batch_script_of_slurm_is_one_process_until_srun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert found_launch()[:4] == ("", 0, 1, 1)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "8")
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_PROCID", "5")
    assert found_launch()[:4] == ("srun", 5, 4, 2)
