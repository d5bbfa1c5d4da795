"""benchmarks/told_anew.py tells one training's classes in several ways, and leaves the training alone."""

from __future__ import annotations

import sys

import pytest
import torch
from tests.engine.conftest import small_settings

import told_anew
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.engine import train
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import load_weights


def test_the_same_weights_are_told_in_each_way(monkeypatch, capsys, tmp_path):
    (case,) = told_anew.cases(["small"])
    run = tmp_path / "run"
    region = str(Box((0, 0, 0), (4, 96, 96)))
    for _ in train(case.volume, run, small_settings(roi=region, steps=3)):
        pass
    before = load_weights(RunFolder.open(run).latest())
    ways = "objective.surroundings=0,objective.discriminant_rounds=0;"
    out = tmp_path / "told"
    options = ["--volume", "small", "--ways", ways, "--more", "1,2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["told_anew.py", str(run), *options])
    told_anew.main()
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in said] == [
        f"small, objective.surroundings=0,objective.discriminant_rounds=0, {more} more" for more in (1, 2)
    ] + [f"small, its own way, {more} more" for more in (1, 2)]
    assert all(0 < float(line.split("mi_frac ")[1].split(",")[0]) < 1 for line in said)
    after = load_weights(RunFolder.open(run).latest())
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert RunFolder.open(run).latest().name == "step-3"  # copies were trained on, not the run
    heads = [
        load_weights(RunFolder.open(out / f"{number}-1" / "run").latest())["average.head.weight"]
        for number in (0, 1)
    ]
    assert not torch.equal(*heads)
    with pytest.raises(told_anew.OutputError, match=r"told.0-1 is there already; choose another --out"):
        told_anew.main()


def test_a_run_by_the_clock_is_refused(monkeypatch, capsys, tmp_path):
    (case,) = told_anew.cases(["small"])
    region = str(Box((0, 0, 0), (4, 96, 96)))
    for _ in train(case.volume, tmp_path / "run", small_settings(roi=region, steps=None, minutes=0.001)):
        pass
    monkeypatch.setattr(sys, "argv", ["told_anew.py", str(tmp_path / "run"), "--volume", "small"])
    with pytest.raises(told_anew.SettingsError, match="expected a run with a budget in steps"):
        told_anew.main()
