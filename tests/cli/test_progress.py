"""Following a job: what is shown, and how Ctrl-C ends it."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from napari_dense_ssl.cli.progress import PlainScreen, Stopped, TerminalScreen, duration, follow
from napari_dense_ssl.core.events import Audited, Beat, Event, Finished, Noted, Saved, Started, Step


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (600, "10 min"),
        (601, "10 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def _step(index: int, total: int = 10) -> Step:
    return Step(index, total, index / total, float(total - index), 100.0, {"hidden": 1.5}, 1e-3)


def test_plain_lines_tell_share_time_left_and_losses(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = [
        Started("train", 10, "step", {"device": "CPU, 2 threads"}),
        Beat(),
        Noted("a new generation"),
        *(_step(n) for n in range(1, 11)),
        Saved(Path("RUN/checkpoints/step-10"), 10),
        Finished(Path("RUN"), {"hidden": 1.5}),
    ]
    finished = follow(iter(events), stopped=str)
    out, err = capsys.readouterr()
    assert finished == events[-1]
    assert out == ""
    lines = err.splitlines()
    assert lines[:3] == [
        "train: started: device CPU, 2 threads",
        "train: a new generation",
        "train: step 1 of 10 (10%), 9 s left, hidden 1.5",
    ]
    # Ten steps in no time are two lines: the first and the last.
    assert lines[3:] == [
        "train: step 10 of 10 (100%), 0 s left, hidden 1.5",
        f"train: saved {Path('RUN/checkpoints/step-10')}",
    ]


def test_an_audit_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"content": 0.614, "leak": 0.0041, "effective_classes": 38.2}
    events: list[Event] = [Started("train", 10, "step"), Audited("content", figures, 7), Finished(None)]
    follow(iter(events), stopped=str)
    line = "train: audit: content 0.61, leak 0.004, 38.2 effective classes: content"
    assert capsys.readouterr().err.splitlines()[1:] == [line]


def test_plain_lines_grow_rarer_as_the_job_grows_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("napari_dense_ssl.cli.progress.time.monotonic", lambda: now[0])
    screen = PlainScreen("predict", "tile")
    lines_in_hour = []
    for hour in range(2):
        for second in range(3600):
            now[0] = hour * 3600.0 + second
            screen.step(Step(second, None, 0.5, None, 1.0))
        lines_in_hour.append(len(capsys.readouterr().err.splitlines()))
    assert lines_in_hour[1] == 60
    assert 60 < lines_in_hour[0] < 250


def test_a_terminal_gets_a_bar_with_time_left() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=140, color_system=None)
    with TerminalScreen("train", "step", console) as screen:
        screen.say("a [new] generation")
        screen.step(_step(5))
    text = written.getvalue()
    assert "a [new] generation" in text
    assert "50%" in text
    assert "5 s left" in text
    assert "step 5/10 · hidden 1.5" in text


class Job:
    """A job that interrupts itself, as Ctrl-C would, in the middle of its third step."""

    def __init__(self, presses: int = 1) -> None:
        self.presses = presses
        self.steps = 0
        self.closed_after: int | None = None

    def run(self) -> Iterator[Event]:
        yield Started("train", 10, "step")
        try:
            for n in range(1, 11):
                if n == 3:
                    for _ in range(self.presses):
                        os.kill(os.getpid(), signal.SIGINT)
                self.steps = n
                yield _step(n)
            yield Finished(None)
        finally:
            self.closed_after = self.steps


@pytest.mark.skipif(os.name == "nt", reason="signals cannot be sent to oneself on Windows")
def test_ctrl_c_finishes_the_step_closes_the_job_and_says_how_to_go_on() -> None:
    job = Job()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped, match="go on with --resume, closed after 3"):
        follow(job.run(), stopped=lambda: f"go on with --resume, closed after {job.closed_after}")
    assert job.closed_after == 3
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name == "nt", reason="signals cannot be sent to oneself on Windows")
def test_a_second_ctrl_c_interrupts_at_once() -> None:
    job = Job(presses=2)
    with pytest.raises(KeyboardInterrupt):
        follow(job.run(), stopped=str)
    assert job.closed_after == 2


def test_an_error_of_the_job_passes_and_the_job_is_closed() -> None:
    def job() -> Iterator[Event]:
        yield Started("train", None, "step")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        follow(job(), stopped=str)
