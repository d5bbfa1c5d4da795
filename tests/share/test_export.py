"""Packages: what other tools make of them, and what is in them."""

from __future__ import annotations

import gc
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
import yaml

from napari_dense_ssl.core.errors import OutputError, RunError, SettingsError
from napari_dense_ssl.core.events import Finished, Noted, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model import RunFolder
from napari_dense_ssl.share import ExportSettings, export_model
from napari_dense_ssl.share import export as module
from napari_dense_ssl.volume import Intensity, open_volume

from .conftest import CLASSES, SOURCE, make_run

# What bioimageio and torch.jit warn of is their own affair.
theirs = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def closed() -> Iterator[None]:
    """Let go of the files that bioimageio leaves open, while its warnings are ignored."""
    yield
    gc.collect()


def exported(run: RunFolder, path: Path, **settings: object) -> Path:
    list(export_model(run, path, ExportSettings(**settings)))
    return path


def content(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def description(path: Path) -> dict:
    return yaml.safe_load(content(path)["rdf.yaml"])


@theirs
@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("slices", [1, 3])
def test_the_test_of_bioimageio_core_passes(
    slices: int, run: RunFolder, package: Path, tmp_path: Path
) -> None:
    from bioimageio.core import test_model as test_of_theirs

    path = package if slices == 1 else exported(make_run(tmp_path / "run", slices), tmp_path / "model.zip")
    summary = test_of_theirs(path, weight_format="torchscript", devices=["cpu"])
    assert summary.status == "passed", summary.display()
    names = [detail.name for detail in summary.details]
    assert any("Reproduce test outputs" in name for name in names)
    assert any("batch_size: 2 and size parameter n: 2" in name for name in names), (
        "batches and sizes other than the test's"
    )


@theirs
@pytest.mark.usefixtures("closed")
def test_the_python_of_its_readme_runs(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", content(package)["README.md"].decode(), re.DOTALL)
    monkeypatch.chdir(package.parent)
    found: dict = {}
    exec(code.replace("MODEL.zip", package.name), found)
    assert found["classes"].shape == (1, 128, 128)
    assert found["classes"].min() >= 1


@theirs
@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("scale", [1, 1e-5])
def test_raw_pixels_give_our_logits_in_other_tools(scale: float, package: Path, tmp_path: Path) -> None:
    from bioimageio.core import create_prediction_pipeline, load_model_description
    from bioimageio.core.digest_spec import create_sample_for_model

    run = make_run(tmp_path / "run", scale=scale)
    raw = open_volume(SOURCE).read(Box((1, 0, 0), (2, 160, 192)))
    if scale != 1:
        raw = raw * np.float32(scale)
        package = exported(run, tmp_path / "model.zip")
    with torch.inference_mode():
        normalised = Intensity(**run.intensity).normalise(raw)
        ours = run.load_encoder()(torch.from_numpy(normalised)[None]).logits.numpy()
    model = load_model_description(package)
    sample = create_sample_for_model(model, inputs={"raw": raw[None]})
    with create_prediction_pipeline(model, devices=["cpu"]) as pipeline:
        padded = pipeline.predict_sample_without_blocking(sample)
        plain = pipeline.predict_sample_without_blocking(
            sample, skip_input_padding=True, skip_output_cropping=True
        )
    mirrored, theirs = (one.members["logits"].data.to_numpy() for one in (padded, plain))
    assert theirs.shape == mirrored.shape == (1, CLASSES, 160, 192)
    np.testing.assert_allclose(theirs, ours, atol=1e-4 * float(np.abs(ours).max()))
    assert len(np.unique(ours.argmax(1))) > 1
    # It mirrors the image at its rim by the halo, where the network mirrors its own maps.
    inside = np.s_[..., 32:-32, 32:-32]
    np.testing.assert_allclose(mirrored[inside], ours[inside], atol=1e-2 * float(np.abs(ours).max()))


def test_what_the_description_says(package: Path, run: RunFolder) -> None:
    table = description(package)
    assert table["format_version"].startswith("0.5.")
    assert table["license"] == "CC-BY-4.0"
    assert table["authors"][0] == {"name": "Ada Lovelace", "affiliation": "Analytical Engines"}
    assert {"drosophila", "electron-microscopy", "2d"} <= set(table["tags"])
    ours = table["config"]["napari_dense_ssl"]
    assert (ours["checkpoint"], ours["fingerprint"], ours["verdict"]) == (
        "step-7",
        run.fingerprint(),
        "content",
    )
    raw, logits = table["inputs"][0], table["outputs"][0]
    y = next(axis for axis in raw["axes"] if axis.get("id") == "y")
    assert (y["scale"], y["unit"]) == (4.6, "nanometer")
    steps = [step["id"] for step in raw["preprocessing"]]
    assert steps == ["ensure_dtype", "fixed_zero_mean_unit_variance", "clip", "ensure_dtype"]
    assert raw["preprocessing"][1]["kwargs"]["mean"] == pytest.approx(run.intensity["mean"])
    channels = next(axis for axis in logits["axes"] if axis["type"] == "channel")["channel_names"]
    assert channels == [f"class_{k}" for k in range(1, CLASSES + 1)]


def test_a_voxel_size_that_nobody_knows_is_not_made_up(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    facts = json.loads((run.path / "run.json").read_text())
    facts["volume"] |= {"voxel_size": [1.0, 1.0, 1.0], "voxel_size_known": False}
    (run.path / "run.json").write_text(json.dumps(facts))
    path = exported(RunFolder.open(run.path), tmp_path / "model.zip")
    table = description(path)
    axes = [axis for tensor in (*table["inputs"], *table["outputs"]) for axis in tensor["axes"]]
    assert not any("unit" in axis or "scale" in axis for axis in axes)
    assert " nm" not in table["description"]
    assert "| voxel size | not known |" in content(path)["README.md"].decode()


def test_what_is_in_it(package: Path, run: RunFolder) -> None:
    files = content(package)
    cover = imageio.imread(files["cover.png"])
    assert cover.shape[1] == 2 * cover.shape[0]
    assert len(files["cover.png"]) < 500_000
    assert files["weights.safetensors"] == (run.latest() / "weights.safetensors").read_bytes()
    assert files["classes.json"] == (run.path / "classes.json").read_bytes()
    text = files["README.md"].decode()
    for part in (
        "50 x 4.6 x 4.6 nm",
        "masked-clusters",
        "**content**",
        "0.610",
        "7 steps, 1.5 min",
        "# Validation",
    ):
        assert part in text, part
    pixels = np.load(io.BytesIO(files["test_input.npy"]))
    whole = open_volume(SOURCE).read(Box((3, 0, 0), (4, 160, 192)))
    assert (pixels[0] == whole[:, 16:144, 32:160]).all()


def test_names_of_folders_stay_here(run: RunFolder, tmp_path: Path) -> None:
    import tifffile

    secret = tmp_path / "patient 0815"
    secret.mkdir()
    tifffile.imwrite(secret / "stack.tif", open_volume(SOURCE).data.compute(), photometric="minisblack")
    own = make_run(tmp_path / "run", source=str(secret / "stack.tif"))
    for name, data in content(exported(own, tmp_path / "model.zip")).items():
        assert b"0815" not in data, name
    assert "stack.tif" in content(tmp_path / "model.zip")["README.md"].decode()


def test_without_pixels_nothing_of_the_volume_leaves(run: RunFolder, package: Path, tmp_path: Path) -> None:
    files = content(exported(run, tmp_path / "model.zip", pixels=False))
    made_up, real = (np.load(io.BytesIO(f["test_input.npy"])) for f in (files, content(package)))
    assert made_up.shape == real.shape
    assert abs(np.corrcoef(made_up.ravel(), real.ravel())[0, 1]) < 0.1
    assert made_up.mean() == pytest.approx(run.intensity["mean"], rel=0.1)
    assert "made up" in files["README.md"].decode()


def test_a_volume_that_is_gone_is_noted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    facts = json.loads((run.path / "run.json").read_text())
    facts["volume"]["source"] = str(tmp_path / "gone.tif")
    (run.path / "run.json").write_text(json.dumps(facts))
    events = list(export_model(run.path, tmp_path / "model.zip"))
    assert any(isinstance(event, Noted) and "gone.tif" in event.message for event in events)
    assert (tmp_path / "model.zip").exists()


def test_a_volume_can_be_named(run: RunFolder, tmp_path: Path) -> None:
    other = open_volume("sample:em?shape=2x96x100&seed=5")  # smaller than the test input: reflected
    list(export_model(run, tmp_path / "model.zip", volume=other))
    pixels = np.load(io.BytesIO(content(tmp_path / "model.zip")["test_input.npy"]))
    assert pixels.shape == (1, 1, 128, 128)
    assert (pixels[0, 0, :96, :100] == other.read(Box((1, 0, 0), (2, 96, 100)))[0]).all()


def test_events_and_nothing_left_beside(run: RunFolder, tmp_path: Path) -> None:
    events = list(export_model(run, tmp_path / "deep" / "model.zip"))
    assert isinstance(events[0], Started)
    assert [event.index for event in events if isinstance(event, Step)] == [1, 2, 3, 4, 5]
    assert isinstance(events[-1], Finished)
    assert events[-1].summary["bytes"] == (tmp_path / "deep" / "model.zip").stat().st_size
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model.zip"]


def test_what_cannot_be_is_said_and_nothing_is_written(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.zip"
    with pytest.raises(SettingsError, match=r"licence 'MY-OWN'.*CC-BY-4\.0"):
        exported(run, out, license="MY-OWN")
    with pytest.raises(RunError, match="no run folder"):
        exported(tmp_path / "nowhere", out)  # type: ignore[arg-type]
    with pytest.raises(OutputError, match=r"\.zip"):
        exported(run, tmp_path / "model")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"napari-dense-ssl\[share\]"):
        exported(run, out)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_replaced_only_when_told(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "model.zip"
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        list(export_model(run, out))
    assert out.read_text() == "mine"
    list(export_model(run, out, overwrite=True))
    assert zipfile.is_zipfile(out)


def test_closing_in_the_middle_leaves_nothing(run: RunFolder, tmp_path: Path) -> None:
    job = export_model(run, tmp_path / "model.zip")
    for event in job:
        if isinstance(event, Step):
            break
    job.close()
    assert list(tmp_path.iterdir()) == []
