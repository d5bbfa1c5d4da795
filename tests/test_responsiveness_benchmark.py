"""benchmarks/responsiveness.py: what it judges, and that it still finds its way through the docks."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.responsiveness import Figure, lateness_figures

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "responsiveness.py"


def test_a_figure_is_held_against_its_aim():
    assert Figure("a", 1.3, "", 1.3).met
    assert not Figure("a", 1.31, "", 1.3).met
    assert not Figure("a", math.nan, "", 1.3).met
    assert Figure("a", 1e9).met, "without an aim there is nothing to miss"
    assert str(Figure("slice to its map", 1.31, "", 1.5)).split()[-3:] == ["<=", "1.5", "met"]
    assert str(Figure("slice to its map", 1.51, "", 1.5)).endswith("missed")


def test_a_window_that_is_late_at_rest_is_held_against_itself_alone():
    busy, alone = {"p50": 1.0, "p99": 78.0, "max": 90.0}, {"p50": 1.0, "p99": 39.0, "max": 80.0}
    slow = {figure.name: figure for figure in lateness_figures("busy", busy, busy | {"p99": 60.0}, alone)}
    quick = {figure.name: figure for figure in lateness_figures("busy", busy, busy | {"p99": 40.0}, alone)}
    assert slow["busy: p99 over the idle window's"].value == pytest.approx(1.3)
    assert slow["busy: p99 over the idle window's with the image alone"].value == pytest.approx(2)
    assert slow["busy: p99"].met
    assert not quick["busy: p99"].met
    assert not quick["busy: p99 over the idle window's"].met


@pytest.mark.skipif(sys.platform == "linux" and "DISPLAY" not in os.environ, reason="needs a display")
@pytest.mark.timeout(900)
def test_it_runs_through_the_docks(tmp_path):
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(tmp_path / "figures.json")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    rows = found["rows"]
    assert rows["training, 1 threads"]["live_maps"] > 0, "somebody watched"
    assert rows["following the view"]["tiles"] > 0
    assert rows["predicting the whole volume"]["done"] > 0
    assert len(rows["class maps"]["computing errors"]) == 2
    values = {figure["name"]: figure["value"] for figure in found["figures"]}
    assert all(math.isfinite(value) for value in values.values())
    aims = [figure["name"] for figure in found["figures"] if figure["aim"] is not None]
    assert run.stdout.count(" met") + run.stdout.count(" missed") == len(aims)
