import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
import zarr
from tests.engine.conftest import small_settings

from napari_dense_ssl.core.errors import (
    DeviceMemoryError,
    OutputError,
    RegionError,
    RunError,
    SettingsError,
    VolumeError,
)
from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Preview, Saved, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import View, Watch
from napari_dense_ssl.engine import TrainSettings, masked_clusters, train
from napari_dense_ssl.engine.clustered_pixels import ClusteredPixels
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.readout import Readout
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.model.checkpoint import load_state, load_weights
from napari_dense_ssl.objective.codebook import fit_codebook
from napari_dense_ssl.volume import Volume, open_volume


def test_a_volume_that_goes_away_is_said_and_gone_on_with(
    volume: Volume, settings: TrainSettings, tmp_path: Path
) -> None:
    there, away, run = tmp_path / "volume.zarr", tmp_path / "away.zarr", tmp_path / "run"
    pixels = zarr.create_array(str(there), shape=volume.shape, chunks=(1, 32, 32), dtype="uint8")
    pixels[:] = volume.data.compute()
    many = settings.model_copy(update={"steps": 500})
    job = train(open_volume(there), run, many)
    for event in job:
        if isinstance(event, Step) and event.index == 2:
            there.rename(away)
            break
    with pytest.raises(VolumeError, match=r"volume\.zarr cannot be read .*saved in .*run.*--resume"):
        list(job)
    done = int(RunFolder.open(run).latest().name.removeprefix("step-"))
    assert 2 <= done < 500
    away.rename(there)
    again = many.model_copy(update={"steps": done + 1})
    events = list(train(open_volume(there), run, again, resume=True))
    assert [event.index for event in events if isinstance(event, Step)] == [done + 1]


def test_a_run_is_not_written_into_its_volume(
    volume: Volume, settings: TrainSettings, tmp_path: Path
) -> None:
    there = tmp_path / "volume.zarr"
    zarr.create_array(str(there), shape=volume.shape, chunks=(6, 96, 96), dtype="uint8")[:] = (
        volume.data.compute()
    )
    before = sorted(there.rglob("*"))
    for out, says in (
        (there, "is the input itself"),
        (there / "run", "lies inside the input"),
        (tmp_path, "holds the input"),
    ):
        with pytest.raises(OutputError, match=says):
            list(train(open_volume(there), out, settings))
    assert sorted(there.rglob("*")) == before


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_weights(RunFolder.open(run).latest())


