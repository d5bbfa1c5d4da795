"""The audit's figures, against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate import audit_figures as figure
from napari_dense_ssl.evaluate.audit_crops import audited_part, choose_crop
from napari_dense_ssl.evaluate.audit_figures import Figure
from napari_dense_ssl.evaluate.audit_result import ranges
from napari_dense_ssl.evaluate.audit_verdict import judge


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_shared_information_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    assert figure.shared_information(labels, np.array([5, 5, 2, 2])) == pytest.approx(1)
    assert figure.shared_information(labels, np.array([0, 1, 0, 1])) == pytest.approx(0)
    assert figure.shared_information(np.zeros(4, int), np.arange(4)) == 0
    # Places {a, a, a, b} of labels {0, 0, 1, 1}: H(label | place) = 3/4 H(1/3).
    left = 0.75 * (math.log(3) - 2 / 3 * math.log(2))
    share = figure.shared_information(labels, np.array([0, 0, 0, 1]))
    assert share == pytest.approx(1 - left / math.log(2))


def test_cells_divide_the_crop() -> None:
    cells = figure.cells((32, 40))
    assert np.unique(cells).tolist() == list(range(64))
    assert set(np.bincount(cells.ravel()).tolist()) == {20}
    assert cells[0, 0] == 0
    assert cells[-1, -1] == 63


def test_moved_maps_keep_their_areas() -> None:
    maps = _rng().integers(0, 5, (4, 16, 16))
    moved = figure.moved(maps, _rng())
    assert not np.array_equal(maps, moved)
    for before, after in zip(maps, moved, strict=True):
        assert np.bincount(before.ravel()).tolist() == np.bincount(after.ravel()).tolist()


def test_the_null_of_the_leak_keeps_neighbours_together() -> None:
    """Few crops of large random patches seem to know their place; the null takes that off."""
    patches = _rng().integers(0, 4, (30, 4, 4)).repeat(16, 1).repeat(16, 2)
    found = figure.leak(figure.moved(patches, _rng()), np.random.default_rng(1), draws=8)
    assert found.null > 0.02
    assert abs(found.value) < 0.25 * found.null


def test_crops_that_share_a_class_wherever_one_looks_do_not_follow_the_place() -> None:
    """Structures of the size of crops: pairs of crops have classes in common, here and elsewhere alike."""
    rng = _rng()
    coarse = rng.integers(0, 12, (24, 2, 2)).repeat(32, 1).repeat(32, 2)
    whole = np.where(rng.random(24)[:, None, None] < 0.7, coarse[:, :1, :1], coarse)
    found = figure.place(whole, np.random.default_rng(1))
    assert found.null > 0.2
    assert abs(found.value) < 0.05
    # Half of the pixels are coded by the place: that is seen beyond it.
    y, x = np.indices((64, 64))
    grid = np.broadcast_to(12 + y // 4 % 2 * 2 + x // 4 % 2, whole.shape)
    mixed = np.where((y + x) % 2 == 0, grid, whole)
    assert figure.place(mixed, np.random.default_rng(1)).value > 0.3
    assert figure.place(grid, np.random.default_rng(1)).value == pytest.approx(1)


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-8, 2)])
def test_overlaps_hold_the_same_pixels(shift: tuple[int, int]) -> None:
    image = np.arange(40 * 40).reshape(40, 40)
    first, second = image[10:26, 10:26], image[10 + shift[0] : 26 + shift[0], 10 + shift[1] : 26 + shift[1]]
    a, b = figure.overlap((16, 16), shift, 2)
    assert np.array_equal(first[a], second[b])
    assert first[a].shape == (12 - abs(shift[0]), 12 - abs(shift[1]))


def test_one_class_agrees_on_nothing() -> None:
    same = np.zeros((10, 5), int)
    assert figure.agreement(same, same) == Figure(0.0, 0.0, 10)


def test_usage_within_slices_and_over_all() -> None:
    """Two slices of one class each: two classes over all, one within a slice."""
    classes = np.stack([np.zeros((4, 4), int), np.ones((4, 4), int)])
    whole, inside = figure.usage(classes, np.array([7, 9]), 5)
    assert whole.value == pytest.approx(2)
    assert whole.null == 5
    assert inside.value == pytest.approx(1)
    assert (inside.null, inside.count) == (whole.value, 2)


def test_decibels_by_hand() -> None:
    always = np.eye(2)[:, :, None]  # (K = 2, Y = 2, X = 1): certain
    assert figure.squared_difference(always, always[::-1]) == (4.0, 2)
    assert figure.decibel(4.0, 2) == pytest.approx(-10 * math.log10(2))
    assert figure.decibel(0.02, 2) == pytest.approx(20)
    assert figure.decibel(0.0, 2) == 100


def test_quantiles_have_equal_areas_and_few_values_few_levels() -> None:
    assert np.bincount(figure.quantiles(np.arange(64.0), 4)).tolist() == [16, 16, 16, 16]
    assert np.unique(figure.quantiles(np.array([0.0, 0.0, 1.0, 1.0]), 64)).size == 2


def test_a_period_of_two_is_told_from_content() -> None:
    """Under odd shifts alone its classes would change places, which an AMI takes for agreement."""
    rng = _rng()
    y, x = np.indices((32, 32))
    board = np.broadcast_to((y + x) % 2, (60, 32, 32))
    free = rng.integers(-8, 9, (60, 2))
    assert abs(figure.content(board, board, free, 4, rng).value) < 0.1
    odd = 2 * rng.integers(-4, 4, (60, 2)) + [1, 0]
    assert figure.content(board, board, odd, 4, rng).value == pytest.approx(1)


def _judged(**changes: float) -> str:
    good = {
        "effective_classes_slice": 20.0,
        "leak": 0.001,
        "place": 0.01,
        "content": 0.7,
        "coherence": 0.4,
        "flatness": 0.5,
        "low_level": 0.4,
    }
    return judge({k: Figure(v, 0, 1) for k, v in (good | changes).items()}).word


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "content"),
        ({"effective_classes_slice": 1.1}, "collapsed"),
        ({"leak": 0.2}, "positional"),
        ({"place": 0.2}, "positional"),
        ({"content": 0.1}, "positional"),
        ({"content": 0.1, "coherence": 0.01}, "uniform"),
        ({"content": 0.1, "flatness": 0.99}, "uniform"),
        # Flat, as an early network is, but its argmax follows the tissue.
        ({"flatness": 0.995}, "content"),
        ({"low_level": 0.9}, "low-level"),
        # Bands are bands, however flat the probabilities.
        ({"leak": 0.9, "content": 0.0, "flatness": 0.999}, "positional"),
    ],
)
def test_the_rules_decide_in_their_order(changes: dict[str, float], word: str) -> None:
    assert _judged(**changes) == word


def test_slices_outside_the_training_are_preferred() -> None:
    whole = Box((0, 0, 0), (20, 64, 64))
    assert audited_part(whole, Box((0, 0, 0), (16, 64, 64))).slices == (16, 17, 18, 19)
    assert audited_part(whole, None).held_out
    assert audited_part(whole, Box((0, 0, 32), (20, 64, 64))).held_out is False
    apart = audited_part(Box((0, 0, 0), (20, 64, 32)), Box((0, 0, 32), (20, 64, 64)))
    assert apart.held_out
    assert len(apart.slices) == 20


def test_crops_fit_and_are_multiples_of_the_stride() -> None:
    assert choose_crop(Box((0, 0, 0), (1, 1024, 1024)), 8) == 128
    assert choose_crop(Box((0, 0, 0), (1, 1024, 128)), 8) == 80
    assert choose_crop(Box((0, 0, 0), (1, 48, 48)), 8) == 32
    assert choose_crop(Box((0, 0, 0), (1, 1024, 1024)), 8, 256) == 256


def test_slices_are_named_shortly() -> None:
    assert ranges((0, 1, 2, 5, 7, 8)) == "0-2, 5, 7-8"
