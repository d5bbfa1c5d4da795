"""Prediction by processes of their own: the same bytes as without, and nothing lost when a worker is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.engine.conftest import small_settings

from napari_dense_ssl.core.errors import RunError, SettingsError
from napari_dense_ssl.core.events import Beat, Finished, Noted, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.engine import train
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict import Predictor, PredictSettings, predict
from napari_dense_ssl.predict.cluster import Done, compute, hand_out, work_of
from napari_dense_ssl.volume import Volume, open_output, open_volume

SETTINGS = PredictSettings(tile=64, chunk=32)
SOURCE = "sample:em?shape=6x96x96&seed=1"


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch):
    """The last bits of a convolution depend on the number of threads: the same here and in workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr("napari_dense_ssl.predict.cluster.usable_cores", lambda: 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cluster") / "run"
    for _ in train(open_volume(SOURCE), out, small_settings(steps=2)):
        pass
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("zarr.json", "finished.txt")
    }


def predicted(run: Path, out: Path, **more) -> list:
    return list(
        predict(
            open_volume(SOURCE), run, out, what=("classes", "error"), settings=SETTINGS, device="cpu", **more
        )
    )


class Workers:
    """A scheduler's workers without processes: batches are computed here, some are lost on the way."""

    def __init__(self, lose: int = 0, count: int = 2) -> None:
        self.lose, self.count = lose, count
        self.submitted: list[tuple] = []
        self.cancelled: list = []

    def scheduler_info(self, n_workers: int) -> dict:
        return {"workers": dict.fromkeys(range(self.count))}

    def submit(self, function, work, batch, **_):
        self.submitted.append(batch)
        lost = len(self.submitted) <= self.lose
        return Promise("lost" if lost else "finished", None if lost else function(work, batch))

    def cancel(self, futures) -> None:
        self.cancelled += futures


class Promise:
    def __init__(self, status: str, value) -> None:
        self.status, self.value = status, value

    def result(self):
        return self.value

    def exception(self):
        return self.value


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch):
    """Let `wait` find everything done, and workers take the settings of this process."""

    class Waited:
        def __init__(self, futures) -> None:
            self.done = set(futures)

    monkeypatch.setattr("distributed.wait", lambda futures, **_: Waited(futures))
    monkeypatch.setattr("napari_dense_ssl.predict.cluster._use_own_device", lambda work: None)


@pytest.fixture
def begun(run: Path, tmp_path: Path):
    """An output that nothing is written to yet, and what a worker has to know of it."""
    volume = open_volume(SOURCE)
    predictor = Predictor.open(run, "cpu", settings=SETTINGS)
    job = predict(volume, predictor, tmp_path / "out.zarr")
    next(job)
    job.close()
    work = work_of(
        volume, predictor, tmp_path / "out.zarr", ("classes", "error"), predictor.intensity(volume)[0], 2
    )
    boxes = {f"{z}/0/0": Box((z, 0, 0), (z + 1, 96, 96)) for z in range(6)}
    return work, boxes


def test_each_block_once_though_batches_are_lost(begun, at_once):
    work, boxes = begun
    workers = Workers(lose=1)
    events = list(hand_out(workers, work, boxes))
    done = [key for event in events if isinstance(event, Done) for key in event.sizes]
    assert sorted(done) == sorted(boxes)
    assert workers.submitted[0] in workers.submitted[1:], "the lost batch is given to another"
    assert any(isinstance(event, Beat) for event in events)
    assert open_output(Path(work.out)).label()[:].min() >= 1


def test_no_more_is_in_flight_than_workers_need(begun, at_once, monkeypatch):
    work, _ = begun
    workers = Workers(count=2)
    made = []

    def counted(key: int):
        made.append(key)
        return Box((0, 0, 0), (1, 1, 1))

    class Endless(dict):
        def items(self):
            return ((str(i), counted(i)) for i in range(1_000_000))

    monkeypatch.setattr("napari_dense_ssl.predict.cluster.compute", lambda work, batch: Done({}, None, None))
    job = hand_out(workers, work, Endless())
    next(job)
    job.close()
    assert len(made) == 2 * 3 * 4, "for each of two workers three batches of four blocks"


def test_it_says_so_when_there_is_no_worker(begun, monkeypatch):
    work, boxes = begun

    def never(futures, **_):
        raise TimeoutError

    monkeypatch.setattr("distributed.wait", never)
    monkeypatch.setattr("napari_dense_ssl.predict.cluster._ALONE", 0.2)
    workers = Workers(count=0)
    workers.submit = lambda *_, **__: Promise("pending", None)
    job = hand_out(workers, work, boxes)
    first = next(event for event in job if not isinstance(event, Beat))
    assert isinstance(first, Noted)
    assert "no worker" in first.message
    job.close()
    assert workers.cancelled


