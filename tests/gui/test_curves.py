"""The bounded store behind the plots."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_dense_ssl.gui.curves import Curves


def test_few_values_are_kept_as_they_are():
    curves = Curves(points=8)
    curves.add(1, {"hidden": 4.0})
    curves.add(3, {"hidden": 3.0, "agreement": 0.25})
    assert curves.steps == [1, 3]
    assert curves.values["hidden"] == [4.0, 3.0]
    np.testing.assert_array_equal(curves.values["agreement"], [np.nan, 0.25])
    assert curves.latest == {"hidden": 3.0, "agreement": 0.25}


def test_of_many_values_neighbours_are_averaged():
    curves = Curves(points=4)
    for step in range(1, 9):
        curves.add(step, {"a": float(step)} | ({"b": 10.0} if step == 7 else {}))
    assert curves.stride == 2
    assert curves.steps == [2, 4, 6, 8]
    assert curves.values["a"] == [1.5, 3.5, 5.5, 7.5]
    np.testing.assert_array_equal(curves.values["b"], [np.nan, np.nan, np.nan, 10.0])
    curves.add(9, {"a": 9.0})  # a point that is not full yet is shown already
    assert curves.steps == [4, 8, 9]
    assert curves.values["a"] == [2.5, 6.5, 9.0]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 5000, 33_333])
def test_memory_is_bounded_and_nothing_is_lost(count):
    """The mean over the points, each weighted by its steps, is the mean of all values."""
    curves, values = Curves(points=64), np.random.default_rng(0).normal(size=count)
    for step, value in enumerate(values, start=1):
        curves.add(step, {"a": value})
    assert len(curves.steps) <= 64
    assert curves.steps == sorted(set(curves.steps))
    assert curves.steps[-1] == count
    weights = np.diff([0, *curves.steps])
    assert np.average(curves.values["a"], weights=weights) == pytest.approx(values.mean())
    assert curves.latest["a"] == values[-1]


def test_a_table_with_units(tmp_path):
    curves = Curves()
    curves.add(1, {"hidden": 1 / 3})
    curves.add(2, {"hidden": 2.0, "agreement": 0.5})
    curves.write_csv(tmp_path / "a.csv", {"hidden": "nats", "agreement": ""})
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["step", "hidden (nats)", "agreement"],
            ["1", "0.3333333", ""],
            ["2", "2", "0.5"],
        ]
