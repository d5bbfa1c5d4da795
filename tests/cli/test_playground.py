"""The command ``playground``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Answer

FEW = ("--points", "300", "--epochs", "2", "--set", "width=8")


def test_json_is_one_object_and_nothing_else(call: Callable[..., Answer]) -> None:
    answer = call("playground", "vicreg", "--data", "moons", "--json", "--seed", "3", *FEW)
    assert answer.status == 0, answer.err
    (line,) = answer.out.splitlines()
    found = json.loads(line)
    assert (found["method"], found["data"], found["seed"]) == ("vicreg", "moons", 3)
    wanted = {"knn", "effective_rank", "rank_correlation", "score_error", "energy_distance", "modes_found"}
    assert wanted <= set(found["figures"])


def test_people_get_figures_and_pictures(call: Callable[..., Answer], tmp_path: Path) -> None:
    small = ("--set", "frames=2", "--set", "resolution=16", "--set", "levels=1", "--set", "noise_high=0.5")
    answer = call("playground", "dsm", "--out", tmp_path / "new", *FEW, *small)
    assert answer.status == 0, answer.err
    assert "score_error_trained" in answer.out
    assert "relative error of the score at noise 0.3" in answer.out
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "figures.json",
        "landscape.png",
        "training.gif",
    }
    record = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert record["settings"]["method"]["levels"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("byol",), "expected one of contrastive, dsm"),
        ((), "Name one method"),
        (("dsm", "--all"), "Name one method"),
        (("dsm", "--set", "temperature=1"), "unknown to dsm"),
        (("dsm", "--set", "noise_low"), "expected NAME=VALUE"),
        (("dsm", "--data", "cubes"), "'data'"),
        (("dsm", "--epochs", "0"), "greater than or equal to 1"),
        (("dsm", "--set", "noise_low=3", "--set", "noise_high=1"), "exchange them"),
        (("--all", "--seeds", "0"), "1 or more"),
    ],
)
def test_bad_input_gets_one_sentence(
    call: Callable[..., Answer], arguments: tuple[str, ...], says: str
) -> None:
    answer = call("playground", *arguments)
    assert answer.status == 2
    assert says in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not answer.out
