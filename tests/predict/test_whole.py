from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr_models import open_ome_zarr

from napari_dense_ssl.core.errors import OutputError, RegionError, RunError, SettingsError, VolumeError
from napari_dense_ssl.core.events import Beat, Finished, Noted, Preview, Saved, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict import PlanePart, Predictor, PredictSettings, predict
from napari_dense_ssl.predict.settings import WHAT
from napari_dense_ssl.volume import Volume, open_output, open_volume

SETTINGS = PredictSettings(tile=64, chunk=32)


@pytest.fixture
def predictor(small_encoder, cpu):
    return Predictor(small_encoder, cpu, SETTINGS)


def _files(folder: Path) -> dict[str, bytes]:
    """All chunk files; metadata holds a time or the order of the manifest."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("zarr.json", "finished.txt")
    }


def test_events_and_maps_of_a_whole_volume(predictor, volume, tmp_path):
    out = tmp_path / "out.zarr"
    events = list(predict(volume, predictor, out))
    assert isinstance(events[0], Started)
    assert (events[0].job, events[0].unit) == ("predict", "block")
    kinds = [type(event) for event in events]
    assert kinds[-2:] == [Saved, Finished]
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.index for step in steps] == list(range(1, events[0].total + 1))
    assert steps[-1].fraction == 1
    assert steps[-1].seconds_left == 0
    assert kinds.count(Preview) == len(steps)
    assert kinds.count(Beat) >= 10 * len(steps)
    summary = events[-1].summary
    assert summary["pixels"] == np.prod(volume.shape)
    assert 0 < summary["mean_error"] < 1
    assert 1 < summary["effective_classes"] <= 6

    output = open_output(out)
    assert output.is_complete
    classes, error = output.label("classes")[:], output.image[:]
    assert classes.dtype == np.uint8
    assert error.dtype == np.float16
    assert classes.shape == error.shape == volume.shape
    assert classes.min() >= 1
    # On disk is what the predictor gives.
    for part in predictor.plane(volume, 1, Box.whole(volume.shape), ("error",)):
        if isinstance(part, PlanePart):
            assert (classes[part.box.slices][0] == part.classes).all()
            assert (error[part.box.slices][0] == part.error.astype(np.float16)).all()
    # Previews are the same maps.
    preview = next(event for event in events if isinstance(event, Preview))
    assert (classes[preview.box.slices][0] == preview.classes).all()


def test_scale_units_and_provenance_are_the_volumes_own(predictor, volume, tmp_path):
    list(predict(volume, predictor, tmp_path / "out.zarr", what=("classes",)))
    for group in ("", "labels/classes"):
        made = open_volume(tmp_path / "out.zarr" / group)
        assert made.voxel_size == volume.voxel_size
        assert made.shape == volume.shape
    output = open_output(tmp_path / "out.zarr")
    assert output.image_name == "confidence"
    provenance = output.provenance
    assert provenance["what"] == ["classes"]
    assert provenance["halo"] == predictor.halo
    assert provenance["settings"]["symmetries"] == 8
    assert provenance["volume"]["shape"] == list(volume.shape)
    assert provenance["software"].startswith("napari-dense-ssl ")
    assert len(provenance["settings_hash"]) == 16


@pytest.mark.parametrize("stop_after", [1, 4, 11])
def test_resuming_gives_the_same_bytes_and_repeats_nothing_that_was_done(
    predictor, volume, tmp_path, stop_after
):
    what = ("classes", "error", "embedding")
    list(predict(volume, predictor, tmp_path / "whole.zarr", what=what))
    job = predict(volume, predictor, tmp_path / "parts.zarr", what=what)
    steps = 0
    for event in job:
        steps += isinstance(event, Step)
        if steps == stop_after:
            break
    job.close()
    done = open_output(tmp_path / "parts.zarr").finished()
    assert len(done) >= stop_after
    assert not open_output(tmp_path / "parts.zarr").is_complete
    events = list(predict(volume, predictor, tmp_path / "parts.zarr", what=what, resume=True))
    again = [event for event in events if isinstance(event, Step)]
    assert len(again) == events[0].total - len(done)
    assert again[0].index == len(done) + 1
    assert _files(tmp_path / "parts.zarr") == _files(tmp_path / "whole.zarr")
    assert open_output(tmp_path / "parts.zarr").is_complete


def test_resuming_what_is_complete_computes_nothing(pointwise, cpu, volume, tmp_path):
    predictor = Predictor(pointwise, cpu)
    list(predict(volume, predictor, tmp_path / "out.zarr"))
    passes = len(pointwise.sizes)
    events = list(predict(volume, predictor, tmp_path / "out.zarr", resume=True))
    assert len(pointwise.sizes) == passes
    assert isinstance(events[-1], Finished)
    assert events[-1].summary["pixels"] == 0


def test_resuming_what_was_never_begun_begins_it(predictor, volume, tmp_path):
    events = list(predict(volume, predictor, tmp_path / "out.zarr", what=("classes",), resume=True))
    assert isinstance(events[-1], Finished)


def test_another_job_cannot_be_resumed(predictor, volume, small_encoder, cpu, texture, tmp_path):
    out = tmp_path / "out.zarr"
    list(predict(volume, predictor, out, what=("classes",)))
    with pytest.raises(OutputError, match="its what is"):
        list(predict(volume, predictor, out, what=("error",), resume=True))
    other = Predictor(small_encoder, cpu, PredictSettings(tile=72, chunk=32))
    with pytest.raises(OutputError, match="its settings is"):
        list(predict(volume, other, out, what=("classes",), resume=True))
    larger = Volume.from_arrays([texture((4, 90, 70))], voxel_size=(50.0, 4.6, 4.6))
    with pytest.raises(OutputError, match="its region is"):
        list(predict(larger, predictor, out, what=("classes",), resume=True))
    # How many windows are computed at once is no part of the result.
    batched = Predictor(small_encoder, cpu, SETTINGS.model_copy(update={"batch": 4}))
    list(predict(volume, batched, out, what=("classes",), resume=True))


def test_an_existing_output_is_left_alone_unless_told(predictor, volume, tmp_path):
    out = tmp_path / "out.zarr"
    list(predict(volume, predictor, out, what=("classes",)))
    before = _files(out)
    with pytest.raises(OutputError):
        list(predict(volume, predictor, out, what=("error",)))
    assert _files(out) == before
    list(predict(volume, predictor, out, what=("error",), overwrite=True))
    assert open_output(out).image_name == "error"


def test_a_region_is_predicted_and_the_rest_stays_unwritten(predictor, volume, tmp_path):
    roi = Box((1, 40, 5), (2, 80, 60))
    events = list(predict(volume, predictor, tmp_path / "out.zarr", what=("classes",), roi=roi))
    assert events[-1].summary["pixels"] == roi.size
    classes = open_output(tmp_path / "out.zarr").label("classes")[:]
    assert classes.shape == volume.shape
    assert (classes[roi.slices] > 0).all()
    assert np.count_nonzero(classes) == roi.size
    chunks = {path for path in _files(tmp_path / "out.zarr") if path.startswith("labels/classes/0/c/")}
    assert chunks == {f"labels/classes/0/c/1/{y}/{x}" for y in (1, 2) for x in (0, 1)}


def test_embedding_is_written_with_its_own_axis(pointwise, cpu, volume, tmp_path):
    predictor = Predictor(pointwise, cpu, SETTINGS)
    list(predict(volume, predictor, tmp_path / "out.zarr", what=("classes", "embedding")))
    embedding = open_output(tmp_path / "out.zarr").embedding
    assert embedding is not None
    assert embedding.shape == (3, *volume.shape)
    pixels = volume.intensity().normalise(volume.read(Box.whole(volume.shape)))
    assert np.allclose(embedding[0], pixels, atol=2e-3)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_others_open_it(predictor, small_encoder, cpu, volume, tmp_path, version):
    from napari_ome_zarr import napari_get_reader

    out = tmp_path / "out.zarr"
    one = Predictor(small_encoder, cpu, SETTINGS.model_copy(update={"ngff": version}))
    list(predict(volume, one, out, what=("error",)))
    group = open_ome_zarr(zarr.open_group(str(out), mode="r"))
    assert group.attributes is not None
    labels = open_ome_zarr(zarr.open_group(str(out / "labels" / "classes"), mode="r"))
    assert labels.attributes is not None
    reader = napari_get_reader(str(out))
    assert reader is not None
    layers = reader(str(out))
    image, *labels = layers
    assert np.allclose(image[1]["scale"][-3:], volume.voxel_size)
    names = [layer[1].get("name") for layer in labels]
    assert any("classes" in str(name) for name in names), names
    found = next(layer for layer in labels if "classes" in str(layer[1].get("name")))
    data = found[0][0] if isinstance(found[0], list) else found[0]
    assert (np.asarray(data) == open_output(out).label("classes")[:]).all()


def test_notes_reach_the_user(pointwise, cpu, tmp_path):
    volume = Volume.from_arrays([np.full((1, 40, 40), 7, np.uint8)])
    events = list(predict(volume, Predictor(pointwise, cpu), tmp_path / "out.zarr"))
    assert any(isinstance(event, Noted) and "same value" in event.message for event in events)


def test_bad_requests_leave_nothing_behind(predictor, volume, tmp_path):
    out = tmp_path / "out.zarr"
    with pytest.raises(RegionError):
        list(predict(volume, predictor, out, roi=Box((0, 0, 0), (9, 9, 9))))
    with pytest.raises(SettingsError):
        list(predict(volume, predictor, out, what=("everything",)))
    with pytest.raises(RunError):
        list(predict(volume, tmp_path / "no-run", out))
    assert not out.exists()
    assert set(WHAT) == {"classes", "error", "embedding"}


def test_a_disk_that_fills_up_is_said_and_the_rest_can_be_resumed(predictor, volume, tmp_path, monkeypatch):
    from napari_dense_ssl.volume import Output

    write, calls = Output.write, []

    def failing(self, name, box, values):
        calls.append(name)
        if len(calls) > 4:
            raise OutputError("no space left on device")
        write(self, name, box, values)

    monkeypatch.setattr(Output, "write", failing)
    out = tmp_path / "out.zarr"
    with pytest.raises(OutputError, match="no space"):
        list(predict(volume, predictor, out, what=("classes",)))
    monkeypatch.undo()
    assert len(open_output(out).finished()) <= 2
    list(predict(volume, predictor, out, what=("classes",), resume=True))
    assert open_output(out).label("classes")[:].min() >= 1


def test_a_volume_that_goes_away_is_said_and_the_rest_can_be_resumed(pointwise, cpu, texture, tmp_path):
    there, away = tmp_path / "volume.zarr", tmp_path / "away.zarr"
    pixels = zarr.create_array(str(there), shape=(4, 90, 70), chunks=(1, 45, 70), dtype="uint8")
    pixels[:] = texture((4, 90, 70))
    predictor = Predictor(pointwise, cpu, SETTINGS)
    list(predict(open_volume(there), predictor, tmp_path / "whole.zarr"))
    job = predict(open_volume(there), predictor, tmp_path / "parts.zarr")
    for event in job:
        if isinstance(event, Step):
            there.rename(away)  # a disk that is pulled out
            break
    with pytest.raises(VolumeError, match=r"volume\.zarr cannot be read .*parts\.zarr.*--resume"):
        list(job)
    finished = open_output(tmp_path / "parts.zarr").finished()
    assert 1 <= len(finished) < 4
    away.rename(there)
    events = list(predict(open_volume(there), predictor, tmp_path / "parts.zarr", resume=True))
    assert isinstance(events[-1], Finished)
    assert _files(tmp_path / "parts.zarr") == _files(tmp_path / "whole.zarr"), (
        "no zeros were taken for pixels"
    )


def test_closing_ends_its_threads(predictor, volume, tmp_path):
    import threading

    before = threading.active_count()
    job = predict(volume, predictor, tmp_path / "out.zarr")
    for event in job:
        if isinstance(event, Preview):
            break
    job.close()
    assert threading.active_count() == before
