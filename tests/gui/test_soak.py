"""Some seconds of benchmarks/soak.py: everything in random order, and nothing breaks or stays behind."""

from __future__ import annotations

import pytest
from benchmarks.soak import Soak


@pytest.mark.timeout(600)
def test_a_little_of_everything_in_random_order(make_napari_viewer_proxy, tmp_path):
    soak = Soak(lambda: make_napari_viewer_proxy(ensure_main_thread=True), tmp_path, seed=1)
    with soak.ears:
        soak.person.begin()
        while sum(soak.done.values()) < 30:
            soak.act()
        soak.rest()
    assert soak.judge() == []
