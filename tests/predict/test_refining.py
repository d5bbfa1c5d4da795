"""Refining the encoder on scribbles: what it reads, what it learns, what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict import refined_fit
from napari_dense_ssl.predict.classifier import Classifier, fitting
from napari_dense_ssl.predict.pixel_features import gathered
from napari_dense_ssl.predict.predictor import Predictor
from napari_dense_ssl.predict.probe_encoder import ProbeEncoder
from napari_dense_ssl.predict.probe_settings import ProbeSettings
from napari_dense_ssl.predict.refined_fit import fit_probe
from napari_dense_ssl.predict.refining import Refined
from napari_dense_ssl.predict.refining_windows import read_windows
from napari_dense_ssl.predict.scribbles import Scribbles
from napari_dense_ssl.volume import Intensity, Volume


def _finished(job):
    """Run a generator to its end; what it returns, and what it yielded."""
    events = []
    while True:
        try:
            events.append(next(job))
        except StopIteration as stop:
            return stop.value, events


@pytest.fixture(scope="module")
def stripes() -> tuple[Volume, np.ndarray]:
    """Stripes of one of two directions, whose grey values are alike; truth 1 and 2."""
    rows, columns = np.mgrid[:64, :96]
    truth = np.where(columns < 48, 1, 2)
    wave = np.where(truth == 1, np.sin(rows / 1.5), np.sin((rows + columns) / 2.1))
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(3, 64, 96)), (0, 1, 1))
    pixels = np.clip(128 + 40 * wave + 20 * noise, 0, 255).astype(np.uint8)
    return Volume.from_arrays([pixels], voxel_size=(40.0, 4.0, 4.0)), truth


def _scribbles(truth: np.ndarray, count: int = 60) -> Scribbles:
    rng = np.random.default_rng(1)
    places, labels = [], []
    for kind in (1, 2):
        where = np.argwhere(truth == kind)
        for y, x in where[rng.choice(len(where), count, replace=False)]:
            places.append((int(rng.integers(0, 2)), y, x))
            labels.append(kind)
    order = np.lexsort(np.array(places).T[::-1])
    return Scribbles.of(np.array(places)[order], np.array(labels)[order])


def test_windows_show_the_pixels_that_they_were_cut_around(stripes):
    volume, truth = stripes
    drawn = _scribbles(truth)
    plain = Intensity(mean=0.0, std=1.0, low=0.0, high=255.0)
    windows, _ = _finished(
        read_windows(volume, drawn, Box.whole(volume.shape), plain, slices=3, multiple=8, seed=0)
    )
    assert windows.images.shape[1] == 3
    assert windows.crop % 8 == 0
    whole = np.asarray(volume.data)
    rng = np.random.default_rng(0)
    for _ in range(5):
        images, labels = windows.batch(4, rng)
        assert images.shape == (4, 3, windows.crop, windows.crop)
        for image, label in zip(images, labels, strict=True):
            named = np.argwhere(label >= 0)
            assert len(named)  # each crop has the pixel that its window was cut around
            for y, x in named:
                kind = label[y, x]
                grey = plain.normalise(whole[drawn.places[:, 0], drawn.places[:, 1], drawn.places[:, 2]])
                assert np.isclose(grey[drawn.classes == kind], image[1, y, x]).any()


def test_it_learns_what_the_fixed_embedding_does_not_tell(stripes, small_encoder, cpu):
    volume, truth = stripes
    before = {name: value.clone() for name, value in small_encoder.state_dict().items()}
    drawn, region = _scribbles(truth), Box.whole(volume.shape)
    right = {}
    for steps in (0, 60):
        settings = ProbeSettings(
            tile=96,
            features="embedding",
            classifier="discriminants",
            refine_steps=steps,
            refine_rate=1e-3,
            refine_check=False,
        )
        encoder = ProbeEncoder(small_encoder, settings, 2)
        predictor = Predictor(encoder, cpu, settings)
        encoder.classifier, events = _finished(
            fit_probe(predictor, volume, drawn, region, volume.intensity(), settings)
        )
        parts = [p for p in predictor.plane(volume, 2, region) if hasattr(p, "classes")]
        found = np.zeros(truth.shape, int)
        for part in parts:
            (_, y0, x0), (_, y1, x1) = part.box.start, part.box.stop
            found[y0:y1, x0:x1] = part.classes
        right[steps] = (found == truth).mean()
        if steps:
            assert any("refined" in getattr(event, "message", "") for event in events)
            assert encoder.network is not small_encoder
    assert right[60] > right[0] + 0.02
    for name, value in small_encoder.state_dict().items():
        assert torch.equal(value, before[name]), f"the run's own {name} was changed"


def test_the_same_seed_refines_to_the_same_classifier(stripes, small_encoder, cpu):
    volume, truth = stripes
    settings = ProbeSettings(tile=96, refine_steps=22)
    found = []
    for _ in range(2):
        encoder = ProbeEncoder(small_encoder, settings, 2)
        job = fit_probe(
            Predictor(encoder, cpu, settings),
            volume,
            _scribbles(truth),
            Box.whole(volume.shape),
            volume.intensity(),
            settings,
        )
        found.append(_finished(job)[0])
    for (weight, bias), (other, shift) in zip(found[0].layers, found[1].layers, strict=True):
        np.testing.assert_array_equal(weight, other)
        np.testing.assert_array_equal(bias, shift)


def _fitted(volume, drawn, encoder, device, **settings):
    settings = {"tile": 96, "features": "embedding+filters", "classifier": "discriminants"} | settings
    chosen = ProbeSettings(**settings)
    probe = ProbeEncoder(encoder, chosen, len(drawn.ids))
    job = fit_probe(
        Predictor(probe, device, chosen), volume, drawn, Box.whole(volume.shape), volume.intensity(), chosen
    )
    classifier, events = _finished(job)
    return classifier, probe, [event.message for event in events if hasattr(event, "message")]


def test_refining_that_makes_it_worse_is_left_out(stripes, small_encoder, cpu, monkeypatch):
    """The check is real, what it checks is not: a refined network that takes each class for the other."""
    volume, truth = stripes
    drawn = _scribbles(truth)

    def spoiled(encoder, device, windows, start, spread, areas, settings):
        yield from ()
        ((weight, bias),) = start.layers
        return Refined(encoder.network, Classifier(((-weight, -bias),)))

    monkeypatch.setattr(refined_fit, "refine", spoiled)
    plain, _, _ = _fitted(volume, drawn, small_encoder, cpu)
    checked, probe, said = _fitted(volume, drawn, small_encoder, cpu, refine_steps=10)
    assert any("left out" in message for message in said)
    assert probe.network is small_encoder
    for (weight, bias), (other, shift) in zip(plain.layers, checked.layers, strict=True):
        np.testing.assert_array_equal(weight, other)
        np.testing.assert_array_equal(bias, shift)
    blind, _, said = _fitted(volume, drawn, small_encoder, cpu, refine_steps=10, refine_check=False)
    assert not any("left out" in message for message in said)
    assert not np.allclose(blind.layers[0][0], plain.layers[0][0])


@pytest.mark.parametrize("learned", [True, False])
def test_refining_is_done_where_it_gains_only(stripes, small_encoder, cpu, monkeypatch, learned):
    """What is refined reads a few scribbles as if there had been a thousand, or as they are read anyhow."""
    volume, truth = stripes
    few, many = _scribbles(truth, 20), _scribbles(truth, 600)
    settings = ProbeSettings(tile=96, features="embedding", classifier="discriminants")
    plain = Predictor(ProbeEncoder(small_encoder, settings, 2), cpu, settings)
    features, _ = _finished(gathered(plain, volume, many.places, volume.intensity()))
    *_, expert = fitting(features, many.classes, settings)

    def refined(encoder, device, windows, start, spread, areas, settings):
        yield from ()
        return Refined(encoder.network, expert if learned else start)

    monkeypatch.setattr(refined_fit, "refine", refined)
    classifier, _, said = _fitted(volume, few, small_encoder, cpu, features="embedding", refine_steps=10)
    (message,) = (text for text in said if "one half" in text)
    assert message.endswith("refining is done." if learned else "refining is left out.")
    same = classifier.logits(features).argmax(1) == expert.logits(features).argmax(1)
    assert (same.mean() > 0.95) == learned


def test_halves_of_scribbles_have_all_classes_or_there_are_none(stripes):
    drawn = _scribbles(stripes[1])
    seen = refined_fit._half_of(drawn, 0)
    for part in (drawn.part(seen), drawn.part(~seen)):
        assert set(part.classes) == {0, 1}
        assert len(np.unique(part.places[:, 0])) == 1  # whole slices
    alone = drawn.part((drawn.classes == 0) | (drawn.places[:, 0] == 0))
    assert refined_fit._half_of(alone, 0) is None
