"""Training as a generator of events."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pytest
import torch

from napari_dense_ssl.core.events import Event, Finished, Pictured, Started, Step, event_record
from napari_dense_ssl.playground import (
    MODELS,
    Frame,
    Row,
    Scene,
    compare_methods,
    gaussians,
    markdown_table,
    play,
    playground_settings,
)

SMALL = {"points": 400, "batch": 200, "epochs": 3, "width": 8, "frames": 3, "resolution": 12, "walkers": 20}


def frames_of(events: Iterable[Event]) -> list[Frame]:
    return [e.picture for e in events if isinstance(e, Pictured) and isinstance(e.picture, Frame)]


@pytest.mark.parametrize("name", MODELS)
def test_every_method_runs_from_its_start_to_its_figures(name: str) -> None:
    events = list(play(playground_settings(name, **SMALL)))
    assert isinstance(events[0], Started)
    assert isinstance(events[1], Pictured)
    scene = events[1].picture
    assert isinstance(scene, Scene)
    assert isinstance(events[2], Pictured), "the first picture comes before the first step"
    assert scene.truth.shape == (12, 12)
    frames = frames_of(events)
    assert [frame.step for frame in frames][:3] == [0, 2, 6]
    assert frames[0].landscape.shape == (12, 12)
    assert frames[0].arrows.shape == scene.arrow_places.shape
    assert frames[0].walkers.shape == (20, 2)
    assert (frames[0].embedding is None) == (name == "dsm")
    assert frames[-1].caption.startswith("sampling")
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].index == steps[-1].total == 6
    assert all(np.isfinite(value) for value in steps[-1].losses.values())
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert all(np.isfinite(value) for value in finished.summary.values())
    json.dumps([event_record(event) for event in events])


def test_the_same_seed_gives_the_same_run_and_leaves_torchs_own_alone() -> None:
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    runs = [list(play(playground_settings("dsm", **SMALL, seed=seed))) for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), state)
    first, again, other = (frames_of(run)[-1] for run in runs)
    np.testing.assert_array_equal(first.landscape, again.landscape)
    np.testing.assert_array_equal(first.walkers, again.walkers)
    assert runs[0][-1] == runs[1][-1]
    assert not np.array_equal(first.landscape, other.landscape)


def test_a_mixture_of_ones_own_and_an_embedding_in_three_dimensions() -> None:
    truth = gaussians([(0, 0), (4, 0), (0, 4), (4, 4), (9, 9)])
    events = list(play(playground_settings("vicreg", **SMALL, embedding=3), truth))
    (scene,) = [e.picture for e in events if isinstance(e, Pictured) and isinstance(e.picture, Scene)]
    assert set(scene.labels) == {0, 1, 2, 3, 4}
    embedding = frames_of(events)[-1].embedding
    assert embedding is not None
    assert embedding.shape == (400, 3)


def test_score_matching_learns_the_seeds_mixture() -> None:
    """A third of the default budget, on the way to the figures of docs/playground.md."""
    events = list(play(playground_settings("dsm", epochs=12, frames=1, walkers=0)))
    figures = events[-1].summary  # type: ignore[union-attr]
    assert figures["score_error_trained"] < 0.12
    assert figures["modes_found"] == 3
    assert figures["rank_correlation_box"] > 0.97


def test_basic_jepa_collapses_and_is_cured() -> None:
    def figures(**values: str) -> dict[str, float]:
        settings = playground_settings("jepa-basic", epochs=8, frames=1, walkers=0, **values)
        return dict(list(play(settings))[-1].summary)  # type: ignore[union-attr]

    collapsed, cured = figures(), figures(regulariser="vicreg")
    assert collapsed["spread"] < 0.05
    assert cured["effective_rank"] > 1.8
    assert cured["spread"] > 0.5


def test_a_table_has_a_row_a_method_with_mean_and_deviation() -> None:
    rows: list[Row] = []
    events = list(compare_methods(["jepa-ema without predictor", "lejepa"], range(2), rows, **SMALL_TABLE))
    assert sum(isinstance(event, Step) for event in events) == 4
    assert [row.name for row in rows] == ["jepa-ema without predictor", "lejepa"]
    record = rows[1].as_dict()
    assert record["mean"]["knn"] == pytest.approx(rows[1].figures["knn"].mean())
    lines = markdown_table(rows).splitlines()
    assert lines[0].startswith("| method | k-NN |")
    assert lines[3].startswith("| lejepa | ")


SMALL_TABLE = {
    name: value for name, value in SMALL.items() if name not in ("frames", "walkers", "resolution")
}
