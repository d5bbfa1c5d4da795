"""The audit during training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.engine.conftest import small_settings

from napari_dense_ssl.core.events import Audited, Noted, Step
from napari_dense_ssl.engine import train
from napari_dense_ssl.evaluate import audit
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import load_weights
from napari_dense_ssl.volume import Volume


def test_training_looks_at_itself_and_learns_the_same(volume: Volume, tmp_path: Path) -> None:
    plain = list(train(volume, tmp_path / "plain", small_settings(roi="0:4,:,:")))
    assert not any(isinstance(event, Audited) for event in plain)
    events = list(train(volume, tmp_path / "run", small_settings(roi="0:4,:,:", audit_seconds=1e-6)))
    looks = [event for event in events if isinstance(event, Audited)]
    # The first look is due at once, the next when looks are rare enough again, the last at the end.
    assert looks[0].step == 1
    assert looks[-1].step == 6
    assert len({look.step for look in looks}) == len(looks)
    assert looks[-1].result.part.slices == (4, 5)
    assert looks[-1].result.part.held_out
    assert {"leak", "content", "place", "effective_classes"} <= looks[-1].figures.keys()
    lines = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    kept = [line for line in lines if line["event"] == "Audited"]
    assert [line["figures"]["leak"] for line in kept] == [look.figures["leak"] for look in looks]

    losses = [[e.losses for e in run if isinstance(e, Step)] for run in (plain, events)]
    assert losses[0] == losses[1]
    one, two = (load_weights(RunFolder.open(tmp_path / name).latest()) for name in ("plain", "run"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_slices_too_small_for_pairs_of_crops_train_without(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 255, (3, 44, 44)).astype(np.uint8)
    settings = small_settings(
        audit_seconds=1e-6,
        sampler={"crop": 32, "view_shift": 0, "block": 64, "batch": 4, "pool": 4, "reuse": 4},
    )
    events = list(train(Volume.from_arrays([voxels]), tmp_path / "run", settings))
    notes = [e.message for e in events if isinstance(e, Noted) and "No audit" in e.message]
    assert len(notes) == 1
    assert sum(isinstance(e, Step) for e in events) == 6


@pytest.mark.parametrize(("asked", "seen"), [(3, 3), (None, 5)])
def test_networks_that_see_several_slices_are_audited(tmp_path: Path, asked: int | None, seen: int) -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(6, 96, 96)), 3, mode="wrap")
    values = (128 + 40 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)
    volume = Volume.from_arrays([values], voxel_size=(8, 8, 8))
    encoder = {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4, "slices": asked}
    settings = small_settings(roi="0:5,:,:", steps=2, audit_seconds=1e-6, encoder=encoder)
    (*_, last) = (e for e in train(volume, tmp_path / "run", settings) if isinstance(e, Audited))
    assert last.result.part.slices == (5,)
    assert RunFolder.open(tmp_path / "run").load_encoder().slices == seen

    truth = np.digitize(values, (100, 130, 160)) + 1
    events = audit(volume, tmp_path / "run", truth=truth, crops=8, crop=32, device="cpu")
    (found,) = (e.result for e in events if isinstance(e, Audited))
    assert found.part.slices == found.truth.slices == (5,)
    assert found.figures["eq_angle_db"].count == 8
    assert found.pictures.image.shape == (32, 32)
