"""The parts of benchmarks/collapse.py that train nothing: what is run, and when it is looked at."""

from itertools import pairwise

import numpy as np
import pytest
from benchmarks.collapse import (
    EXPERIMENTS,
    FIGURES,
    GREY,
    GUARDS,
    OFF_RIM,
    SMALL,
    Run,
    inside,
    look_steps,
    markdown,
    parsed,
)


def test_looks_begin_untrained_end_trained_and_thin_out():
    steps = look_steps(600, 9)
    gaps = [b - a for a, b in pairwise(steps)]
    assert (steps[0], steps[-1], len(steps)) == (0, 600, 9)
    assert gaps == sorted(gaps)


def test_looks_of_a_short_run_are_not_repeated():
    assert look_steps(2, 9) == (0, 1, 2)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_changes_what_it_names_and_nothing_else(experiment, guard):
    flawed = Run("flawed", experiment, SMALL).settings(10, 0).model_dump()
    guarded = Run(guard, experiment, {**SMALL, **GUARDS[guard]}).settings(10, 0).model_dump()
    different = {
        f"{room}.{name}"
        for room in ("encoder", "sampler", "objective", "optimiser")
        for name in flawed[room]
        if flawed[room][name] != guarded[room][name]
    }
    already = {"objective.equivariance_weight"} if "equivariance" in experiment else set()
    assert different | already == set(GUARDS[guard]) - {GREY} | already


def test_changes_are_read_as_yaml():
    found = parsed(["optimiser.learning_rate=0.003", "encoder.depths=[1, 1]", "sampler.symmetries=true"])
    assert found == {"optimiser.learning_rate": 0.003, "encoder.depths": [1, 1], "sampler.symmetries": True}


def test_the_table_shows_a_run_as_it_ended():
    begun = dict.fromkeys((*FIGURES, *OFF_RIM), "0.5000") | {
        "run": "G9",
        "verdict": "content",
        "step": 0,
        "seconds": 0.0,
    }
    ended = begun | {"verdict": "positional", "leak": "0.8125", "step": 600, "seconds": 61.2}
    lines = markdown([[begun, ended]]).splitlines()
    assert lines[2:] == ["| G9 | positional | 0.812 | 0.500 | 0.500 | 0.5 | 0.5 | 600 | 61 |"]


def test_a_frame_within_the_rim_is_one_class_off_it():
    framed = np.zeros((2, 8, 8), np.uint8)
    framed[:, :2] = 3
    assert inside(framed, 2) == {"classes_inside": "1.000", "same_inside": "1.000"}


def test_two_crops_of_different_classes_have_two_and_agree_nowhere():
    maps = np.stack([np.zeros((8, 8), np.uint8), np.ones((8, 8), np.uint8)])
    assert inside(maps, 1) == {"classes_inside": "2.000", "same_inside": "0.000"}
