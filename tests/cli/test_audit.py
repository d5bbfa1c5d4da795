"""The command ``audit``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import SMALL, TRUTH, Answer

FEW = ("--crops", "8", "--crop", "64", "--device", "cpu")


def test_json_is_one_object_and_nothing_else(call: Callable[..., Answer], small_run: Path) -> None:
    answer = call("audit", SMALL, "--run", small_run, "--truth", TRUTH, "--json", *FEW)
    assert answer.status == 0, answer.err
    (line,) = answer.out.splitlines()
    found = json.loads(line)
    assert found["verdict"] in ("content", "positional", "collapsed", "uniform", "low-level")
    for name in ("leak", "content", "place", "eq_t_db", "eq_r_db", "effective_classes"):
        assert isinstance(found[name], float)
    assert {"mi_frac", "miou", "ami"} <= found["truth"].keys()
    assert found["held_out"] is False
    assert "trained on" in answer.err


def test_people_get_a_table_a_verdict_and_a_page(
    call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audit.png"
    answer = call("audit", SMALL, "--run", small_run, "--roi", "0:2,:,:", "--out", out, *FEW)
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0].split() == ["figure", "value", "null", "count", "meaning"]
    assert [line.split()[0] for line in lines[-4:]] == ["seen", "verdict", "advice", "report"]
    assert "slices 0-1" in lines[-4]
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--run", "{tmp}/none"), "no run folder"),
        (("--run", "{run}", "--truth", "{tmp}/labels.tif"), r"labels\.tif"),
        (("--run", "{run}", "--truth", "sample:em-labels?shape=6x100x192"), "shape"),
        (("--run", "{run}", "--roi", "0:9,:,:"), "outside"),
        (("--run", "{run}", "--roi", "0:2,0:20,:"), "too small"),
        (("--run", "{run}", "--crops", "2"), "8 or more"),
        (("--run", "{run}", "--crop", "33"), "multiple of 8"),
        (("--run", "{run}", "--out", "{tmp}/page.docx"), "page.docx"),
        (("--run", "{run}", "--device", "abacus"), "abacus"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    flags: tuple[str, ...], part: str, call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    answer = call("audit", SMALL, *(flag.format(run=small_run, tmp=tmp_path) for flag in flags))
    assert answer.status == 2, answer
    assert answer.out == ""
    assert part.replace("\\", "") in answer.err
    assert "Traceback" not in answer.err
    assert answer.err.splitlines()[-1].endswith(".")
