"""Going on with a run of before, through the dock."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import napari_dense_ssl.engine
from napari_dense_ssl.engine.settings import TrainSettings
from napari_dense_ssl.gui.layers import layer_source
from napari_dense_ssl.gui.past_run import PastRun
from napari_dense_ssl.gui.remember import add_recent, recent
from napari_dense_ssl.gui.train_dock import TrainState

from .fakes import FakeTrain

SETTINGS = {"classes": 9, "minutes": 10.0, "roi": "1:5,0:96,0:128", "recipe": "dense-swav"}


def step(index: int, loss: float) -> dict[str, object]:
    return {"event": "Step", "index": index, "fraction": index / 400, "losses": {"loss": loss}}


def write_run(folder: Path, shape=(6, 96, 128), source: str = "the layer em", **changes: object) -> Path:
    """Write the records of a run of 200 steps, of which a checkpoint holds 100 after five minutes."""
    table = {"recipe": "dense-swav", "objective": {"kind": "dense-swav"}} | SETTINGS | changes
    settings = TrainSettings.model_validate(table)
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings.to_yaml()))
    facts = {"format": 1, "volume": {"source": source, "dataset": None, "shape": list(shape)}}
    (folder / "run.json").write_text(json.dumps(facts))
    checkpoint = folder / "checkpoints" / "step-100"
    checkpoint.mkdir(parents=True)
    (checkpoint / "checksums.json").write_text("{}")
    audit = {"event": "Audited", "verdict": "content", "step": 50, "figures": {"leak": 0.01, "content": 0.5}}
    events = [step(index, 5 - index / 100) for index in range(1, 101)]
    events += [{"event": "Saved", "path": str(checkpoint), "step": 100, "seconds": 300.0}, audit]
    events += [step(index, 0.0) for index in range(101, 201)]
    text = "\n".join(json.dumps(event) for event in events)
    (folder / "events.jsonl").write_text(text + '\n{"event": "Step", "ind')
    return folder


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def engine(monkeypatch) -> FakeTrain:
    fake = FakeTrain(steps=5)
    monkeypatch.setattr(napari_dense_ssl.engine, "train", fake)
    return fake


def test_the_records_of_a_run(run):
    past = PastRun.read(run)
    assert (past.steps, past.seconds, past.shape) == (100, 300.0, (6, 96, 128))
    assert past.settings.classes == 9
    past.check_budget(6.0, None)
    assert past.larger_budget() == (10.0, None)


def test_the_time_of_a_run_whose_last_save_was_not_told(run):
    lines = [line for line in (run / "events.jsonl").read_text().splitlines() if "Saved" not in line]
    (run / "events.jsonl").write_text("\n".join(lines))
    # Step 100 of 400: a quarter of ten minutes.
    assert PastRun.read(run).seconds == pytest.approx(150)


def test_its_curves_end_at_the_checkpoint(run):
    events = list(PastRun.read(run).curves())
    steps = [event for event in events if type(event).__name__ == "Step"]
    assert [event.index for event in steps] == list(range(1, 101))
    assert steps[9].losses == {"loss": 4.9}
    assert [event.step for event in events if type(event).__name__ == "Audited"] == [50]


def test_what_is_shown_and_what_is_trained(qtbot, em_viewer, open_dock, engine, errors, run):
    dock = open_dock(em_viewer, "Train")
    dock.choose_run(str(run))
    assert dock.recipe.currentText() == "dense-swav"
    assert dock.classes.value() == 9
    assert dock.budget.values() == (10.0, None)
    assert dock.fields.fixed_region.text() == SETTINGS["roi"]
    assert dock.start_button.text() == "Resume"
    assert "from step 100 (5 min 0 s of training)" in dock.banners.text("past")
    locked = dock.recipe, dock.classes, dock.context, dock.folder
    assert not any(field.isEnabled() for field in locked)
    dock.advanced.expand(animate=False)
    editors = dock.form.editors
    assert editors["checkpoint_seconds"].isEnabled()
    assert not editors["sampler"].isEnabled()
    editors["checkpoint_seconds"].set_value(33)
    dock.budget.set_values(25.0, None)
    dock.start_button.click()
    qtbot.waitUntil(lambda: not dock.busy and bool(engine.calls), timeout=20_000)
    volume, out, settings = engine.calls[0]
    assert engine.resumed == [True]
    assert out == run
    assert volume.shape == (6, 96, 128)
    assert (settings.classes, settings.minutes, settings.checkpoint_seconds) == (9, 25.0, 33)
    assert settings.roi == SETTINGS["roi"]
    assert settings.objective.kind == "dense-swav"
    dock.plots.losses.redraw()
    assert dock.plots.losses.values["loss"][:2] == [4.99, 4.98], "the curves of before are there"
    assert dock.plots.audit.steps == [50]
    assert dock.start_button.text() == "Start"
    assert dock.recipe.isEnabled()
    assert errors() == []


def test_back_to_a_new_run(em_viewer, open_dock, run):
    dock = open_dock(em_viewer, "Train")
    dock.choose_run(str(run))
    assert dock.resume_button.text() == "New run"
    dock.resume_button.click()
    assert dock.resume_button.text() == "Resume a run"
    assert dock.start_button.text() == "Start"
    assert dock.classes.isEnabled()
    assert dock.region.isVisibleTo(dock)
    assert dock.banners.text("past") == ""
    assert dock.folder.path() == ""


def test_a_budget_that_is_used_up_is_doubled_and_less_is_refused(
    em_viewer, open_dock, engine, errors, tmp_path
):
    run = write_run(tmp_path / "used", minutes=5.0)
    dock = open_dock(em_viewer, "Train")
    dock.choose_run(str(run))
    assert dock.budget.values() == (10.0, None)
    dock.budget.set_values(None, 80)
    dock.start_button.click()
    assert "has done 100 steps already" in errors()[0]
    assert "such as 200 steps" in errors()[0]
    assert not engine.calls
    assert dock.start_button.isEnabled()


def test_the_layer_of_its_volume_is_found_and_another_refused(
    em_viewer, open_dock, engine, errors, run, tmp_path
):
    em = em_viewer.layers["em"]
    em_viewer.add_image(np.zeros((4, 50, 50), np.uint8), name="other")
    dock = open_dock(em_viewer, "Train")
    assert dock.layer.currentText() == "other"
    dock.choose_run(str(run))
    assert dock.layer.layer() == em
    dock.layer.choose(em_viewer.layers["other"])
    dock.start_button.click()
    (text,) = errors()
    assert "the layer other is another volume (shape 4 × 50 × 50)" in text
    assert not engine.calls
    dock.choose_run("")
    far = write_run(tmp_path / "far", shape=(9, 9, 9), source="/data/far.tif")
    dock.choose_run(str(far))
    assert "trained on /data/far.tif (shape 9 × 9 × 9), which no layer here shows" in errors()[1]
    assert "Volume dock" in errors()[1]
    assert dock.start_button.text() == "Start"


def test_files_are_told_apart_where_both_are_known(em_viewer, tmp_path):
    source = layer_source(em_viewer.layers["em"])
    recorded = type(source)(
        **{f: getattr(source, f) for f in source.__dataclass_fields__}
        | {"recorded": {"source": "/data/a.tif", "dataset": None}}
    )
    here = PastRun.read(write_run(tmp_path / "a", source="a.tif"))  # named from its own folder
    elsewhere = PastRun.read(write_run(tmp_path / "b", source="/data/b.tif"))
    assert here.fits(recorded)
    assert not elsewhere.fits(recorded)
    assert elsewhere.fits(source), "of an array nobody knows where it came from: the training looks closer"


def test_a_run_is_not_trained_twice_at_once(
    qtbot, em_viewer, make_napari_viewer_proxy, stack, open_dock, engine, errors, run
):
    other = make_napari_viewer_proxy(ensure_main_thread=True)
    other.add_image(stack, name="same")
    engine.steps = None
    docks = [open_dock(viewer, "Train") for viewer in (em_viewer, other)]
    for dock in docks:
        dock.choose_run(str(run))
        dock.start_button.click()
    assert docks[0].busy
    assert not docks[1].busy
    assert "is being trained in this napari already" in errors()[0]
    docks[0].stop()
    qtbot.waitUntil(lambda: not docks[0].busy, timeout=20_000)
    docks[1].start_button.click()
    assert docks[1].busy


def test_the_menu_lists_recent_runs(em_viewer, open_dock, run, tmp_path, monkeypatch):
    add_recent("runs", str(tmp_path / "gone"))
    add_recent("runs", str(run))
    assert len(recent("runs")) == 2
    dock = open_dock(em_viewer, "Train")
    dock.resume_button.fill()
    actions = [action for action in dock.resume_button.runs.actions() if not action.isSeparator()]
    assert [action.text() for action in actions] == ["run", "Browse …"]
    actions[0].trigger()
    assert dock.fields.past.path == run
    dock.choose_run("")
    monkeypatch.setattr(
        "napari_dense_ssl.gui.resume.QFileDialog.getExistingDirectory", lambda *_, **__: str(tmp_path)
    )
    actions[1].trigger()
    assert "is not a run folder" in dock.status.text()


def test_a_failed_run_can_be_gone_on_with(qtbot, em_viewer, open_dock, engine, errors):
    dock = open_dock(em_viewer, "Train")
    engine.steps, engine.fails = None, MemoryError("full")
    dock.start_button.click()
    qtbot.waitUntil(lambda: dock.state is TrainState.FAILED, timeout=20_000)
    assert "memory is full" in errors()[0]
    assert "Resume a run goes on with it" in dock.status.text()
    assert dock.progress.format() == "failed"
    assert dock.resume_button.isEnabled()
    assert dock.start_button.isEnabled()
    assert recent("runs") == [str(engine.calls[0][1])]
