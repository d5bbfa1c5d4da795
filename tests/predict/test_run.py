"""Prediction from a run folder on disk, as the command line and the docks begin it."""

import pytest

from napari_dense_ssl.core.errors import DeviceError, OutputError
from napari_dense_ssl.core.events import Finished
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.checkpoint import save_checkpoint
from napari_dense_ssl.model.run_folder import RunFolder
from napari_dense_ssl.predict import PlanePart, Predictor, PredictSettings, predict
from napari_dense_ssl.volume import open_output

SETTINGS = PredictSettings(tile=64, chunk=32)


@pytest.fixture
def run(small_encoder, volume, tmp_path):
    settings = {"classes": small_encoder.classes, "encoder": small_encoder.settings.model_dump(mode="json")}
    facts = {
        "volume": {"intensity": volume.intensity().as_dict(), "voxel_size": list(volume.voxel_size)},
        "software": "test",
    }
    folder = RunFolder.create(tmp_path / "run", settings, facts)
    weights = {f"average.{name}": value for name, value in small_encoder.state_dict().items()}
    save_checkpoint(folder.checkpoints, 5, weights, {})
    return folder


def test_a_run_predicts_as_its_encoder_does(run, small_encoder, cpu, volume, tmp_path):
    events = list(predict(volume, run.path, tmp_path / "out.zarr", device="cpu", settings=SETTINGS))
    assert isinstance(events[-1], Finished)
    output = open_output(tmp_path / "out.zarr")
    classes = output.label("classes")[:]
    predictor = Predictor(small_encoder, cpu, SETTINGS)
    for part in predictor.plane(volume, 0, Box.whole(volume.shape), ("error",)):
        if isinstance(part, PlanePart):
            assert (classes[part.box.slices][0] == part.classes).all()
    assert output.provenance["checkpoint"] == "step-5"
    assert output.provenance["fingerprint"] == run.fingerprint()
    assert output.provenance["run"] == str(run.path.absolute())


def test_a_run_that_was_trained_on_cannot_finish_an_older_ones_output(run, small_encoder, volume, tmp_path):
    out = tmp_path / "out.zarr"
    options = {"what": ("classes",), "device": "cpu", "settings": SETTINGS}
    list(predict(volume, run, out, **options))
    weights = {f"average.{name}": value + 1 for name, value in small_encoder.state_dict().items()}
    save_checkpoint(run.checkpoints, 6, weights, {})
    with pytest.raises(OutputError, match="its checkpoint is step-5, now it would be step-6"):
        list(predict(volume, run, out, resume=True, **options))


def test_a_run_that_was_moved_can(run, volume, tmp_path):
    out = tmp_path / "out.zarr"
    options = {"what": ("classes",), "device": "cpu", "settings": SETTINGS}
    list(predict(volume, run, out, **options))
    run.path.rename(tmp_path / "moved")
    events = list(predict(volume, tmp_path / "moved", out, resume=True, **options))
    assert events[-1].summary["pixels"] == 0


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(run, volume, tmp_path):
    with pytest.raises(DeviceError):
        list(predict(volume, run, tmp_path / "out.zarr", device="abacus"))
    assert not (tmp_path / "out.zarr").exists()
