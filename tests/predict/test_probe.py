"""Scribbles to segmentation, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.core.beating import finished
from napari_dense_ssl.core.errors import OutputError, RegionError, ScribbleError
from napari_dense_ssl.core.events import Beat, Finished, Noted, Saved, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict import Predictor, ProbeSettings, probe
from napari_dense_ssl.predict.blocks import flat_blocks
from napari_dense_ssl.predict.pixel_features import windows_in, windows_with, within
from napari_dense_ssl.predict.probe_encoder import ProbeEncoder
from napari_dense_ssl.predict.probe_fit import fit_pixels
from napari_dense_ssl.predict.scribbles import Scribbles
from napari_dense_ssl.predict.windows import windows
from napari_dense_ssl.volume import Volume, open_output, open_volume

SETTINGS = ProbeSettings(tile=64, chunk=32, members=2, hidden=16)


def _two_textures() -> tuple[np.ndarray, np.ndarray]:
    """Smooth on the left of column 48, grainy on its right, of the same mean grey; and the truth."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3, 80, 96))
    smooth = gaussian_filter(noise, (0, 4, 4))
    pixels = np.where(np.arange(96) < 48, smooth / smooth.std(), noise)
    truth = np.broadcast_to(np.where(np.arange(96) < 48, 85, 255), pixels.shape)
    return np.clip(128 + 40 * pixels, 0, 255).astype(np.uint8), truth.astype(np.uint8)


@pytest.fixture(scope="module")
def textures() -> tuple[Volume, np.ndarray, np.ndarray]:
    """Volume, truth, and scribbles: a line in either texture of the first two slices."""
    pixels, truth = _two_textures()
    scribbles = np.zeros_like(truth)
    scribbles[:2, 20, 10:30] = 85
    scribbles[:2, 60, 60:80] = 255
    return Volume.from_arrays([pixels], voxel_size=(50.0, 4.0, 4.0)), truth, scribbles


@pytest.fixture
def predictor(small_encoder, cpu):
    return Predictor(small_encoder, cpu)


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("zarr.json", "finished.txt")
    }


@pytest.mark.parametrize("features", ["all", "embedding+filters", "filters"])
@pytest.mark.parametrize("classifier", ["mlp", "linear", "discriminants"])
def test_textures_come_apart_under_their_own_numbers(predictor, textures, tmp_path, features, classifier):
    volume, truth, scribbles = textures
    settings = SETTINGS.model_copy(update={"features": features, "classifier": classifier})
    events = list(probe(volume, predictor, scribbles, tmp_path / "out.zarr", settings=settings))
    output = open_output(tmp_path / "out.zarr")
    segmentation = output.label("segmentation")[:]
    assert set(np.unique(segmentation)) == {85, 255}
    # The slice without scribbles too; filters of sigma 8 px blur the border between the textures.
    inner = np.abs(np.arange(96) - 47.5) > 8
    assert (segmentation == truth)[..., inner].mean() > 0.93
    assert output.image_name == "confidence"
    confidence = output.image[:]
    assert confidence.dtype == np.float16
    assert 0.5 <= confidence.min() <= confidence.max() <= 1
    assert output.is_complete
    assert isinstance(events[0], Started)
    assert events[0].job == "probe"
    assert any(isinstance(event, Beat) for event in events)
    assert any(isinstance(event, Noted) and "85: " in event.message for event in events)
    assert isinstance(events[-2], Saved)
    assert isinstance(events[-1], Finished)
    assert events[-1].summary["classes_used"] == 2


def test_scribbles_may_be_a_file(predictor, textures, tmp_path):
    volume, _, scribbles = textures
    tifffile.imwrite(tmp_path / "s.tif", scribbles, photometric="minisblack")
    settings = SETTINGS.model_copy(update={"features": "filters", "classifier": "linear"})
    list(probe(volume, predictor, scribbles, tmp_path / "array.zarr", settings=settings))
    list(probe(volume, predictor, str(tmp_path / "s.tif"), tmp_path / "file.zarr", settings=settings))
    list(probe(volume, predictor, open_volume(tmp_path / "s.tif"), tmp_path / "v.zarr", settings=settings))
    with pytest.raises(OutputError, match="holds the scribbles"):
        list(probe(volume, predictor, str(tmp_path / "s.tif"), tmp_path, settings=settings, overwrite=True))
    assert (tmp_path / "s.tif").exists()
    assert _files(tmp_path / "file.zarr") == _files(tmp_path / "array.zarr") == _files(tmp_path / "v.zarr")


def test_tiles_show_no_seam(small_encoder, cpu, textures, tmp_path):
    volume, _, scribbles = textures
    whole = SETTINGS.model_copy(update={"tile": 128, "halo": small_encoder.receptive_radius})
    tiled = whole.model_copy(update={"tile": 64, "halo": 32})
    assert ProbeEncoder(small_encoder, whole, 2).default_halo >= 26
    names = ("whole", "tiled")
    for name, settings in zip(names, (whole, tiled), strict=True):
        settings = settings.model_copy(update={"features": "filters"})
        predictor = Predictor(small_encoder, cpu)
        list(probe(volume, predictor, scribbles, tmp_path / name, settings=settings))
    first, second = (open_output(tmp_path / name) for name in names)
    assert (first.label("segmentation")[:] == second.label("segmentation")[:]).mean() > 0.9999
    assert np.abs(first.image[:].astype(float) - second.image[:]).max() < 2e-3


