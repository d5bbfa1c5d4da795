"""Learning, small enough for seconds: what it yields, that it repeats, that labels do not leak into it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.events import Finished, Pictured, Saved, Started, Step
from napari_dense_ssl.playground.digits import (
    DigitsResult,
    DigitsSettings,
    DigitsView,
    learn_digits,
    read_digits,
)
from napari_dense_ssl.playground.digits.pace import Pace

TINY = DigitsSettings(epochs=1, width=4, batch=32, device="cpu", threads=1, preview_seconds=1000)


@pytest.fixture(scope="module")
def digits():
    """A part of the bundled digits."""
    whole = read_digits()
    return dataclasses.replace(
        whole,
        fit=whole.fit[:320],
        fit_labels=whole.fit_labels[:320],
        test=whole.test[:100],
        test_labels=whole.test_labels[:100],
    )


def result_of(events) -> DigitsResult:
    (result,) = [e.picture for e in events if isinstance(e, Pictured) and isinstance(e.picture, DigitsResult)]
    return result


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    """Events and folder of one run."""
    out = tmp_path_factory.mktemp("digits") / "new" / "folder"
    return list(learn_digits(digits, TINY, out)), out


def test_events_come_in_order_and_count_both_phases(run) -> None:
    events, out = run
    assert isinstance(events[0], Started)
    steps = [event for event in events if isinstance(event, Step)]
    assert events[0].total == len(steps) == 10 + 2, (
        "320 images in batches of 32, then a quarter for the decoder"
    )
    assert [step.index for step in steps] == list(range(1, 13))
    assert [set(step.losses) for step in steps] == 10 * [{"cosine_loss", "redundancy"}] + 2 * [{"mse"}]
    assert steps[-1].fraction == 1
    first = next(event.picture for event in events if isinstance(event, Pictured))
    assert isinstance(first, DigitsView)
    assert first.triplets.reconstructed is None
    assert isinstance(events[-1], Finished)
    assert events[-1].path == out
    assert events[-1].summary["knn_accuracy"] == result_of(events).knn.accuracy


def test_what_is_written(run) -> None:
    events, out = run
    names = {"figures.json", "pca.png", "reconstructions.png", "loss.png", "networks.safetensors"}
    assert {path.name for path in out.iterdir()} == names
    assert {event.path.name for event in events if isinstance(event, Saved)} == names
    figures = json.loads((out / "figures.json").read_text())
    assert set(figures["knn"]) == set(figures["raw_knn"]) == {"accuracy", "precision", "recall", "f1"}
    assert DigitsSettings.model_validate(figures["settings"]) == TINY
    assert any(name.startswith("encoder.") for name in load_file(out / "networks.safetensors"))


def test_pictures_show_what_they_say(digits, run) -> None:
    view = result_of(run[0]).view
    np.testing.assert_array_equal(view.labels, digits.test_labels)
    assert view.points.shape == (100, 2)
    rows = dict(view.triplets.rows)
    assert list(rows) == ["original", "perturbed", "reconstructed"]
    assert not np.allclose(rows["original"], rows["perturbed"])
    assert len({row.shape for row in rows.values()}) == 1


def test_same_seed_same_figures_and_torch_is_left_alone(digits, run) -> None:
    state, first = torch.get_rng_state(), result_of(run[0])
    again = result_of(learn_digits(digits, TINY))
    assert again.knn == first.knn
    assert again.losses == first.losses
    np.testing.assert_array_equal(again.view.points, first.view.points)
    assert torch.equal(state, torch.get_rng_state())
    other = result_of(learn_digits(digits, TINY.model_copy(update={"seed": 1})))
    assert other.losses != first.losses


def test_labels_and_test_images_do_not_reach_the_training(digits, run) -> None:
    rng = np.random.default_rng(0)
    shuffled = dataclasses.replace(
        digits, fit_labels=rng.permutation(digits.fit_labels), test=255 - digits.test
    )
    result = result_of(learn_digits(shuffled, TINY))
    assert result.losses == result_of(run[0]).losses
    assert result.knn.accuracy < 0.3, "neighbours with shuffled labels tell nothing"


def test_stopping_keeps_the_weights_and_writes_no_figures(digits, tmp_path) -> None:
    (tmp_path / "figures.json").write_text("of an older run")
    job = learn_digits(digits, TINY, tmp_path)
    for event in job:
        if isinstance(event, Step) and event.index == 3:
            break
    job.close()
    assert [path.name for path in tmp_path.iterdir()] == ["networks.safetensors"]


def test_a_place_that_cannot_be_written_is_refused_before_learning(digits, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        next(learn_digits(digits, TINY, tmp_path / "file" / "folder"))


def test_a_budget_of_minutes_ends_both_phases(digits) -> None:
    settings = TINY.model_copy(update={"epochs": None, "minutes": 0.02})
    events = list(learn_digits(digits, settings))
    kinds = {name for event in events if isinstance(event, Step) for name in event.losses}
    assert kinds == {"cosine_loss", "redundancy", "mse"}
    assert events[0].total is None


def test_settings_hold_one_budget_and_choose_one_by_the_number_of_images() -> None:
    with pytest.raises(ValueError, match="not both"):
        DigitsSettings(epochs=1, minutes=1)
    assert DigitsSettings().epochs_for(60_000) == 10
    assert DigitsSettings().epochs_for(1297) == 40
    assert DigitsSettings().epochs_for(10**7) == 1
    assert DigitsSettings(epochs=3).epochs_for(60_000) == 3


def test_pace_counts_two_phases() -> None:
    pace = Pace(20, None, 0.1)
    assert pace.total == 22
    shares = []
    while (share := pace.begin(1)) < 1:
        shares.append(share)
        pace.step_done()
    assert shares == [step / 20 for step in range(20)]
    assert pace.fraction == pytest.approx(20 / 22)
    assert pace.begin(2) == 0
    pace.step_done()
    assert pace.begin(2) == 0.5
    pace.step_done()
    assert pace.begin(2) == pace.fraction == 1


def test_pace_in_minutes_leaves_out_the_time_between_steps(monkeypatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    pace = Pace(None, 1.0, 0.5)  # 40 s, then 20 s
    assert pace.begin(1) == 0
    clock[0] = 10
    pace.step_done()
    clock[0] = 500  # a pause
    assert pace.begin(1) == pytest.approx(10 / 40)
    assert pace.seconds_left == pytest.approx(50)
    clock[0] = 530
    pace.step_done()
    assert pace.begin(1) == 1
    assert pace.begin(2) == 0
    assert pace.total is None
