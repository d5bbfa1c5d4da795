"""``probe`` from end to end, and its answers to bad scribbles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_dense_ssl.volume import open_volume

from .conftest import SMALL, TRUTH, Answer

CHEAP = ("--device", "cpu", "--features", "filters", "--classifier", "linear")


@pytest.fixture(scope="session")
def scribbles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every 40th pixel of the truth in two slices, under numbers as drawing programs give them."""
    truth = open_volume(TRUTH).data.compute()
    drawn = np.zeros(truth.shape, np.uint8)
    drawn[:2].reshape(-1)[::40] = 50 * truth[:2].reshape(-1)[::40]
    path = tmp_path_factory.mktemp("scribbles") / "scribbles.tif"
    tifffile.imwrite(path, drawn, photometric="minisblack")
    return path


def test_scribbles_become_a_segmentation(
    call: Callable[..., Answer], small_run: Path, scribbles: Path, tmp_path: Path
) -> None:
    out = tmp_path / "seg.zarr"
    words = ("probe", SMALL, "--run", small_run, "--scribbles", scribbles, "--out", out, "--roi", "0:3,:,:")
    answer = call(*words, *CHEAP)
    assert answer.status == 0, answer.err
    assert answer.out.splitlines()[0] == f"segmentation {out}"
    assert "Estimated areas" in answer.err
    segmentation = open_volume(out / "labels" / "segmentation").data.compute()
    drawn = tifffile.imread(scribbles)
    assert set(np.unique(segmentation[:3])) <= set(np.unique(drawn[drawn > 0]))
    assert not segmentation[3:].any()
    truth = open_volume(TRUTH).data[2].compute()
    common = np.bincount(truth.ravel()).max() / truth.size
    assert (segmentation[2] == 50 * truth).mean() > common
    again = call(*words, *CHEAP)
    assert again.status == 2
    assert "exists already" in again.err
    resumed = call(*words, *CHEAP, "--resume")
    assert resumed.status == 0, resumed.err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((6, 192, 192), np.uint8), "no scribbles"),
        (np.ones((6, 192, 192), np.uint8), "All scribbles have the number 1"),
        (np.ones((2, 192, 192), np.uint8), "have the shape"),
        (np.full((6, 192, 192), 0.5, np.float32), "no labels"),
    ],
)
def test_bad_scribbles_are_one_sentence(
    call: Callable[..., Answer], small_run: Path, tmp_path: Path, values: np.ndarray, message: str
) -> None:
    tifffile.imwrite(tmp_path / "s.tif", values, photometric="minisblack")
    out = tmp_path / "seg.zarr"
    answer = call("probe", SMALL, "--run", small_run, "--scribbles", tmp_path / "s.tif", "--out", out)
    assert answer.status == 2
    assert answer.out == ""
    assert message in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not out.exists()
