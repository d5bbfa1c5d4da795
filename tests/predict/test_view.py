import subprocess
import sys

import numpy as np
import pytest

from napari_dense_ssl.core.errors import RegionError, SettingsError
from napari_dense_ssl.core.events import Beat, Finished, Preview, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict import Predictor, PredictSettings, predict_view


def test_a_view_is_shown_tile_by_tile(pointwise, cpu, volume):
    predictor = Predictor(pointwise, cpu, PredictSettings(tile=48))
    box = Box((1, 3, 5), (3, 90, 66))
    events = list(predict_view(volume, predictor, box))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert events[-1].path is None
    previews = [event for event in events if isinstance(event, Preview)]
    assert events[0].total == len(previews) == sum(isinstance(event, Step) for event in events)
    seen = np.zeros(volume.shape, int)
    for preview in previews:
        assert preview.z == preview.box.start[0]
        assert preview.grid.origin == preview.box.start[1:]
        assert preview.classes.shape == preview.box.shape[1:] == preview.error.shape
        seen[preview.box.slices] += 1
    assert (seen[box.slices] == 1).all()
    assert seen.sum() == box.size
    assert any(isinstance(event, Beat) for event in events)


def test_without_error_there_is_none_and_one_pass_a_tile(pointwise, cpu, volume):
    events = list(predict_view(volume, Predictor(pointwise, cpu), Box.whole(volume.shape), what=("classes",)))
    previews = [event for event in events if isinstance(event, Preview)]
    assert all(preview.error is None for preview in previews)
    assert len(pointwise.sizes) == len(previews)


def test_bad_views_are_refused(pointwise, cpu, volume):
    with pytest.raises(RegionError):
        list(predict_view(volume, Predictor(pointwise, cpu), Box((0, 0, 0), (1, 91, 70))))
    with pytest.raises(SettingsError):
        list(predict_view(volume, Predictor(pointwise, cpu), Box.whole(volume.shape), what=("depth",)))


def test_settings_need_no_torch():
    code = (
        "import sys, napari_dense_ssl.predict.settings, napari_dense_ssl.predict, napari_dense_ssl.evaluate;"
        "assert not {'torch', 'dask', 'zarr', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_have_limits():
    with pytest.raises(ValueError, match="multiple of 256"):
        PredictSettings(chunk=300)
    with pytest.raises(ValueError, match="symmetries"):
        PredictSettings(symmetries=3)
    with pytest.raises(ValueError, match="extra"):
        PredictSettings(windows=3)
