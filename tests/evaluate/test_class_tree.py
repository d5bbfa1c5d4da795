"""Distances between classes, the tree over them, and what its cuts say of a truth: hand-worked."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dense_ssl.core.errors import ClassesError
from napari_dense_ssl.evaluate.class_tree import (
    angle_distances,
    centre_distances,
    confusion_distances,
    profile_distances,
    score_cuts,
    tree_of,
)
from napari_dense_ssl.evaluate.scores import score_tables
from napari_dense_ssl.evaluate.tables import contingency

# class 0 and 1 are often taken for each other, 2 and 3 seldom, 4 never occurs
COUNTS = np.array(
    [
        [80, 20, 0, 0, 0],
        [20, 20, 0, 0, 0],
        [0, 0, 90, 9, 0],
        [0, 0, 11, 40, 0],
        [0, 0, 0, 0, 0],
    ]
)


def test_confusion() -> None:
    distances = confusion_distances(COUNTS)
    assert distances[0, 1] == pytest.approx(1 - 20 / np.sqrt(80 * 20))
    assert distances[2, 3] == distances[3, 2] == pytest.approx(1 - 10 / np.sqrt(90 * 40))
    assert distances[0, 2] == distances[0, 4] == 1
    assert not np.diag(distances).any()
    profiles = profile_distances(COUNTS)
    assert profiles[0, 2] == pytest.approx(1), "nothing in common: one bit, whose root is 1"
    assert 0 < profiles[0, 1] < profiles[2, 3] < 1
    assert not np.diag(profiles).any()


def test_confused_classes_are_joined_first_and_unused_ones_before_all() -> None:
    tree = tree_of(confusion_distances(COUNTS), COUNTS.sum(1) > 0, way="confusion")
    assert tree.way == "confusion"
    assert tree.cut(2) == ((0, 1, 4), (2, 3))
    assert tree.cut(3) == ((0, 1, 4), (2,), (3,))
    assert tree.cut(4) == ((0, 4), (1,), (2,), (3,))
    assert tree.merges[0][2] == 0
    with pytest.raises(ClassesError, match="needs two classes or more, this run has 1"):
        tree_of(np.zeros((1, 1)))


def test_centres_are_measured_in_their_spread() -> None:
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert centre_distances(centres)[1, 2] == 5
    assert centre_distances(centres, np.array([1.0, 4.0])).tolist() == [
        [0, 3, 1],
        [3, 0, pytest.approx(np.sqrt(10))],
        [1, pytest.approx(np.sqrt(10)), 0],
    ]


def test_directions_count_not_lengths() -> None:
    centres = np.array([[2.0, 0.0], [4.0, 0.0], [-1.0, 3.0], [-5.0, -3.0]])
    distances = angle_distances(centres + 7)
    assert distances[0, 1] == pytest.approx(0)
    assert distances[0, 2] == pytest.approx(2 * np.sin(np.arctan2(3, -1) / 2))


def test_cuts_are_scored_as_their_maps_would_be() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (4, 30, 30))
    classes = np.where(rng.random(truth.shape) < 0.7, truth + 1, rng.integers(0, 6, truth.shape))
    tree = tree_of(confusion_distances(COUNTS), COUNTS.sum(1) > 0)
    found = score_cuts(
        tree, (2, 3, 5), contingency(classes[2:], truth[2:]), contingency(classes[:2], truth[:2])
    )
    for size, scores in found.items():
        lookup = np.zeros(6, int)
        for number, group in enumerate(tree.cut(size), start=1):
            lookup[np.array(group) + 1] = number
        grouped = lookup[classes]
        expected = score_tables(contingency(grouped[2:], truth[2:]), contingency(grouped[:2], truth[:2]))
        assert scores.names == expected.names
        for figure in ("mi_frac", "miou", "ari", "voi_split", "voi_merge", "coverage"):
            assert getattr(scores, figure) == pytest.approx(getattr(expected, figure))
    assert found[2].mi_frac < found[3].mi_frac < found[5].mi_frac
