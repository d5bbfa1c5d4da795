"""benchmarks/refining.py, on a run of seconds."""

from __future__ import annotations

import re
import sys

import pytest

from napari_dense_ssl.engine import RECIPES, TrainSettings, train
from refining import main
from volumes import cases

SMALL = {
    "encoder": {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4},
    "sampler": {"crop": 64, "view_shift": 16, "block": 128, "batch": 4, "pool": 4, "reuse": 4},
    "objective": {"codebook_pixels": 2000, "mask_size": 8},
}


@pytest.fixture
def run(tmp_path):
    (case,) = cases(["small"])
    table = RECIPES["masked-clusters"].settings().model_dump()
    for group, values in SMALL.items():
        table[group] |= values
    table |= {"classes": 6, "minutes": None, "steps": 2, "roi": str(case.fit_box), "audit_seconds": 0}
    for _ in train(case.volume, tmp_path / "run", TrainSettings.model_validate(table)):
        pass
    return tmp_path / "run"


def test_both_are_measured_and_the_check_is_quoted(run, tmp_path, monkeypatch, capsys):
    arguments = [str(run), "--volume", "small", "--pixels", "60", "--steps", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["refining.py", *arguments])
    main()
    said = capsys.readouterr().out
    found = re.fullmatch(
        r"small, 60 pixels a class, seed 0: mIoU (0\.\d{3}) \(\d+ s\), refined (0\.\d{3}) \(\d+ s\)\. "
        r"Refined on one half of the scribbles, .* refining is (done|left out)\.\n",
        said,
    )
    assert found, said
    assert all(0 < float(score) < 1 for score in found.groups()[:2])
    monkeypatch.setattr(sys, "argv", ["refining.py", *arguments, "--steps", "0", "--features", "filters"])
    main()
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"small, 60 pixels a class, seed 0: mIoU 0\.\d{3} \(\d+ s\), features filters\.\n", said
    ), said
