"""The arithmetic of benchmarks/cost.py, by hand."""

import pytest

from cost import SCALING, gigabytes_per_hour


def test_a_million_bytes_a_second_are_three_and_a_half_gigabytes_an_hour():
    assert gigabytes_per_hour(1e6, 1, 1) == pytest.approx(3.6)
    assert gigabytes_per_hour(1e6, 2, 1) == pytest.approx(7.2)
    assert gigabytes_per_hour(1e6, 1, 10) == pytest.approx(36 * SCALING)