def test_a_worker_refuses_a_run_that_was_trained_on(begun, at_once, run: Path, monkeypatch):
    work, boxes = begun
    monkeypatch.setattr(RunFolder, "fingerprint", lambda self: "another")
    monkeypatch.setattr("napari_dense_ssl.predict.cluster._bench", None)
    with pytest.raises(RunError, match="another checkpoint"):
        compute(work, tuple(boxes.items())[:1])


def test_what_workers_cannot_do_is_said_before_anything_is_made(run: Path, tmp_path: Path, cpu, monkeypatch):
    monkeypatch.setattr("napari_dense_ssl.predict.cluster._ANSWER", "1s")
    volume, out = open_volume(SOURCE), tmp_path / "out.zarr"
    in_memory = Volume.from_arrays([np.random.default_rng(0).integers(0, 255, (2, 96, 96), np.uint8)])
    without_run = Predictor(Predictor.open(run, "cpu").encoder, cpu)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    for pixels, network, asked, says in (
        (in_memory, run, {"workers": 2}, "lies in this program's memory"),
        (volume, without_run, {"workers": 2}, "from a run folder"),
        (volume, run, {"workers": 2, "scheduler": nobody}, "not both"),
        (volume, run, {"workers": 0}, "expected 1 or more"),
        (volume, run, {"scheduler": nobody}, "No scheduler answers"),
    ):
        with pytest.raises(SettingsError, match=says):
            list(predict(pixels, network, out, **asked))
        assert not out.exists()


def test_two_processes_write_what_one_writes_and_a_killed_one_is_replaced(run: Path, tmp_path: Path):
    alone = predicted(run, tmp_path / "alone.zarr")
    job = predict(open_volume(SOURCE), run, tmp_path / "two.zarr", settings=SETTINGS, device="cpu", workers=2)
    events, killed = [], False
    for event in job:
        events.append(event)
        if isinstance(event, Step) and not killed:
            killed = True
            os.kill(_workers_of(os.getpid())[0], signal.SIGKILL)
    assert killed
    assert files(tmp_path / "two.zarr") == files(tmp_path / "alone.zarr")
    assert any(isinstance(e, Noted) and "http://127.0.0.1" in e.message for e in events)
    figures = [e.summary for each in (alone, events) for e in each if isinstance(e, Finished)]
    assert figures[0]["mean_error"] == pytest.approx(figures[1]["mean_error"])
    assert figures[0]["pixels"] == figures[1]["pixels"] == 6 * 96 * 96


def test_a_killed_client_is_resumed_to_the_same_bytes(run: Path, tmp_path: Path):
    predicted(run, tmp_path / "alone.zarr")
    out = tmp_path / "two.zarr"
    script = tmp_path / "client.py"
    script.write_text(
        "from napari_dense_ssl import open_volume, predict\n"
        "from napari_dense_ssl.predict import PredictSettings\n"
        "from napari_dense_ssl.predict import cluster\n"
        "cluster.usable_cores = lambda: 1\n"
        "if __name__ == '__main__':\n"
        f"    for event in predict(open_volume({SOURCE!r}), {str(run)!r}, {str(out)!r}, device='cpu',\n"
        "                         settings=PredictSettings(tile=64, chunk=32), workers=1):\n"
        "        print(type(event).__name__, flush=True)\n"
    )
    client = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    for line in client.stdout:
        if line.strip() == "Step":
            client.kill()
            break
    client.wait()
    client.stdout.close()
    assert not open_output(out).is_complete
    predicted(run, out, resume=True)
    assert files(out) == files(tmp_path / "alone.zarr")


def _workers_of(process: int) -> list[int]:
    import psutil

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [
            child.pid
            for child in psutil.Process(process).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
        if found:
            return found
    raise AssertionError("no worker was found")


def test_workers_average_three_planes_to_the_same_bytes(run: Path, tmp_path: Path):
    settings = PredictSettings(planes="ortho", chunk=32, memory=1, symmetries=1, shifts=())
    source = "sample:em?shape=32x32x96&seed=1"
    what = ("classes", "error")

    def written(name: str, **more) -> list:
        volume = open_volume(source)
        return list(predict(volume, run, tmp_path / name, what=what, settings=settings, device="cpu", **more))

    assert written("alone.zarr")[0].total > 1
    written("two.zarr", workers=2)
    assert files(tmp_path / "two.zarr") == files(tmp_path / "alone.zarr")
