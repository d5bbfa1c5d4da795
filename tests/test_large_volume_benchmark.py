"""The parts of benchmarks/large_volume.py that take no minutes: what it builds, serves and compares."""

from math import prod
from pathlib import Path

import numpy as np
import pytest

from large_volume import BLOCK, CHUNK, MANIFEST, build, digests, finished_parts, served, shape_for
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import open_volume
from napari_dense_ssl.volume.pyramid import coarser


@pytest.mark.parametrize("gigabytes", [0.02, 0.1, 1, 20])
def test_a_volume_is_as_large_as_asked_for_and_made_of_whole_blocks(gigabytes: float):
    shape = shape_for(gigabytes)
    assert gigabytes <= prod(shape) / 1e9 < max(0.04, 1.3 * gigabytes)
    assert shape[0] % CHUNK[0] == shape[1] % BLOCK == shape[2] % BLOCK == 0


def test_what_is_built_is_tissue_with_a_stripe_of_padding_in_three_levels(tmp_path: Path):
    shape = (32, 1024, 2048)
    build(tmp_path / "em.zarr", shape)
    sample = open_volume("sample:em?shape=16x512x512&seed=1")
    block = sample.read(Box.whole(sample.shape))
    with served(tmp_path) as site:
        volume = open_volume(f"{site}/em.zarr")
        assert volume.shape == shape
        assert volume.factors == ((1, 1, 1), (1, 2, 2), (1, 4, 4))
        np.testing.assert_array_equal(volume.read(Box((16, 512, 1024), (32, 1024, 1536))), block)
        half = volume.read(Box((0, 256, 256), (16, 512, 512)), level=1)
        np.testing.assert_array_equal(half, coarser(block, (1, 2, 2), "mean"))
        assert not volume.read(Box((0, 0, 1536), (16, 1024, 2048))).any()


def test_two_outputs_are_equal_whatever_the_order_of_the_manifest_and_not_if_a_byte_differs(tmp_path: Path):
    for name, lines in (("a", "0/0\n0/1\n"), ("b", "0/1\n0/0\n"), ("c", "0/0\n")):
        (tmp_path / name / "0").mkdir(parents=True)
        (tmp_path / name / MANIFEST).write_text(lines)
        (tmp_path / name / "chunk").write_bytes(b"12")
    assert finished_parts(tmp_path / "a") == 2
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")
    (tmp_path / "b" / "chunk").write_bytes(b"13")
    assert digests(tmp_path / "a") != digests(tmp_path / "b")
