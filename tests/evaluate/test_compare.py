import json
import os
import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_dense_ssl.core.errors import ScoreError, VolumeError
from napari_dense_ssl.evaluate import compare_job, evaluate, score_classes
from napari_dense_ssl.volume import Volume

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("DENSE_SSL_DATA", ROOT.parent / "shared" / "data"))
SCORER = DATA.parent / "tools" / "score.py"

needs_scorer = pytest.mark.skipif(not SCORER.is_file(), reason=f"the independent scorer is not at {SCORER}")
needs_vnc = pytest.mark.skipif(
    not (DATA / "vnc" / "labels.tif").is_file(), reason=f"the VNC volume is not in {DATA} (DENSE_SSL_DATA)"
)


def _maps(shape=(6, 32, 40), classes=20, truths=5, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.repeat(rng.integers(0, truths + 1, (shape[0], 8, 10)), 4, 1), 4, 2).astype(np.uint8)
    noise = rng.integers(1, classes + 1, shape)
    pred = np.where(rng.random(shape) < 0.7, 3 * truth + rng.integers(1, 4, shape), noise).astype(np.uint8)
    return pred, truth


def _independent(mode, pred, truth, fit, score):
    """Run the independent scorer on files."""
    command = [sys.executable, str(SCORER), mode, str(pred), str(truth), "--fit", fit, "--score", score]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _agree(ours, theirs):
    for name in ("miou", "accuracy", "mi_frac", "effective_classes"):
        assert getattr(ours, name) == pytest.approx(theirs[name], abs=6e-5), name
    assert ours.classes_used == theirs["classes_used"]
    assert list(ours.iou.values()) == pytest.approx(theirs["iou"], abs=6e-5)
    if theirs["ami"] is not None:
        assert ours.ami == pytest.approx(theirs["ami"], abs=6e-5)


@needs_scorer
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_independent_scorer_on_classes(tmp_path, seed):
    pred, truth = _maps(seed=seed)
    np.save(tmp_path / "pred.npy", pred)
    np.save(tmp_path / "truth.npy", truth)
    theirs = _independent("classes", tmp_path / "pred.npy", tmp_path / "truth.npy", "0:4", "4:6")
    ours = score_classes(pred, truth, slice(0, 4), slice(4, 6))
    _agree(ours, theirs)
    assert ours.miou_fair == pytest.approx(theirs["miou_fair"], abs=6e-5)


@needs_scorer
def test_agrees_with_the_independent_scorer_on_labels(tmp_path):
    _, truth = _maps()
    pred = np.where(np.random.default_rng(1).random(truth.shape) < 0.2, 6 - truth.clip(1), truth.clip(1))
    np.save(tmp_path / "pred.npy", pred.astype(np.uint8))
    np.save(tmp_path / "truth.npy", truth)
    theirs = _independent("labels", tmp_path / "pred.npy", tmp_path / "truth.npy", "0:6", "0:6")
    _agree(score_classes(pred, truth, named=True), theirs)


@needs_scorer
@needs_vnc
def test_agrees_with_the_independent_scorer_on_real_truth(tmp_path):
    truth = tifffile.imread(DATA / "vnc" / "labels.tif")
    raw = tifffile.imread(DATA / "vnc" / "raw.tif")
    tifffile.imwrite(tmp_path / "classes.tif", raw // 6 + 1)
    theirs = _independent("classes", tmp_path / "classes.tif", DATA / "vnc" / "labels.tif", "0:16", "16:20")
    ours = evaluate(
        tmp_path / "classes.tif", DATA / "vnc" / "labels.tif", fit=slice(0, 16), score=slice(16, 20)
    )
    _agree(ours, theirs)
    assert ours.pixels == np.count_nonzero(truth[16:])


def test_arrays_volumes_and_files_score_alike(tmp_path):
    pred, truth = _maps()
    tifffile.imwrite(tmp_path / "truth.tif", truth)
    expected = score_classes(pred, truth)
    assert evaluate(da.from_array(pred, chunks=(2, 16, 16)), tmp_path / "truth.tif") == expected
    assert evaluate(Volume.from_arrays([pred]), str(tmp_path / "truth.tif")) == expected
    assert score_classes(pred[0], truth[0]) == score_classes(pred[:1], truth[:1])


def test_slabs_change_nothing(monkeypatch):
    pred, truth = _maps()
    expected = score_classes(pred, truth, slice(0, 3), slice(2, 6))
    monkeypatch.setattr(compare_job, "_SLAB_PIXELS", 1)
    assert score_classes(pred, truth, slice(0, 3), slice(2, 6)) == expected
    by_hand = score_classes(pred[2:6], truth[2:6])
    assert expected.mi_frac == by_hand.mi_frac  # naming does not enter it


def test_slices_may_be_counted_from_the_end_and_skipped():
    pred, truth = _maps()
    assert score_classes(pred, truth, score=slice(-2, None)) == score_classes(pred[4:], truth[4:])
    assert score_classes(pred, truth, score=slice(0, 6, 2)) == score_classes(pred[::2], truth[::2])


def test_only_the_slices_asked_for_are_read():
    pred, truth = _maps()
    read: list[int] = []

    class Watched:
        shape, dtype = pred.shape, pred.dtype

        def __getitem__(self, planes):
            read.extend(range(planes.start, planes.stop))
            return pred[planes]

    evaluate(Watched(), truth, fit=slice(0, 2), score=slice(4, 5))
    assert read == [0, 1, 4]


def test_labels_of_the_synthetic_sample():
    truth = "sample:em-labels?shape=4x64x64&seed=1"
    found = evaluate(truth, truth, named=True)
    assert found.miou == 1
    assert found.coverage == 1


def test_what_cannot_be_compared_says_why(tmp_path):
    pred, truth = _maps()
    with pytest.raises(ScoreError, match=r"\(6, 32, 39\).*\(6, 32, 40\)"):
        evaluate(pred[:, :, 1:], truth)
    with pytest.raises(ScoreError, match="axes Z, Y, X"):
        evaluate(pred[None], truth)
    with pytest.raises(ScoreError, match=r"score, 7:9, holds none of the volume's 6"):
        score_classes(pred, truth, score=slice(7, 9))
    with pytest.raises(ScoreError, match="both predicted and labelled"):
        score_classes(pred, np.zeros_like(truth))
    with pytest.raises(VolumeError):
        evaluate(tmp_path / "nowhere.tif", truth)
    (tmp_path / "out.zarr" / "labels" / "cells").mkdir(parents=True)
    with pytest.raises(ScoreError, match=r"no label image named 'classes'; it holds: cells"):
        evaluate(tmp_path / "out.zarr", truth)