def test_a_run_says_what_it_does_and_leaves_a_run_folder(
    volume: Volume, settings: TrainSettings, tmp_path: Path
) -> None:
    events = list(train(volume, tmp_path / "run", settings))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    steps = [e for e in events if isinstance(e, Step)]
    assert [s.index for s in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[-1].fraction == 1
    assert all(np.isfinite(v) for s in steps for v in s.losses.values())
    assert {"loss", "hidden", "seen", "agreement"} <= set(steps[0].losses)
    notes = [e.message for e in events if isinstance(e, Noted)]
    assert [n.split(" begins")[0] for n in notes] == ["Generation 0", "Generation 1"]
    # What may be stopped often: two beats a step at least.
    assert sum(isinstance(e, Beat) for e in events) >= 2 * len(steps)

    run = tmp_path / "run"
    assert TrainSettings.model_validate(yaml.safe_load((run / "settings.yaml").read_text())) == settings
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("Step") == 6
    assert RunFolder.open(run).load_encoder().classes == 6
    assert list((run / "previews").glob("*.png"))
    assert RunFolder.open(run).voxel_size == (50, 5, 5)


def test_training_lowers_the_loss(volume: Volume, tmp_path: Path) -> None:
    settings = small_settings(steps=60, objective={"generations": 1, "codebook_pixels": 2000, "mask_size": 8})
    losses = [e.losses["seen"] for e in train(volume, tmp_path / "run", settings) if isinstance(e, Step)]
    # The head begins with a closed-form fit, so little is left to gain; uniform guessing costs log 6.
    assert np.mean(losses[:5]) < 0.8 * np.log(6)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


@pytest.mark.parametrize("context", [0, 2])
def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(
    volume: Volume, tmp_path: Path, context: int
) -> None:
    settings = small_settings(context=context, checkpoint_seconds=0)
    for _ in train(volume, tmp_path / "whole", settings):
        pass
    job = train(volume, tmp_path / "cut", settings)
    for event in job:
        if isinstance(event, Step) and event.index == 4:  # in the second generation
            break
    job.close()  # type: ignore[attr-defined]
    assert RunFolder.open(tmp_path / "cut").latest().name == "step-4"
    resumed = [e for e in train(volume, tmp_path / "cut", settings, resume=True) if isinstance(e, Step)]
    assert [e.index for e in resumed] == [5, 6]
    whole, cut = weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    for name, value in whole.items():
        assert torch.equal(value, cut[name]), name


def test_classes_are_fitted_with_care_at_the_end_and_quickly_on_the_way(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[int, bool]] = []
    settle = masked_clusters.MaskedClusters.settle

    def spied(self, step, *, quick=False):  # type: ignore[no-untyped-def]
        fitted.append((step, quick))
        yield from settle(self, step, quick=quick)

    monkeypatch.setattr(masked_clusters.MaskedClusters, "settle", spied)
    saved = [
        e.path.name
        for e in train(volume, tmp_path / "run", small_settings(steps=3, checkpoint_seconds=0))
        if isinstance(e, Saved) and e.path.name.startswith("step-") and e.path.is_dir()
    ]
    assert saved == ["step-1", "step-2", "step-3"]
    assert fitted == [(1, True), (2, True), (3, False)]


def test_a_run_stopped_as_it_has_saved_has_classes_fitted_with_care(volume: Volume, tmp_path: Path) -> None:
    settings = small_settings(checkpoint_seconds=0)
    for event in (job := train(volume, tmp_path / "cut", settings)):
        if isinstance(event, Saved) and event.step == 4:
            break
    quickly = weights_of(tmp_path / "cut")
    job.close()  # type: ignore[attr-defined]
    carefully = weights_of(tmp_path / "cut")
    assert RunFolder.open(tmp_path / "cut").latest().name == "step-4"
    changed = {name for name, value in quickly.items() if not torch.equal(value, carefully[name])}
    assert changed
    assert all(".head." in name or name.endswith("filter_weight") for name in changed)
    lines = [json.loads(line) for line in (tmp_path / "cut" / "events.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "Saved"] == [1, 2, 3, 4, 4]


def test_pretrained_features_are_clustered_beside_the_others(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each generation; a cut run goes on bit for bit, and what is predicted with does not grow."""
    widths: list[tuple[int, tuple[int, ...]]] = []

    def spied(samples, classes, seed, **more):  # type: ignore[no-untyped-def]
        widths.append((samples.shape[1], more["groups"]))
        return fit_codebook(samples, classes, seed, **more)

    monkeypatch.setattr(masked_clusters, "fit_codebook", spied)
    objective = small_settings().objective.model_dump() | {"pretrained": True}
    settings = small_settings(objective=objective, checkpoint_seconds=0)
    list(train(volume, tmp_path / "whole", settings))
    learned, filters = settings.encoder.features, 16
    assert widths == [
        (192 + filters, (192, filters)),
        (learned + 192 + filters, (learned, 192, filters)),
    ]
    job = train(volume, tmp_path / "cut", settings)
    for event in job:
        if isinstance(event, Step) and event.index == 4:  # in the second generation
            break
    job.close()  # type: ignore[attr-defined]
    list(train(volume, tmp_path / "cut", settings, resume=True))
    list(train(volume, tmp_path / "plain", small_settings()))
    whole, cut, plain = (weights_of(tmp_path / name) for name in ("whole", "cut", "plain"))
    for name, value in whole.items():
        assert torch.equal(value, cut[name]), name
    assert {name: value.shape for name, value in whole.items()} == {
        name: value.shape for name, value in plain.items()
    }


def test_kill_minus_nine_leaves_a_run_that_goes_on(volume: Volume, tmp_path: Path) -> None:
    np.save(tmp_path / "volume.npy", np.asarray(volume.data))
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, numpy as np\n"
        "from napari_dense_ssl.engine import train\n"
        "from napari_dense_ssl.volume import Volume\n"
        "from tests.engine.conftest import small_settings\n"
        f"v = Volume.from_arrays([np.load({str(tmp_path / 'volume.npy')!r})], voxel_size=(50, 5, 5))\n"
        f"for e in train(v, {str(tmp_path / 'run')!r}, small_settings(steps=10000, checkpoint_seconds=0)):\n"
        "    print(type(e).__name__, flush=True)\n"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        saved = 0
        for line in process.stdout:
            saved += line.strip() == "Saved"
            if saved == 3:
                break
        time.sleep(0.05)  # into the middle of a step or of a write
        process.send_signal(signal.SIGKILL)
    run = RunFolder.open(tmp_path / "run")
    done = int(load_state(run.latest())["step"])
    assert done >= 3
    settings = small_settings(steps=done + 2, checkpoint_seconds=0)
    steps = [e for e in train(volume, tmp_path / "run", settings, resume=True) if isinstance(e, Step)]
    assert [s.index for s in steps] == [done + 1, done + 2]


def test_closing_saves_what_was_learned(volume: Volume, settings: TrainSettings, tmp_path: Path) -> None:
    job = train(volume, tmp_path / "run", settings)
    for event in job:
        if isinstance(event, Step) and event.index == 2:
            break
    job.close()  # type: ignore[attr-defined]
    assert load_state(RunFolder.open(tmp_path / "run").latest())["step"] == 2


def test_the_live_map_covers_what_is_in_view(volume: Volume, tmp_path: Path) -> None:
    view = Box((3, 10, 20), (4, 60, 90))
    settings = small_settings(preview_seconds=0.2, steps=60)
    events = train(volume, tmp_path / "run", settings, watch=Watch(View(view)))
    previews = [e for e in events if isinstance(e, Preview)]
    assert previews
    assert previews[0].box == view
    assert previews[0].grid.origin == (10, 20)
    assert previews[0].classes.shape == (50, 70)
    assert previews[0].classes.min() >= 1
    assert previews[0].classes.max() <= 6


def test_classes_do_not_hang_on_who_looked_before(volume: Volume, tmp_path: Path) -> None:
    """They are a function of what was learned: live maps, which write classes too, change nothing."""
    settings = small_settings(preview_seconds=0.2, steps=12)
    watch = Watch(View(Box((3, 10, 20), (4, 60, 90))))
    previews = [e for e in train(volume, tmp_path / "seen", settings, watch=watch) if isinstance(e, Preview)]
    list(train(volume, tmp_path / "alone", settings))
    assert previews
    seen, alone = weights_of(tmp_path / "seen"), weights_of(tmp_path / "alone")
    unread = ("teacher.head", "teacher.filter")  # of a teacher, only the pyramid is looked at
    for name in (name for name in alone if not name.startswith(unread)):
        assert torch.equal(alone[name], seen[name]), name


def test_classes_are_told_by_what_surrounds_a_pixel_too(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more, from the classes so far; training does not hang on it, and prediction reads no more."""
    seen: list[tuple[np.ndarray, tuple[int, ...], int]] = []
    refined = ClusteredPixels.refined

    def spied(self, start, samples, groups, seed, votes=1, around=0):  # type: ignore[no-untyped-def]
        seen.append((samples, groups, votes))
        assert around == sum(groups[:-2]) * (len(groups) > 2)
        return refined(self, start, samples, groups, seed, votes, around)

    monkeypatch.setattr(ClusteredPixels, "refined", spied)
    alone, filters = 8, 16  # features of a pixel, and its filters
    targets, plain = [(filters,), (alone, filters)], (alone, filters)
    objective = small_settings().objective.model_dump() | {"filter_votes": 3}
    list(train(volume, tmp_path / "without", small_settings(objective=objective | {"surroundings": 0})))
    assert [groups for _, groups, _ in seen] == [*targets, plain]
    seen.clear()
    list(train(volume, tmp_path / "early", small_settings(objective=objective)))
    assert [groups for _, groups, _ in seen] == [*targets, plain]
    seen.clear()
    list(train(volume, tmp_path / "with", small_settings(objective=objective | {"surroundings_after": 6})))
    assert [groups for _, groups, _ in seen] == [*targets, plain, (6, alone, alone, filters)]
    assert [votes for _, _, votes in seen] == [1, 1, 3, 3]  # of targets, and of classes
    (first, _, _), (second, _, _) = seen[-2:]
    np.testing.assert_array_equal(second[:, 6 + alone :], first)
    np.testing.assert_allclose(np.square(second[:, :6]).sum(axis=1), 1, atol=1e-4)  # shares of six classes
    # What surrounds a pixel is its own feature, smoothed: of the same kind, and varying less.
    around, own = second[:, 6 : 6 + alone], first[:, :alone]
    assert (around.std(axis=0) < own.std(axis=0)).all()
    np.testing.assert_allclose(around.mean(axis=0), own.mean(axis=0), atol=own.std())
    # And of the same places: pixels in another order would not go together.
    together = [np.corrcoef(around[:, k], own[:, k])[0, 1] for k in range(alone)]
    assert np.mean(together) > 0.3
    before, told = weights_of(tmp_path / "without"), weights_of(tmp_path / "with")
    assert {name: value.shape for name, value in before.items()} == {
        name: value.shape for name, value in told.items()
    }
    changed = {name for name in before if not torch.equal(before[name], told[name])}
    assert changed == {"average.head.weight", "average.head.bias", "average.filter_weight"}


def test_classes_are_told_by_many_windows_at_the_end(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few windows are few images: of those, classes are a matter of luck where images differ.

    Each is seen in two views in place of the eight of targets and live maps.
    """
    drawn: list[list[int]] = []
    seen: list[set[int | None]] = []
    sampled, features = ClusteredPixels.sampled, ClusteredPixels.features

    def spied(self: ClusteredPixels, *args: Any, **options: Any) -> Generator[Event, None, Any]:
        seen.append(set())
        found = yield from sampled(self, *args, **options)
        drawn.append([len(taken) for part in found[2] for taken in part.taken])
        return found

    def seen_in(
        self: ClusteredPixels, stack: torch.Tensor, teacher: object, views: int | None = None
    ) -> Generator[Event, None, Any]:
        seen[-1].add(views)
        return features(self, stack, teacher, views)

    monkeypatch.setattr(ClusteredPixels, "sampled", spied)
    monkeypatch.setattr(ClusteredPixels, "features", seen_in)
    objective = small_settings().objective.model_dump() | {"codebook_pixels": 20_000, "generations": 1}
    settings = small_settings(objective=objective, checkpoint_seconds=1e-3, steps=2)
    list(train(volume, tmp_path / "run", settings))
    codebook, *on_the_way, classes = drawn
    inside = 32 * 32  # windows are 48 px wide, of which 8 px along the rim are left out
    assert set(codebook) == {inside}
    assert sum(codebook) >= 20_000 > sum(codebook) - 4 * inside
    assert on_the_way
    assert all(set(quick) == {inside} for quick in on_the_way)
    assert set(classes) == {256}
    assert 10_000 <= sum(classes) < 10_000 + 4 * 256
    assert [*seen[:1], *seen[-1:]] == [{None}, {2}]
    assert all(views == {None} for views in seen[1:-1])


@pytest.mark.parametrize("closed", [False, True])
def test_what_was_learned_is_safe_while_its_classes_are_fitted(
    volume: Volume, settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    """A window that is closed, or a scheduler, may end the process in the midst of that."""
    fit, run = Readout.fit, tmp_path / "run"
    steps: list[int] = []
    heads: list[torch.Tensor] = []

    def kept() -> torch.Tensor:
        checkpoint = RunFolder.open(run).latest()
        steps.append(load_state(checkpoint)["step"])
        return load_weights(checkpoint)["average.head.weight"]

    def spied(self: Readout, step: int, *, quick: bool) -> Generator[Event]:
        heads.append(kept())
        yield from fit(self, step, quick=quick)

    monkeypatch.setattr(Readout, "fit", spied)
    job = train(volume, run, settings)
    if closed:
        next(event for event in job if isinstance(event, Step) and event.index == 4)
        job.close()
    else:
        list(job)
    heads.append(kept())
    assert steps == ([4, 4] if closed else [6, 6])
    before, after = heads
    assert not torch.equal(before, after)


def test_long_trainings_are_saved_too(
    volume: Volume, settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed of a fit grows with the step; beyond 4293 of them it was more than scikit-learn bears."""
    fit = Readout.fit
    late = 100_000
    monkeypatch.setattr(Readout, "fit", lambda self, step, *, quick: fit(self, step + late, quick=quick))
    changes = {"checkpoint_seconds": 0, "objective": settings.objective.model_dump() | {"surroundings": 8}}
    events = list(train(volume, tmp_path / "run", small_settings(**changes)))
    assert isinstance(events[-1], Finished)
    assert [event.step for event in events if isinstance(event, Saved)][-1] == 6


def test_out_of_memory_halves_the_batch_and_says_so(
    volume: Volume, settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [e for e in train(volume, tmp_path / "plain", settings) if isinstance(e, Step)]
    backward = Networks.backward
    failures = iter([True])

    def failing(self: Networks, loss: torch.Tensor, *, last: bool) -> None:
        if next(failures, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        backward(self, loss, last=last)

    monkeypatch.setattr(Networks, "backward", failing)
    events = list(train(volume, tmp_path / "run", settings))
    notes = [e.message for e in events if isinstance(e, Noted)]
    assert any("ran out of memory; going on with 2 crops at a time" in n for n in notes)
    steps = [e for e in events if isinstance(e, Step)]
    assert len(steps) == len(plain)
    saved = next(e for e in events if isinstance(e, Saved))
    assert load_state(saved.path)["splits"] == 2


def test_out_of_memory_with_a_single_crop_ends_with_advice(
    volume: Volume, settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Networks, "backward", failing)
    with pytest.raises(DeviceMemoryError, match="smaller crops"):
        list(train(volume, tmp_path / "run", settings))


def test_the_minutes_end_a_run_and_pauses_do_not_count(volume: Volume, tmp_path: Path) -> None:
    settings = small_settings(minutes=0.05, steps=None)
    paused, begin = 0.0, time.perf_counter()
    for event in train(volume, tmp_path / "run", settings):
        if isinstance(event, Step) and event.index == 2:
            start = time.perf_counter()
            time.sleep(2.0)
            paused = time.perf_counter() - start
    assert isinstance(event, Finished)
    assert paused >= 2.0
    assert 3.0 <= float(event.summary["seconds"]) <= time.perf_counter() - begin - paused


@pytest.mark.parametrize(
    ("voxels", "says"),
    [
        (np.full((4, 96, 96), 7, np.uint8), "the same value everywhere"),
        (np.full((4, 96, 96), np.nan, np.float32), "no finite value"),
    ],
)
def test_a_volume_with_nothing_to_learn_is_refused(
    voxels: np.ndarray, says: str, settings: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(VolumeError, match=says):
        list(train(Volume.from_arrays([voxels]), tmp_path / "run", settings))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(np.uint16, 0, 65535), (np.int16, -3000, 3000), (np.float32, -1.0, 1.0)],
)
def test_other_dtypes_and_stray_values_train(dtype: type, low: float, high: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    voxels = rng.uniform(low, high, (3, 80, 80)).astype(dtype)
    voxels[1] = voxels[1].flat[0]  # a constant slice
    if voxels.dtype.kind == "f":
        voxels[0, :5] = np.nan
    settings = small_settings(steps=2)
    steps = [
        e for e in train(Volume.from_arrays([voxels]), tmp_path / "run", settings) if isinstance(e, Step)
    ]
    assert np.isfinite(steps[-1].losses["loss"])


def test_bf16_trains(volume: Volume, tmp_path: Path) -> None:
    settings = small_settings(precision="bf16", steps=3)
    steps = [e for e in train(volume, tmp_path / "run", settings) if isinstance(e, Step)]
    assert all(np.isfinite(s.losses["loss"]) for s in steps)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"roi": "0:3,0:40,:"}, RegionError, "48 x 48"),
        ({"roi": "0:99,:,:"}, RegionError, "outside"),
        ({"roi": "0:3,:,:", "context": 2}, RegionError, "need 5"),
    ],
)
def test_bad_regions_are_refused_before_anything_is_written(
    volume: Volume, tmp_path: Path, change: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        list(train(volume, tmp_path / "run", small_settings(**change)))
    assert not (tmp_path / "run").exists()


def test_resuming_with_other_settings_is_refused(
    volume: Volume, settings: TrainSettings, tmp_path: Path
) -> None:
    list(train(volume, tmp_path / "run", settings))
    with pytest.raises(SettingsError, match="classes"):
        list(train(volume, tmp_path / "run", small_settings(classes=7), resume=True))
    with pytest.raises(OutputError, match="holds a run already"):
        list(train(volume, tmp_path / "run", settings))
    with pytest.raises(RunError, match="no run folder"):
        list(train(volume, tmp_path / "none", settings, resume=True))


def test_a_run_of_before_a_setting_existed_goes_on(
    volume: Volume, settings: TrainSettings, tmp_path: Path
) -> None:
    list(train(volume, tmp_path / "run", settings))
    file = tmp_path / "run" / "settings.yaml"
    table = yaml.safe_load(file.read_text())
    del table["planes"], table["objective"]["surroundings"], table["objective"]["filter_votes"]
    del table["objective"]["pixel_votes"]
    file.write_text(yaml.safe_dump(table))
    events = list(train(volume, tmp_path / "run", small_settings(steps=7), resume=True))
    assert [e.index for e in events if isinstance(e, Step)] == [7]


def test_the_folder_that_fills_up_keeps_its_last_checkpoint(
    volume: Volume, settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_dense_ssl.model import checkpoint

    job = train(volume, tmp_path / "run", small_settings(checkpoint_seconds=0))
    for event in job:
        if isinstance(event, Saved) and event.step == 2:
            break

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", full)
    with pytest.raises(OutputError, match="--resume"):
        list(job)
    assert RunFolder.open(tmp_path / "run").latest().name == "step-2"


def test_a_finished_run_goes_on_with_a_larger_budget(volume: Volume, tmp_path: Path) -> None:
    run = tmp_path / "run"
    list(train(volume, run, small_settings()))
    more = list(train(volume, run, small_settings(steps=9), resume=True))
    assert [e.index for e in more if isinstance(e, Step)] == [7, 8, 9]
    # Six steps of nine lie in the last generation; three of nine would lie in the first again.
    assert not any("Generation" in e.message for e in more if isinstance(e, Noted))
    assert RunFolder.open(run).settings["steps"] == 9
    far = list(train(volume, run, small_settings(steps=40), resume=True))
    assert not any("Generation" in e.message for e in far if isinstance(e, Noted))
    assert load_state(RunFolder.open(run).latest())["step"] == 40


def test_the_last_checkpoint_of_a_stopped_run_is_told_with_its_time(
    volume: Volume, settings: TrainSettings, tmp_path: Path
) -> None:
    job = train(volume, tmp_path / "run", settings)
    for event in job:
        if isinstance(event, Step) and event.index == 2:
            break
    job.close()  # type: ignore[attr-defined]
    last = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["step"]) == ("Saved", 2)
    assert last["seconds"] == pytest.approx(
        load_state(RunFolder.open(tmp_path / "run").latest())["seconds"], abs=0.1
    )


def test_another_volume_of_the_same_shape_is_refused(
    volume: Volume, settings: TrainSettings, tmp_path: Path
) -> None:
    list(train(volume, tmp_path / "run", settings))
    darker = Volume.from_arrays([np.asarray(volume.data) // 2], voxel_size=(50, 5, 5))
    with pytest.raises(RunError, match="it is another volume"):
        list(train(darker, tmp_path / "run", settings, resume=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["32", "bf16", "16"])
def test_cuda_trains(volume: Volume, tmp_path: Path, precision: str) -> None:
    settings = small_settings(device="cuda", precision=precision, steps=20)
    steps = [e for e in train(volume, tmp_path / "run", settings) if isinstance(e, Step)]
    assert np.isfinite(steps[-1].losses["loss"])
