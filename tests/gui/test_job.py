"""The border between thread and window, trap by trap (see the docstring of gui/job.py)."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from superqt.utils import GeneratorWorker

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.core.events import Beat, Event, Finished, Noted, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box, Grid
from napari_dense_ssl.gui import job as job_module
from napari_dense_ssl.gui.job import Job, JobWorker, Mailbox, Outcome, close_all

MAIN = threading.main_thread()


def step(index: int) -> Step:
    return Step(index, None, 0.0, None, 1.0)


def preview(z: int, value: int, y: int = 0) -> Preview:
    box = Box((z, y, 0), (z + 1, y + 4, 4))
    return Preview(z, box, Grid((y, 0)), np.full((4, 4), value, np.uint8))


def endless(log: list[str]) -> Iterator[Event]:
    """Beats until it is closed; `log` tells in which thread its cleanup ran."""
    try:
        yield Started("train", None, "step")
        while True:
            time.sleep(0.002)
            yield Beat()
    finally:
        log.append(threading.current_thread().name)


def run(qtbot, start: Callable[[], Iterator[Event]], timeout: int = 20_000) -> tuple[Job, list[Event]]:
    """Run a job to its end, for `timeout` ms at most; return it and the events that arrived."""
    job, events = Job("Training", start), []
    job.happened.connect(events.append)
    with qtbot.waitSignal(job.ended, timeout=timeout):
        job.start()
    return job, events


def errors_shown() -> list[str]:
    return [str(n.message) for n in notification_manager.records if str(n.severity) == "error"]


@pytest.fixture(autouse=True)
def no_old_notifications():
    notification_manager.records.clear()
    yield
    assert close_all()
    notification_manager.records.clear()


def test_events_arrive_in_order_in_the_main_thread(qtbot):
    threads: set[threading.Thread] = set()
    made_in: list[threading.Thread] = []

    def start() -> Iterator[Event]:
        made_in.append(threading.current_thread())
        return iter([Started("train", 3, "step"), step(1), Beat(), step(2), Noted("hm"), Finished(None)])

    job = Job("Training", start)
    events: list[Event] = []
    job.happened.connect(lambda event: (events.append(event), threads.add(threading.current_thread())))
    with qtbot.waitSignal(job.ended, timeout=20_000) as ended:
        job.start()
    assert [type(e).__name__ for e in events] == ["Started", "Step", "Step", "Noted", "Finished"]
    assert threads == {MAIN}
    assert made_in[0] is not MAIN
    assert ended.args == [Outcome.FINISHED]
    assert not job.running
    assert errors_shown() == []


def out_of_memory() -> Iterator[Event]:
    yield Beat()
    error = type("OutOfMemoryError", (RuntimeError,), {})  # as torch's own, without importing torch
    raise error("CUDA out of memory")


def stray_stop_iteration() -> Iterator[Event]:
    yield Beat()
    next(iter(()))


def runtime_error() -> Iterator[Event]:
    yield Beat()
    raise RuntimeError("a bug")


def own_error() -> Iterator[Event]:
    yield Beat()
    raise VolumeError("There is no x.tif. Choose a file that exists.")


def cannot_begin() -> Iterator[Event]:
    raise VolumeError("There is no y.tif. Choose a file that exists.")


def bad_cleanup() -> Iterator[Event]:
    try:
        yield Beat()
    finally:
        raise RuntimeError("cleanup failed")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (out_of_memory, "The device ran out of memory."),
        (stray_stop_iteration, "a bug (RuntimeError: generator raised StopIteration)"),
        (runtime_error, "stopped on a bug (RuntimeError: a bug)"),
        (own_error, "There is no x.tif. Choose a file that exists."),
        (cannot_begin, "There is no y.tif. Choose a file that exists."),
        (bad_cleanup, "stopped on a bug (RuntimeError: cleanup failed)"),
    ],
)
def test_no_error_is_lost(qtbot, start, said):
    job, _ = run(qtbot, start)
    assert job.outcome is Outcome.FAILED
    assert said in job.message
    assert errors_shown() == [job.message]


def test_a_bug_keeps_its_traceback(qtbot):
    run(qtbot, runtime_error)
    (notification,) = notification_manager.records
    assert "in runtime_error" in notification.as_text()


def test_frames_of_a_failed_job_let_go_of_their_arrays(qtbot):
    import gc
    import weakref

    class Array:
        pass

    kept: list[weakref.ref[Array]] = []

    def start() -> Iterator[Event]:
        array = Array()
        kept.append(weakref.ref(array))
        yield Beat()
        raise RuntimeError(f"{id(array)}")

    run(qtbot, start)
    gc.collect()
    assert notification_manager.records
    assert kept[0]() is None


def test_an_ended_job_is_let_go_by_a_window_that_lists_its_tasks(qtbot, make_napari_viewer):
    import gc
    import weakref

    class Volume:
        pass

    viewer = make_napari_viewer()
    volume = Volume()

    def start(volume: Volume = volume) -> Iterator[Event]:
        yield Finished(None)

    job, _ = run(qtbot, start)
    stopped = Job("Training", start)
    stopped.stop()  # before its thread has begun
    with qtbot.waitSignal(stopped.ended, timeout=20_000):
        stopped.start()
    kept = [weakref.ref(job), weakref.ref(stopped), weakref.ref(volume)]
    del job, stopped, volume, start
    qtbot.wait(10)
    gc.collect()
    assert [reference() for reference in kept] == [None, None, None]
    del viewer


def test_superqt_alone_loses_runtime_errors():
    # The reason for JobWorker: where superqt mends this, the class can go.
    def work() -> Iterator[None]:
        yield
        raise RuntimeError("lost")

    assert isinstance(GeneratorWorker(work).work(), RuntimeError)


def test_superqt_still_has_what_the_worker_leans_on():
    def work() -> Iterator[None]:
        yield

    worker = JobWorker(work)
    assert worker._gen.gi_frame is not None
    assert worker._abort_requested is False
    assert worker._running is False
    assert {"_finished", "errored", "finished", "started", "returned"} <= set(dir(worker.signals))


def test_stop_closes_the_generator_in_its_own_thread(qtbot):
    log: list[str] = []
    job = Job("Training", lambda: endless(log))
    with qtbot.waitSignal(job.happened, timeout=20_000):
        job.start()
    with qtbot.waitSignal(job.ended, timeout=20_000) as ended:
        job.stop()
    assert ended.args == [Outcome.STOPPED]
    assert log
    assert log != [MAIN.name]


def test_pause_and_resume(qtbot):
    count = [0]

    def start() -> Iterator[Event]:
        while True:
            count[0] += 1
            yield Beat()
            time.sleep(0.001)

    job = Job("Training", start)
    job.start()
    qtbot.waitUntil(lambda: count[0] > 3)
    job.pause()
    qtbot.wait(100)
    before = count[0]
    qtbot.wait(200)
    assert count[0] == before
    assert job.paused
    assert job.running
    job.resume()
    qtbot.waitUntil(lambda: count[0] > before + 3)
    job.pause()
    job.resume()  # before the worker has noticed: must not leave it paused
    before = count[0]
    qtbot.waitUntil(lambda: count[0] > before + 3)
    job.pause()
    assert job.close(5), "a paused job stops as well"


def test_close_waits_a_bounded_time(qtbot):
    release = threading.Event()

    def stuck() -> Iterator[Event]:
        yield Beat()
        release.wait(20)
        yield Beat()

    job = Job("Training", stuck)
    job.start()
    qtbot.wait(100)
    begin = time.monotonic()
    assert not job.close(0.3)
    assert time.monotonic() - begin < 10, "it waited for the job's 20 s"
    with qtbot.waitSignal(job.ended, timeout=20_000):
        release.set()


def test_more_jobs_than_cores_run_at_once(qtbot):
    logs: list[list[str]] = [[] for _ in range(6)]
    jobs = [Job("Training", lambda log=log: endless(log)) for log in logs]
    started: set[int] = set()
    for number, job in enumerate(jobs):
        job.happened.connect(lambda _, number=number: started.add(number))
        job.start()
    qtbot.waitUntil(lambda: len(started) == 6)
    assert close_all()
    assert all(logs)


def test_warning_filters_are_left_alone(qtbot):
    before = list(warnings.filters), warnings.showwarning
    seen: list[bool] = []

    def start() -> Iterator[Event]:
        seen.append((list(warnings.filters), warnings.showwarning) == before)
        yield Beat()

    run(qtbot, start)
    assert seen == [True]
    assert (list(warnings.filters), warnings.showwarning) == before


def test_a_flood_keeps_every_step_and_the_latest_previews_only(qtbot):
    def flood() -> Iterator[Event]:
        for index in range(20_000):
            yield step(index)
            yield preview(z=index % 2, value=index % 200)

    _, events = run(qtbot, flood, timeout=60_000)
    previews = [e for e in events if isinstance(e, Preview)]
    steps = [e.index for e in events if isinstance(e, Step)]
    assert len(previews) < 10_000
    assert previews[-1].classes[0, 0] == 19_999 % 200
    assert steps == sorted(steps)
    assert steps[-1] == 19_999


def test_a_delivery_gives_the_window_back_when_its_time_is_up(qtbot, monkeypatch: pytest.MonkeyPatch):
    """On a clock of its own, which each look moves by a millisecond: the machine's load does not matter."""
    looks = itertools.count()
    monkeypatch.setattr(job_module, "time", SimpleNamespace(monotonic=lambda: next(looks) / 1000))
    flooded, let_go = threading.Event(), threading.Event()

    def flood() -> Iterator[Event]:
        for index in range(100):
            yield step(index)
        flooded.set()
        let_go.wait(20)
        yield Beat()

    job, order = Job("Training", flood), []
    deliver = job._deliver
    job._timer.timeout.disconnect()
    job.happened.connect(order.append)
    job.start()
    assert flooded.wait(20)
    counts = []
    while len(order) < 100:
        before = len(order)
        deliver()
        counts.append(len(order) - before)
    assert counts[0] == 16, "15 ms of the window's time, one a look, and the event that comes after them"
    assert max(counts) == 16
    assert [e.index for e in order] == list(range(100))
    let_go.set()
    with qtbot.waitSignal(job.ended, timeout=20_000):
        pass


