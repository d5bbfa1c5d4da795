"""Plain sentences for the audit's verdicts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest

from napari_dense_ssl.core.events import Audited
from napari_dense_ssl.evaluate.audit_verdict import Word
from napari_dense_ssl.gui.trouble import trouble

FIGURES = {
    "leak": 0.31,
    "content": 0.12,
    "place": 0.4,
    "effective_classes": 1.1,
    "effective_classes_slice": 1.05,
    "low_level": 0.83,
}


def audited(verdict: str, shares: tuple[float, ...] | None = None) -> Audited:
    result = None if shares is None else SimpleNamespace(pictures=SimpleNamespace(shares=shares))
    return Audited(verdict, FIGURES, 100, result)


def test_classes_that_follow_the_image_are_no_trouble():
    assert trouble(audited("content")) is None


@pytest.mark.parametrize("verdict", [word for word in get_args(Word) if word != "content"])
def test_every_other_verdict_has_a_sentence_and_something_to_try(verdict):
    found = trouble(audited(verdict))
    assert found is not None
    assert found.word == verdict
    assert found.sentence.endswith(".")
    assert len(found.advice) > 20


def test_a_collapse_says_how_much_one_class_covers():
    assert "one class covers 98 % of the image" in trouble(audited("collapsed", (0.982, 0.018))).sentence
    assert "one class covers 99 % of" in trouble(audited("collapsed", (0.9999, 0.0001))).sentence
    # A class of its own for each slice: no class covers much, and yet a slice has one only.
    each_its_own = audited("collapsed", (0.4, 0.35, 0.25))
    assert "of a slice have one class (1.05 effective" in trouble(each_its_own).sentence


def test_place_and_grey_levels_come_with_their_figures():
    place = trouble(audited("positional")).sentence
    assert "follow the place, not the image" in place
    assert "31 % of a class (leak; good is 0)" in place
    grid = Audited("positional", FIGURES | {"leak": 0.0}, 100)
    assert "(place 0.40; good is 0)" in trouble(grid).sentence
    stripes = Audited("positional", FIGURES | {"leak": 0.0, "place": 0.0}, 100)
    assert "does not move with the tissue (content 0.12; good is 1)" in trouble(stripes).sentence
    assert "83 %" in trouble(audited("low-level")).sentence


def test_early_classes_may_say_nothing_yet():
    assert trouble(audited("uniform"), 0.2) is None
    assert trouble(audited("uniform"), 0.7) is not None
    assert trouble(audited("collapsed", (1.0,)), 0.01) is not None
