"""benchmarks/questions.py asks what it says, one setting at a time."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import questions


def test_each_answer_is_a_run_that_can_be_made():
    (case,) = questions.cases(["small"])
    runs = {
        (question, answer): questions.settings_of(case, changes, steps=3, seed=1)
        for question, answers in questions.QUESTIONS.items()
        for answer, changes in answers.items()
    }
    default = runs["default", questions.AS_IT_IS]
    assert default.recipe == questions.RECIPE
    assert len({settings.model_dump_json() for settings in runs.values()}) == len(runs)
    for (question, _), settings in runs.items():
        assert (settings.steps, settings.minutes, settings.seed) == (3, None, 1), question
    assert runs["classes", "25"].model_copy(update={"classes": 50}) == default


def test_figures_are_told_beside_as_many_clusters_of_the_filter_bank(monkeypatch, capsys, tmp_path):
    asked = []

    def once_trained(case, method, settings, out, log):
        asked.append((settings.classes, settings.seed))
        figures = {"mi_frac": f"0.{settings.classes + settings.seed}", "miou": "0.4", "ami": "0.2"}
        return figures | {"leak": "0.001", "content": "0.8", "verdict": "content", "seconds": "61.2"}

    def clusters(case, name, seed, classes):
        assert name == "filters"
        return np.resize(np.arange(1, classes + 1, dtype=np.uint8), case.volume.shape)

    monkeypatch.setattr(questions, "once_trained", once_trained)
    monkeypatch.setattr(questions, "clusters", clusters)
    options = ["--volume", "small", "--steps", "2", "--questions", "default,classes", "--seeds", "0,1"]
    monkeypatch.setattr(sys, "argv", ["questions.py", *options, "--log", str(tmp_path / "runs.csv")])
    questions.main()
    assert asked == [(50, 0), (50, 1), (25, 0), (25, 1), (100, 0), (100, 1)]
    said = capsys.readouterr().out
    assert "| default: as it is | 0.500 / 0.510 | 0.400 | 0.200 | 0.0010 | 0.800 | content | 61 |" in said
    assert said.count("the same of k-means on the filter bank | 0.") == 2


def test_a_question_that_is_none_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["questions.py", "--questions", "depth"])
    with pytest.raises(SystemExit):
        questions.main()
    assert "no question named depth; there are default, generations, mask" in capsys.readouterr().err
