"""Volumes of another pixel size than the run's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.events import Noted, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict import Predictor, PredictSettings, predict
from napari_dense_ssl.predict.cluster import compute, work_of
from napari_dense_ssl.predict.pixel_size import matched
from napari_dense_ssl.volume import Volume, create_output, open_output, open_volume

SETTINGS = PredictSettings(tile=64, chunk=32, symmetries=1, shifts=())


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    facts = {"volume": {"voxel_size": [40.0, 8.0, 8.0], "voxel_size_known": True, "intensity": _statistics()}}
    return RunFolder(tmp_path / "run", {}, facts)


def _statistics() -> dict[str, object]:
    return Volume.from_arrays([np.arange(200, dtype=np.uint8).reshape(2, 10, 10)]).intensity().as_dict()


@pytest.fixture
def predictor(pointwise, cpu, run, monkeypatch) -> Predictor:
    monkeypatch.setattr(RunFolder, "latest", lambda self: self.path / "step-1")
    monkeypatch.setattr(RunFolder, "fingerprint", lambda self: "0")
    return Predictor(pointwise, cpu, SETTINGS, run)


def pyramid(texture, size=(40.0, 4.0, 4.0)) -> Volume:
    fine = texture((2, 96, 128))
    coarse = fine.reshape(2, 48, 2, 64, 2).mean((2, 4)).astype(np.uint8)
    return Volume.from_arrays([fine, coarse], voxel_size=size, translation=(1.0, 2.0, 3.0))


def predicted(volume: Volume, predictor: Predictor, out: Path, **more) -> list:
    return list(predict(volume, predictor, out, what=("classes",), **more))


def notes(events: list) -> str:
    return " ".join(event.message for event in events if isinstance(event, Noted))


def test_the_level_of_the_runs_pixel_size_is_predicted(predictor, texture, tmp_path):
    volume = pyramid(texture)
    roi = Box((0, 20, 30), (2, 60, 90))
    events = predicted(volume, predictor, tmp_path / "out.zarr", roi=roi)
    assert isinstance(events[0], Started)
    assert events[0].details["voxels"] == "40 x 8 x 8 nm"
    assert "Level 1" in notes(events)
    made = open_volume(tmp_path / "out.zarr", dataset="labels/classes")
    assert made.shape == (2, 48, 64)
    assert tuple(made.voxel_size) == (40.0, 8.0, 8.0)
    assert made.translation == (1.0, 4.0, 5.0)
    coarse = Volume.from_arrays([volume.levels[1].compute()], voxel_size=(40.0, 8.0, 8.0))
    predicted(coarse, predictor, tmp_path / "coarse.zarr", roi=Box((0, 10, 15), (2, 30, 45)))
    alone = open_output(tmp_path / "coarse.zarr").label("classes")[:]
    assert (open_output(tmp_path / "out.zarr").label("classes")[:] == alone).all()


def test_another_pixel_size_is_refused_and_the_ways_out_are_named(predictor, texture, tmp_path):
    with pytest.raises(SettingsError, match=r"40 x 4 x 4 nm.*40 x 8 x 8 nm.*--resample auto.*--voxel-size"):
        predicted(
            Volume.from_arrays([texture((2, 96, 128))], voxel_size=(40.0, 4.0, 4.0)),
            predictor,
            tmp_path / "out.zarr",
        )
    assert not (tmp_path / "out.zarr").exists()


def test_it_is_resampled_where_that_is_chosen(predictor, texture, tmp_path):
    volume = Volume.from_arrays(
        [texture((2, 96, 128))], voxel_size=(40.0, 5.0, 5.0), translation=(1.0, 2.0, 3.0)
    )
    chosen = predictor.with_settings(resample="auto")
    events = predicted(volume, chosen, tmp_path / "out.zarr")
    assert "resampled from voxels of 40 x 5 x 5 nm to 40 x 8 x 8 nm" in notes(events)
    made = open_volume(tmp_path / "out.zarr", dataset="labels/classes")
    assert made.shape == (2, 60, 80)
    assert tuple(made.voxel_size) == (40.0, 8.0, 8.0)
    assert made.translation == (1.0, 3.5, 4.5)
    whole = open_output(tmp_path / "out.zarr").label("classes")[:]
    assert whole.min() >= 1
    # Resumed in parts, it is the same.
    job = predict(volume, chosen, tmp_path / "parts.zarr", what=("classes",))
    for event in job:
        if isinstance(event, Step):
            break
    job.close()
    predicted(volume, chosen, tmp_path / "parts.zarr", resume=True)
    assert (open_output(tmp_path / "parts.zarr").label("classes")[:] == whole).all()


def test_nothing_changes_where_sizes_agree_or_are_not_known_or_should_be_ignored(predictor, texture):
    fine = texture((2, 96, 128))
    for size, settings in (
        ((40.0, 7.0, 7.0), "never"),
        ((90.0, 8.0, 8.0), "never"),  # a run that sees single slices
        (None, "never"),
        ((40.0, 4.0, 4.0), "ignore"),
    ):
        volume = Volume.from_arrays([fine], voxel_size=size)
        grid, said = matched(predictor.with_settings(resample=settings), volume)
        assert grid.apply(volume) is volume
        assert said == ()


def test_the_distance_between_slices_counts_where_several_are_seen(predictor, texture):
    predictor.encoder.slices = 3
    volume = Volume.from_arrays([texture((4, 96, 128))], voxel_size=(90.0, 8.0, 8.0))
    with pytest.raises(SettingsError):
        matched(predictor, volume)
    grid, _ = matched(predictor.with_settings(resample="auto"), volume)
    assert grid.apply(volume).shape == (9, 96, 128)


def test_a_worker_computes_on_the_same_grid(predictor, texture, tmp_path, monkeypatch):
    """What a worker opens again is brought to the grid that the client chose."""
    file = tmp_path / "volume.zarr"
    array = zarr.create_array(str(file), shape=(2, 96, 128), chunks=(1, 48, 64), dtype="uint8")
    array[:] = texture((2, 96, 128))
    volume = open_volume(file, voxel_size=(40.0, 5.0, 5.0))
    chosen = predictor.with_settings(resample="auto", planes="xy")
    grid, _ = matched(chosen, volume)
    resampled = grid.apply(volume)
    predicted(volume, chosen, tmp_path / "alone.zarr")
    output = create_output(
        tmp_path / "out.zarr", resampled, image="confidence", provenance={}, chunk=(1, 32, 32)
    )
    intensity = chosen.intensity(resampled)[0]
    work = work_of(resampled, chosen, output.path, ("classes",), intensity, None, grid)
    monkeypatch.setattr(RunFolder, "open", classmethod(lambda cls, path: chosen.run))
    monkeypatch.setattr(RunFolder, "load_encoder", lambda self, device: chosen.encoder)
    monkeypatch.setattr("napari_dense_ssl.predict.cluster._use_own_device", lambda work: None)
    box = Box((0, 0, 0), (1, 60, 80))
    compute(work, (("0/0/0", box),))
    alone = open_output(tmp_path / "alone.zarr").label("classes")[:]
    assert (open_output(tmp_path / "out.zarr").label("classes")[:][box.slices] == alone[box.slices]).all()