def test_mailbox_keeps_the_newest_preview_of_each_place():
    box = Mailbox()
    for event in (preview(0, 1), preview(1, 2), step(1), preview(0, 3), preview(0, 4, y=4), Beat()):
        box.put(event)
    taken = []
    while (event := box.take()) is not None:
        taken.append(event)
    found = [(type(e).__name__, getattr(e, "z", None), getattr(e, "classes", [[0]])[0][0]) for e in taken]
    assert found == [("Preview", 1, 2), ("Step", None, 0), ("Preview", 0, 3), ("Preview", 0, 4)]


def test_mailbox_is_bounded_in_steps():
    box = Mailbox(steps=3)
    box.put(Noted("first"))
    for index in range(10):
        box.put(step(index))
    assert box.take() == Noted("first")
    assert [box.take().index for _ in range(3)] == [7, 8, 9]
    assert box.take() is None


def test_napari_asks_before_closing_the_window_and_stops_the_job(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    log: list[str] = []
    job = Job("Training", lambda: endless(log))
    with qtbot.waitSignal(job.happened, timeout=20_000):
        job.start()
    assert any("Dense SSL: Training" in task for task in viewer.window._task_status_manager.get_status())
    with qtbot.waitSignal(job.ended, timeout=20_000):
        viewer.close()
    assert log
    assert log != [MAIN.name]


QUIT = """
import sys, time, warnings
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.gui.job import Job

mark = Path(sys.argv[1])
how = sys.argv[2]

def endless():
    try:
        while True:
            time.sleep(0.05)
            yield Beat()
    finally:
        mark.write_text("closed")

def stuck():
    yield Beat()
    time.sleep(60)

viewer = napari.Viewer(show=how != "no loop")
job = Job("Training", stuck if how == "stuck" else endless)
job.start()
begin = []
if how == "no loop":
    time.sleep(0.3)
else:
    def leave():
        begin.append(time.monotonic())
        viewer.close() if how == "window" else QApplication.instance().quit()
    QTimer.singleShot(500, leave)
    napari.run()
print("left", time.monotonic() - (begin[0] if begin else time.monotonic()), flush=True)
"""


@pytest.mark.parametrize("how", ["application", "window", "no loop", "stuck"])
def test_napari_quits_within_five_seconds_of_a_running_job(tmp_path: Path, how: str):
    script, mark = tmp_path / "quit.py", tmp_path / "mark"
    script.write_text(QUIT)
    command = [sys.executable, str(script), str(mark), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=45, check=False)
    assert done.returncode == 0, done.stderr
    out, err = done.stdout, done.stderr
    # Five seconds from quitting to leaving the event loop are promised; the rest is for a busy machine.
    assert float(out.split()[-1]) < 15
    assert "left" in out
    assert mark.exists() is (how != "stuck"), err
