"""How often the live map is made, and what happens where it does not fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.engine.conftest import small_settings

from napari_dense_ssl.core.events import Beat, Event, Noted
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import View, Watch
from napari_dense_ssl.engine import live_maps
from napari_dense_ssl.engine.live_maps import LiveMaps
from napari_dense_ssl.engine.pace import Pace

VIEW = View(Box((3, 0, 0), (4, 96, 96)))


def test_the_first_look_waits_its_time():
    pace = Pace(4.0, 0.05, now=100.0)
    assert not pace.due(103.9)
    assert pace.due(104.0)


def test_a_costly_look_is_followed_by_a_long_pause_and_a_cheap_one_by_a_short_one():
    pace = Pace(4.0, 0.05, now=0.0)
    pace.took(10.0, 12.0)  # 2 s are 5 % of 40 s, of which 38 s are left
    assert not pace.due(12.0 + 37.9)
    assert pace.due(12.0 + 38.1)
    pace.took(60.0, 60.1)
    assert not pace.due(64.0)
    assert pace.due(64.11)


@pytest.mark.parametrize("share", [0.04, 0.05, 0.5])
def test_looks_never_take_more_than_their_share(share):
    """Looks of any cost, each begun as soon as it may: at every moment their sum is within the share."""
    costs = np.random.default_rng(0).lognormal(0, 2, 300)
    pace, now, spent = Pace(0.2, share, now=0.0), 0.0, 0.0
    for cost in costs:
        while not pace.due(now):
            now += 0.05
        assert spent <= share * now + 1e-9
        pace.took(now, now + cost)
        now, spent = now + cost, spent + cost


class Clock:
    """A budget whose time the test moves."""

    def __init__(self) -> None:
        self.seconds, self.done = 0.0, 7


def maps(clock: Clock, watch: Watch) -> LiveMaps:
    networks = SimpleNamespace(device=SimpleNamespace(kind="cpu"), averaged_encoder=None, world=1)
    pretext = SimpleNamespace(settle=lambda step, quick: iter([Beat()]))
    settings = small_settings(preview_seconds=4.0)
    return LiveMaps(settings, networks, pretext, None, None, watch, clock)  # type: ignore[arg-type]


def drawn(clock: Clock, seconds: float) -> Callable[..., Iterator[Event]]:
    def preview(*_: object) -> Iterator[Event]:
        clock.seconds += seconds
        yield Noted("drawn")

    return preview


def test_a_map_is_due_only_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, watch = Clock(), Watch()
    live = maps(clock, watch)
    clock.seconds = 4.0
    assert not live.due
    assert list(live.look()) == []
    watch.look(VIEW)
    assert live.due
    monkeypatch.setattr(live_maps, "preview", drawn(clock, 1.0))
    assert list(live.look()) == [Beat(), Noted("drawn")]
    clock.seconds = 5.0 + 18.9  # 1 s is a twentieth of 20 s
    assert not live.due
    clock.seconds = 5.0 + 19.1
    assert live.due


def test_a_pause_in_the_middle_of_a_map_is_not_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is the budget's, which stands still while a person has paused the training."""
    clock = Clock()
    live = maps(clock, Watch(VIEW))
    clock.seconds = 4.0
    monkeypatch.setattr(live_maps, "preview", drawn(clock, 0.0))
    for _ in live.look():
        time.sleep(0.01)  # a pause, of any length
    clock.seconds += 4.0
    assert live.due


def test_a_map_that_does_not_fit_is_made_in_smaller_tiles_then_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    windows: list[object] = []

    def too_large(*arguments: object) -> Iterator[Event]:
        windows.append(arguments[-1])
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(live_maps, "preview", too_large)
    clock = Clock()
    live, events = maps(clock, Watch(VIEW)), []
    for _ in range(20):
        clock.seconds += 10.0
        if live.due:
            events += [event for event in live.look() if isinstance(event, Noted)]
    assert windows == [560, 280, 140]
    (note,) = events
    assert note.lasting
    assert "no room for the live map" in note.message