@pytest.mark.parametrize("stop_after", [0, 3])
def test_resuming_gives_the_same_bytes(predictor, textures, tmp_path, stop_after):
    volume, _, scribbles = textures
    list(probe(volume, predictor, scribbles, tmp_path / "whole.zarr", settings=SETTINGS))
    job = probe(volume, predictor, scribbles, tmp_path / "parts.zarr", settings=SETTINGS)
    steps = 0
    for event in job:
        steps += isinstance(event, Step)
        if steps == stop_after and isinstance(event, Step | Beat):
            break
    job.close()
    assert not open_output(tmp_path / "parts.zarr").is_complete
    events = list(
        probe(volume, predictor, scribbles, tmp_path / "parts.zarr", settings=SETTINGS, resume=True)
    )
    assert isinstance(events[-1], Finished)
    assert _files(tmp_path / "parts.zarr") == _files(tmp_path / "whole.zarr")
    # Other scribbles are another job.
    other = scribbles.copy()
    other[0, 0, 0] = 85
    with pytest.raises(OutputError, match="its scribbles is"):
        list(probe(volume, predictor, other, tmp_path / "parts.zarr", settings=SETTINGS, resume=True))


def test_symmetries_are_averaged(predictor, textures, tmp_path):
    volume, truth, scribbles = textures
    settings = SETTINGS.model_copy(update={"symmetries": 8})
    roi = Box((0, 0, 0), (2, 80, 96))
    list(probe(volume, predictor, scribbles, tmp_path / "out.zarr", settings=settings, region=roi))
    output = open_output(tmp_path / "out.zarr")
    assert output.image_name == "confidence"
    assert (output.label("segmentation")[:2] == truth[:2]).mean() > 0.9
    assert not output.label("segmentation")[2].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s * 0, "no scribbles"),
        (lambda s: np.where(s == 85, s, 0), "All scribbles have the number 85"),
        (lambda s: s[:, :40], r"shape \(3, 40, 96\), the volume \(3, 80, 96\)"),
        (lambda s: s[0], r"shape \(1, 80, 96\)"),
        (lambda s: s / 7.0, "float64 values that are no labels"),
        (lambda s: s.astype(np.int32) * 3, "holds 1 to 255"),
        (lambda s: -s.astype(np.int32), "-255"),
    ],
)
def test_bad_scribbles_are_one_sentence_and_leave_nothing(predictor, textures, tmp_path, change, message):
    volume, _, scribbles = textures
    with pytest.raises(ScribbleError, match=message):
        list(probe(volume, predictor, change(scribbles), tmp_path / "out.zarr", settings=SETTINGS))
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("classifier", ["mlp", "linear", "discriminants"])
@pytest.mark.parametrize(
    "places", [[(0, 20, 20)], [(0, 20, 20), (1, 30, 15)], [(z, 20, 20) for z in range(3)]]
)
def test_hardly_any_pixel_of_a_class(predictor, textures, tmp_path, classifier, places):
    volume, _, _ = textures
    scribbles = np.zeros(volume.shape, np.uint8)
    for z, y, x in places:
        scribbles[z, y, x] = 85
    scribbles[2, 60, 70] = 255
    settings = SETTINGS.model_copy(update={"classifier": classifier})
    *_, last = probe(volume, predictor, scribbles, tmp_path / "o.zarr", settings=settings)
    assert isinstance(last, Finished)
    found = open_volume(tmp_path / "o.zarr", dataset="labels/segmentation").data.compute()
    assert set(np.unique(found)) <= {85, 255}
    assert found[2, 60, 70] == 255


def test_scribbles_outside_the_region_are_refused(predictor, textures, tmp_path):
    volume, _, scribbles = textures
    with pytest.raises(ScribbleError, match="40 of 80 scribbled pixels lie outside the region 0:3,0:40,0:96"):
        list(probe(volume, predictor, scribbles, tmp_path / "o", region=Box((0, 0, 0), (3, 40, 96))))
    with pytest.raises(RegionError):
        list(probe(volume, predictor, scribbles, tmp_path / "o", region=Box((0, 0, 0), (9, 9, 9))))


def test_only_windows_with_scribbles_are_encoded(pointwise, cpu):
    volume = Volume.from_arrays([np.zeros((6, 300, 300), np.uint8)])
    predictor = Predictor(pointwise, cpu, SETTINGS)
    places = np.array([(4, 10, 10), (4, 20, 15), (4, 290, 299), (2, 0, 0)])
    found = windows_with(predictor, volume, places)
    assert [(w.z, w.box.start[1:]) for w in found][:2] == [(2, (0, 0)), (4, (0, 0))]
    assert len(found) == 3, "two scribbles of slice 4 lie in one window"
    assert [within(places, w.box).sum() for w in found] == [1, 2, 1]
    whole = [w for z in (2, 4) for w in windows_in(predictor, volume, Box.whole(volume.shape).plane(z))]
    assert set(found) < set(whole), "they are those of the whole slice, whatever else is scribbled"


