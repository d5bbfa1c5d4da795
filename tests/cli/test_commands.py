"""The commands from end to end, on a volume that takes seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

from napari_dense_ssl.cli.train import gather
from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.volume import open_volume

from .conftest import SMALL, TINY, TRUTH, Answer


def _facts(answer: Answer) -> dict[str, str]:
    return {line[:12].strip(): line[12:].strip() for line in answer.out.splitlines()}


def test_info_tells_what_open_volume_sees(call: Callable[..., Answer], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["raw"] = np.arange(4 * 32 * 48, dtype="uint16").reshape(4, 32, 48)
        file["other"] = np.zeros((2, 2, 2), "uint8")
    answer = call("info", tmp_path / "two.h5", "--dataset", "raw", "--voxel-size", "40,8,8")
    facts = _facts(answer)
    assert answer.status == 0
    assert answer.err == ""
    assert facts["shape"].startswith("4 x 32 x 48")
    assert facts["dtype"] == "uint16"
    assert facts["dataset"] == "raw"
    assert facts["voxel size"] == "40 x 8 x 8 nm"
    assert facts["size"] == "12.3 kB uncompressed"
    assert facts["extent"] == "0.16 x 0.256 x 0.384 µm"


def test_recipes_are_a_line_each(call: Callable[..., Answer]) -> None:
    answer = call("recipes")
    assert answer.status == 0
    assert answer.out.splitlines()[0].startswith("masked-clusters  ")


def test_train_predict_evaluate(call: Callable[..., Answer], small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    predicted = call(
        "predict", SMALL, "--run", small_run, "--out", out, "--roi", "0:3,:,:", "--symmetries", "2"
    )
    assert predicted.status == 0, predicted.err
    assert predicted.out.splitlines()[0] == f"prediction {out}"
    classes = open_volume(out / "labels" / "classes").data.compute()
    assert classes.shape == (6, 192, 192)
    assert classes[:3].min() >= 1
    assert classes[:3].max() <= 8
    assert not classes[3:].any()
    answer = call("evaluate", out, TRUTH, "--score", "0:3", "--json")
    assert answer.status == 0, answer.err
    assert answer.err == ""
    scores = json.loads(answer.out)
    assert {"mi_frac", "miou", "ami", "ari", "voi_split", "voi_merge"} <= scores.keys()
    assert 0 <= scores["mi_frac"] <= 1
    assert scores["pixels"] <= 3 * 192 * 192
    shown = call("evaluate", out, TRUTH, "--fit", "0:2", "--score", "2:3")
    assert "mi_frac" in shown.out
    again = call("predict", SMALL, "--run", small_run, "--out", out)
    assert again.status == 2
    assert "exists already" in again.err


def test_a_run_is_repeated_from_its_own_settings(
    call: Callable[..., Answer], small_run: Path, tmp_path: Path
) -> None:
    answer = call("train", SMALL, "--out", tmp_path / "run", "--settings", small_run / "settings.yaml")
    assert answer.status == 0, answer.err
    assert (tmp_path / "run" / "settings.yaml").read_text() == (small_run / "settings.yaml").read_text()


def test_a_run_goes_on_with_a_larger_budget(call: Callable[..., Answer], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", SMALL, "--out", run, "--steps", "2", *TINY).status == 0
    answer = call("train", SMALL, "--out", run, "--resume", "--steps", "3")
    assert answer.status == 0, answer.err
    assert "steps 3" in answer.out.splitlines()


class TestPrecedence:
    """Recipe, then YAML, then flags."""

    def test_the_recipe_alone(self) -> None:
        settings = gather(None, {"steps": None}, [])
        assert settings.recipe == "masked-clusters"
        assert settings.classes == 50

    def test_yaml_over_recipe_and_flags_over_yaml(self, tmp_path: Path) -> None:
        file = tmp_path / "settings.yaml"
        file.write_text(yaml.safe_dump({"classes": 20, "seed": 5, "sampler": {"crop": 64, "batch": 4}}))
        settings = gather(file, {"classes": "30", "roi": "0:2,:,:"}, ["sampler.batch=6"])
        assert (settings.classes, settings.seed, settings.roi) == (30, 5, "0:2,:,:")
        assert (settings.sampler.crop, settings.sampler.batch) == (64, 6)

    def test_flags_reach_every_kind_of_field(self) -> None:
        flags = {"context": "2", "precision": "32", "checkpoint_seconds": "0.5", "seed": "3"}
        settings = gather(None, flags, ["encoder.depths=null", "encoder.widths=null"])
        assert (settings.context, settings.precision, settings.checkpoint_seconds) == (2, "32", 0.5)
        assert settings.encoder.depths is None

    @pytest.mark.parametrize(
        ("written", "flags", "budget"),
        [
            ({}, {"steps": "7"}, (7, None)),
            ({}, {"minutes": "0.5"}, (None, 0.5)),
            ({"steps": 9}, {}, (9, None)),
            ({"steps": 9}, {"minutes": "2"}, (None, 2.0)),
            ({"steps": 9, "minutes": 1}, {}, (9, 1.0)),
            ({"minutes": 3}, {"steps": "7"}, (7, None)),
            ({}, {"steps": "7", "minutes": "2"}, (7, 2.0)),
        ],
    )
    def test_a_budget_of_one_kind_replaces_the_other(
        self,
        written: dict[str, object],
        flags: dict[str, str],
        budget: tuple[int | None, float | None],
        tmp_path: Path,
    ) -> None:
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(written))
        settings = gather(tmp_path / "s.yaml", flags, [])
        assert (settings.steps, settings.minutes) == budget

    def test_an_unknown_recipe_names_the_known_ones(self) -> None:
        with pytest.raises(SettingsError, match="masked-clusters"):
            gather(None, {"recipe": "alchemy"}, [])


def test_json_is_one_object_and_nothing_else(spawn: Callable[..., Answer], tmp_path: Path) -> None:
    sample = "sample:em-labels?shape=2x64x64"
    answer = spawn("evaluate", sample, sample, "--named", "--json")
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["miou"] == pytest.approx(1)
    assert len(answer.out.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_saves_the_run_and_resume_goes_on(call: Callable[..., Answer], tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "napari_dense_ssl",
        "train",
        SMALL,
        "--out",
        str(run),
        "--minutes",
        "5",
        *TINY,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        events = run / "events.jsonl"
        while not (events.exists() and '"Step"' in events.read_text()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert f"Go on with: napari-dense-ssl train {SMALL} --out {run} --resume" in err.splitlines()[-1]
    done = int(sorted((run / "checkpoints").glob("step-*"))[-1].name.removeprefix("step-"))
    assert done >= 1
    answer = call("train", SMALL, "--out", run, "--resume", "--steps", str(done + 1))
    assert answer.status == 0, answer.err


def test_the_demo_leaves_scores_and_pictures(
    call: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_dense_ssl.cli.demo.SHAPE", (4, 192, 192))
    monkeypatch.setattr("napari_dense_ssl.cli.demo.TRAINED", 3)
    monkeypatch.setattr("napari_dense_ssl.cli.demo.CROPS", 8)
    out = tmp_path / "demo"
    (out / "run").mkdir(parents=True)
    (out / "demo.json").write_text("{}")  # an earlier demo, which is replaced
    answer = call("demo", "--out", out, "--minutes", "0.05", "--headless")
    assert answer.status == 0, answer.err
    record = json.loads((out / "demo.json").read_text())
    assert record["scores"].keys() == {"learned", "filter bank"}
    rows = {line[:14].strip(): line[14:].split() for line in answer.out.splitlines()}
    assert float(rows["learned"][0]) == pytest.approx(record["scores"]["learned"]["mi_frac"], abs=1e-3)
    assert record["audit"]["slices"] == [3]
    assert record["audit"]["held_out"]
    (audit,) = (line for line in answer.out.splitlines() if line.startswith("audit "))
    assert f"{record['audit']['verdict']}: leak {record['audit']['leak']:.3f}" in audit
    assert f"content {record['audit']['content']:.2f}" in audit
    assert open_volume(out / "prediction.zarr").shape == (4, 192, 192)
    for name in ("report.png", "audit.png"):
        with Image.open(out / name) as page:
            assert page.width > 1500
            assert len(np.unique(np.asarray(page.convert("L")))) > 30


def test_the_demo_leaves_other_folders_alone(call: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    answer = call("demo", "--out", tmp_path, "--headless")
    assert answer.status == 2
    assert "holds no demo" in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_doctor_measures_and_advises(call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("napari_dense_ssl.cli.doctor.BINDINGS", ("NoSuchBinding",))
    answer = call("doctor")
    assert answer.status == 0, answer.err
    assert "device cpu" in answer.out
    assert "a training step" in answer.out
    assert 'pip install "napari[pyqt6]"' in answer.out
    assert answer.out.splitlines()[-1].startswith("1 thing(s) to look at")
