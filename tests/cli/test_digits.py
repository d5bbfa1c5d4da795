"""``digits``: figures beside those of the pixels, results in a folder, one sentence for what is no digits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Answer

QUICK = ("--epochs", "1", "--width", "4", "--device", "cpu", "--threads", "1", "--preview-seconds", "1000")


def test_figures_beside_those_of_the_pixels(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call("digits", *QUICK, "--out", tmp_path / "digits")
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "scikit-learn's digits: 1297 training, 500 test images"
    table = {name: (float(own), float(raw)) for name, own, raw in map(str.split, lines[2:6])}
    assert list(table) == ["accuracy", "precision", "recall", "f1"]
    kept = json.loads((tmp_path / "digits" / "figures.json").read_text())
    assert table["accuracy"] == (round(kept["knn"]["accuracy"], 4), round(kept["raw_knn"]["accuracy"], 4))
    assert 0.95 < table["accuracy"][1] < 0.98, "pixels of the last 500, by other writers"
    for name in ("pca", "reconstructions", "loss"):
        with Image.open(tmp_path / "digits" / f"{name}.png") as picture:
            assert min(picture.size) > 200


def test_json_is_one_object(call: Callable[..., Answer]) -> None:
    answer = call(
        "digits", *QUICK, "--set", "rotation=0", "--set", "noise=0", "--validation", "200", "--json"
    )
    assert answer.status == 0, answer.err
    figures = json.loads(answer.out)
    assert set(figures["knn"]) == {"accuracy", "precision", "recall", "f1"}
    assert (figures["training_images"], figures["test_images"]) == (1097, 200)
    assert figures["settings"]["perturbation"]["rotation"] == 0
    assert figures["cpu_seconds"]["learning"] > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--data", "absent.npz"), "There is no absent.npz"),
        (("--epochs", "0"), "'epochs'"),
        (("--epochs", "1", "--minutes", "1"), "give epochs or minutes, not both"),
        (("--set", "rotation"), "expected name=value, such as rotation=15"),
        (("--set", "spin=3"), "spin"),
        (("--device", "abacus"), "'device'"),
        (("--validation", "1250"), "at least 100"),
    ],
)
def test_bad_input_is_answered_in_a_sentence(call: Callable[..., Answer], arguments, says) -> None:
    answer = call("digits", *arguments)
    assert answer.status == 2
    assert answer.out == ""
    assert says in answer.err
    assert len(answer.err.strip().splitlines()) == 1