def test_windows_are_those_that_the_volume_is_segmented_in(pointwise, cpu):
    volume = Volume.from_arrays([np.zeros((1, 200, 150), np.uint8)])
    predictor = Predictor(pointwise, cpu, SETTINGS.model_copy(update={"chunk": 16}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_dense_ssl.predict.blocks._BLOCK", 96)
        whole = Box.whole(volume.shape)
        found = [w.box for w in windows_in(predictor, volume, whole)]
        layout = predictor.layout(("classes",))
        blocks = [box for _, box in flat_blocks(whole, 16)]
        assert found == [w.box for w in windows(blocks, volume.shape[1:], layout)]
        assert sum(box.size for box in found) == whole.size
        part = Box((0, 90, 90), (1, 100, 100))
        assert [w.box for w in windows_in(predictor, volume, part)] == [
            b for b in found if b.intersect(part).size
        ]


def test_two_classes_and_more_are_told_apart_by_the_same_code():
    from napari_dense_ssl.predict.classifier import fitting

    rng = np.random.default_rng(0)
    for kinds in (2, 3):
        classes = np.repeat(np.arange(kinds), 40)
        features = rng.normal(size=(len(classes), 5)) * [1, 10, 1, 1, 0]
        features[:, 0] += 6 * classes
        for kind in ("linear", "discriminants", "mlp"):
            *_, classifier = fitting(features, classes, SETTINGS.model_copy(update={"classifier": kind}))
            logits = classifier.logits(features)
            assert logits.shape == (len(classes), kinds)
            assert (logits.argmax(1) == classes).mean() > 0.95
            maps = classifier.maps(torch.from_numpy(features.T[None, :, :, None].copy()))
            assert np.allclose(maps[0, :, :, 0].T.numpy(), logits, atol=1e-3)
            moved = classifier.adjusted(2.0, np.arange(kinds))
            assert np.allclose(moved.logits(features), 2 * logits + np.arange(kinds))


def _groups(kinds: str):
    """Features of 60 pixels of each of two classes in four slices: 4 channels, and 6 that are `kinds`."""
    rng = np.random.default_rng(2)
    classes = np.tile([0, 1], 60)
    places = np.stack([np.repeat(np.arange(4), 30), rng.integers(0, 64, 120), rng.integers(0, 64, 120)], 1)
    first = rng.normal(size=(120, 4)) + 1.2 * classes[:, None] * [1, 0, 0, 0]
    other = rng.normal(size=(120, 6))
    if kinds == "telling":
        other[:, 0] += 3 * classes
    return np.concatenate([first, other], 1).astype(np.float32), Scribbles(places, classes, np.uint8([3, 7]))


@pytest.mark.parametrize(("classifier", "layers"), [("discriminants", 1), ("mlp", None)])
def test_a_group_of_features_counts_for_what_held_out_scribbles_say(classifier, layers):
    groups = (slice(0, 4), slice(4, 10))
    settings = SETTINGS.model_copy(update={"classifier": classifier})
    features, drawn = _groups("telling")
    alone = finished(fit_pixels(features[:, :4], drawn, settings)).classifier
    both = finished(fit_pixels(features, drawn, settings, groups)).classifier
    # What is linear altogether reads each pixel once.
    assert len(getattr(both, "layers", ())) == (layers or 0)
    unseen, truth = features + np.random.default_rng(3).normal(size=features.shape) * 0.5, drawn.classes
    right = [
        (one.logits(unseen[:, :width]).argmax(1) == truth).mean() for one, width in ((alone, 4), (both, 10))
    ]
    assert right[1] > right[0] + 0.1
    maps = both.maps(torch.from_numpy(features.T[None, :, :, None].copy()))
    assert np.allclose(maps[0, :, :, 0].T.numpy(), both.logits(features), atol=1e-3)
    moved = both.adjusted(2.0, np.array([0.0, 1.0]))
    assert np.allclose(moved.logits(features), 2 * both.logits(features) + [0, 1])

    # Noise weighs next to nothing: what is said is what the first group says.
    features, drawn = _groups("noise")
    both = finished(fit_pixels(features, drawn, settings, groups)).classifier
    first = finished(fit_pixels(features[:, :4], drawn, settings)).classifier
    same = both.logits(features).argmax(1) == first.logits(features[:, :4]).argmax(1)
    assert same.mean() > 0.9


def test_where_nothing_can_be_held_out_the_first_group_decides():
    features, drawn = _groups("telling")
    here = np.flatnonzero(drawn.places[:, 0] == 0)[:4]
    few = Scribbles(np.array([(0, 1, k) for k in range(4)]), drawn.classes[here], drawn.ids)
    settings = SETTINGS.model_copy(update={"classifier": "discriminants"})
    both = finished(fit_pixels(features[here], few, settings, (slice(0, 4), slice(4, 10)))).classifier
    alone = finished(fit_pixels(features[here, :4], few, settings)).classifier
    assert np.allclose(both.logits(features), alone.logits(features[:, :4]))
