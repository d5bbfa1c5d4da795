"""Training on all three planes of an isotropic volume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.engine.conftest import small_settings

from napari_dense_ssl.core.events import Finished, Noted, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.planes import PLANES, XY
from napari_dense_ssl.engine import TrainSettings, train
from napari_dense_ssl.engine.planes import decided, planes_of
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import load_weights
from napari_dense_ssl.volume import Volume


def even(shape: tuple[int, int, int] = (64, 64, 72), size: tuple[float, ...] | None = (8, 8, 8)) -> Volume:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), 2)
    return Volume.from_arrays([(128 + 300 * smooth).clip(0, 255).astype(np.uint8)], voxel_size=size)


def test_auto_follows_the_voxel_size_and_the_room_there_is() -> None:
    settings = small_settings()
    for volume, planes, says in (
        (even(), PLANES, "8 x 8 x 8 nm"),
        (even(size=None), PLANES, "measured on the images"),
        (even(size=(40, 8, 8)), (XY,), None),
        (even((40, 64, 64)), (XY,), "40 px thick"),
    ):
        resolved, notes = decided(settings, volume, Box.whole(volume.shape))
        assert planes_of(resolved) == planes
        assert (says in notes[0]) if says else not notes
    wanted = settings.model_copy(update={"planes": "ortho"})
    assert planes_of(decided(wanted, even(size=(40, 8, 8)), Box.whole((64, 64, 72)))[0]) == PLANES
    thin, notes = decided(wanted, even((40, 64, 64)), Box.whole((40, 64, 64)))
    assert planes_of(thin) == (XY,)
    assert "need 48 px" in notes[0]
    flat = settings.model_copy(update={"planes": "xy"})
    assert planes_of(decided(flat, even(), Box.whole((64, 64, 72)))[0]) == (XY,)


@pytest.mark.parametrize(
    ("shape", "crop", "planes"),
    [
        ((64, 128, 200), 112, (XY,)),  # as large as it has to be
        ((50, 100, 200), 80, (XY,)),
        ((100, 100, 100), 80, PLANES),
        ((64, 64, 64), 48, PLANES),
        ((64, 63, 64), 112, (XY,)),  # too small: left as it is, and refused by the sampler
    ],
)
def test_crops_are_made_smaller_where_slices_are_small(shape, crop, planes) -> None:
    resolved, notes = decided(TrainSettings(), even(shape), Box.whole(shape))
    assert resolved.sampler.crop == crop
    assert planes_of(resolved) == planes
    told = [note for note in notes if note.startswith(f"Crops are {crop} px with a view shift of 16 px")]
    assert len(told) == (crop != 112)


def test_crops_stay_where_a_smaller_one_would_be_trimmed_away() -> None:
    trimmed = {"kind": "cross-slice", "border_trim": 32}
    settings = TrainSettings(context=2, objective=trimmed, sampler={"crop": 96, "view_shift": 16})  # type: ignore[arg-type]
    resolved, _ = decided(settings, even((8, 96, 128)), Box.whole((8, 96, 128)))
    assert resolved.sampler.crop == 80  # 16 px inside of the trim
    resolved, _ = decided(settings, even((8, 90, 128)), Box.whole((8, 90, 128)))
    assert resolved.sampler == settings.sampler


def test_a_run_on_small_slices_is_gone_on_with(tmp_path: Path) -> None:
    shape = (4, 72, 80)
    volume, settings = even(shape, (40, 8, 8)), small_settings(sampler={"crop": 64, "batch": 2})
    job = train(volume, tmp_path / "run", settings)
    for event in job:
        if isinstance(event, Step) and event.index == 2:
            break
    job.close()
    events = list(train(volume, tmp_path / "run", settings, resume=True))
    assert any(isinstance(event, Noted) and "Crops are 48 px" in event.message for event in events)
    assert isinstance(events[-1], Finished)
    # What was asked for is kept, so that the settings fit other volumes.
    assert TrainSettings(**RunFolder.open(tmp_path / "run").settings).sampler.crop == 64


def test_how_classes_are_told_depends_on_whether_slices_lie_close(volume: Volume, tmp_path: Path) -> None:
    def head(name: str, source: Volume, **objective: object) -> torch.Tensor:
        table = small_settings().objective.model_dump() | {"surroundings_after": 0} | objective
        list(train(source, tmp_path / name, small_settings(objective=table)))
        return load_weights(RunFolder.open(tmp_path / name).latest())["average.head.weight"]

    close = head("close", even())
    assert torch.equal(close, head("close-as-said", even(), surroundings=0, filter_votes=3))
    assert not torch.equal(close, head("close-with", even(), surroundings=8))
    assert not torch.equal(close, head("close-one-vote", even(), filter_votes=1))
    apart = head("apart", volume)
    assert torch.equal(apart, head("apart-as-said", volume, surroundings=8, filter_votes=1, pixel_votes=0))
    assert not torch.equal(apart, head("apart-without", volume, surroundings=0))
    assert not torch.equal(apart, head("apart-three-votes", volume, filter_votes=3))
    assert not torch.equal(apart, head("apart-two-of-the-pixel", volume, pixel_votes=2))
    assert torch.equal(close, head("close-two-of-the-pixel", even(), pixel_votes=2))


def test_a_resumed_run_on_three_planes_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    volume, settings = even(), small_settings(checkpoint_seconds=0)
    events = list(train(volume, tmp_path / "whole", settings))
    assert isinstance(events[0], Started)
    assert events[0].details["planes"] == "xy, xz, yz"
    assert any(isinstance(event, Noted) and "xy, xz and yz" in event.message for event in events)
    assert json.loads((tmp_path / "whole" / "run.json").read_text())["planes"] == "ortho"
    # Neighbouring slices are targets and input along each plane's own normal.
    assert RunFolder.open(tmp_path / "whole").load_encoder().slices > 1
    job = train(volume, tmp_path / "cut", settings)
    for event in job:
        if isinstance(event, Step) and event.index == 4:
            break
    job.close()  # type: ignore[attr-defined]
    resumed = [e for e in train(volume, tmp_path / "cut", settings, resume=True) if isinstance(e, Step)]
    assert [e.index for e in resumed] == [5, 6]
    whole, cut = (load_weights(RunFolder.open(tmp_path / name).latest()) for name in ("whole", "cut"))
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())


def test_hidden_slices_are_predicted_along_all_normals(tmp_path: Path) -> None:
    settings = small_settings(context=2)
    steps = [e for e in train(even(), tmp_path / "run", settings) if isinstance(e, Step)]
    assert all(np.isfinite(step.losses["across"]) for step in steps)
