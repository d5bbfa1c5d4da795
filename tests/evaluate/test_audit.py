"""The audit of encoders with known answers."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.evaluate import made_up
from tests.evaluate.made_up import audited, coded_volume

from napari_dense_ssl.core.errors import RegionError, ScoreError, SettingsError
from napari_dense_ssl.core.events import Audited, Finished, Noted, Started, Step
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate import Audit, audit_encoder
from napari_dense_ssl.volume import Volume


@pytest.fixture(scope="module")
def found() -> Callable[[str], Audit]:
    """Audit each encoder once, two of them with truth."""
    kept: dict[str, Audit] = {}

    def audit_of(name: str) -> Audit:
        if name not in kept:
            truth = coded_volume()[1] if name in ("true_labels", "bands") else None
            kept[name] = audited(getattr(made_up, name), truth=truth)
        return kept[name]

    return audit_of


# What each must give: (figure, low, high).
EXPECTED: dict[str, tuple[str, list[tuple[str, float, float]]]] = {
    "bands": (
        "positional",
        [
            ("leak", 0.97, 1),
            ("content", 0, 0.15),
            ("place", 0.99, 1),
            ("blank_noise", 0.9, 1),
            ("blank_constant", 3.9, 8),
            ("effective_classes", 7.99, 8.01),
        ],
    ),
    # Seen by no figure of place: the pattern is orderly and does not move with the tissue.
    "stripes": (
        "positional",
        [
            ("leak", -0.01, 0.02),
            ("content", -0.02, 0.05),
            ("place", -0.02, 0.08),
            ("coherence", 0.5, 1),
            ("blank_noise", 0.1, 1),
        ],
    ),
    # It passes the eight symmetries, and fails a shift.
    "grid": (
        "positional",
        [
            ("leak", 0.3, 1),
            ("content", -0.02, 0.1),
            ("place", 0.99, 1),
            ("eq_r_db", 99, 100),
            ("eq_t_db", -3.02, 0),
        ],
    ),
    # Finer than the leak's cells: only the same place of other crops shows it.
    "stride_grid": (
        "positional",
        [("leak", -0.01, 0.01), ("content", -0.02, 0.1), ("place", 0.99, 1), ("eq_t_db", -3.02, 0)],
    ),
    "constant": (
        "collapsed",
        [
            ("effective_classes", 1, 1),
            ("effective_classes_slice", 1, 1),
            ("eq_t_db", 100, 100),
            ("content", 0, 0),
            ("leak", 0, 0),
        ],
    ),
    # Flat probabilities are nearly equivariant, whatever their argmax does: the null says so.
    "flat": (
        "uniform",
        [
            ("flatness", 0.999, 1),
            ("eq_t_db", 60, 75),
            ("content", -0.01, 0.01),
            ("coherence", -0.01, 0.01),
            ("effective_classes", 7.9, 8.01),
        ],
    ),
    "noise": ("uniform", [("flatness", 0, 0.001), ("content", -0.01, 0.01), ("coherence", -0.01, 0.01)]),
    "intensity": (
        "low-level",
        [("low_level", 0.9, 1), ("content", 0.999, 1), ("leak", -0.03, 0.03), ("blank_constant", 1, 1)],
    ),
    "blurred_intensity": ("low-level", [("low_level", 0.85, 1), ("content", 0.99, 1)]),
    "true_labels": (
        "content",
        [
            ("leak", -0.05, 0.05),
            ("content", 0.999, 1),
            ("place", -0.05, 0.08),
            ("low_level", 0.1, 0.6),
            ("eq_t_db", 100, 100),
            ("eq_r_db", 100, 100),
            ("blank_constant", 1, 1),
        ],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_encoder_gets_its_verdict_and_its_figures(name: str, found: Callable[[str], Audit]) -> None:
    word, figures = EXPECTED[name]
    audit = found(name)
    assert audit.verdict.word == word, audit.verdict.reason
    for figure, low, high in figures:
        assert low <= audit.values[figure] <= high, (figure, audit.values[figure])
    assert audit.verdict.advice.endswith(".")


@pytest.mark.parametrize("name", EXPECTED)
def test_nulls_find_nothing(name: str, found: Callable[[str], Audit]) -> None:
    figures = found(name).figures
    for one in ("leak", "content", "place", "coherence", "low_level"):
        assert abs(figures[one].null) < 0.05, (one, figures[one])
        assert figures[one].count >= 40
    # A code that is the same in every crop is no better on the same tissue than on another.
    if name in ("bands", "grid", "stride_grid", "flat", "noise"):
        assert figures["eq_t_db"].value == pytest.approx(figures["eq_t_db"].null, abs=0.2)


def test_the_truth_scores_what_it_should(found: Callable[[str], Audit]) -> None:
    perfect, blind = found("true_labels").truth, found("bands").truth
    assert perfect is not None
    assert blind is not None
    assert perfect.scores.mi_frac == pytest.approx(1)
    assert perfect.scores.miou == pytest.approx(1)
    assert perfect.intensity_mi_frac < 0.5
    assert blind.scores.mi_frac < 0.5 * blind.intensity_mi_frac


def test_classes_that_tell_no_more_than_grey_levels_are_low_level_by_the_truth() -> None:
    """A checkerboard of two thresholds is told by no single grey level, and says nothing more."""

    def two(images: made_up.Maps) -> made_up.Maps:
        grey = images[:, 0]
        other = np.roll(grey, (9, 9), (1, 2))
        return made_up.one_hot(2 * (grey > 0) + (other > 0), images, 4)

    audit = audited(two, truth=coded_volume()[1])
    assert audit.values["low_level"] < 0.7
    assert audit.verdict.word == "low-level"
    assert "of the truth" in audit.verdict.reason


def test_slices_that_were_trained_on_are_left_out() -> None:
    audit = audited(made_up.bands, trained=Box((0, 0, 0), (2, 320, 320)))
    assert audit.part.held_out
    assert audit.part.slices == (2,)
    assert "slices 2 (held out" in audit.where
    volume, _ = coded_volume()
    events = list(
        audit_encoder(made_up.bands, volume, trained=Box.whole(volume.shape), crops=8, crop=64, multiple=8)
    )
    assert any(isinstance(event, Noted) and "trained on" in event.message for event in events)
    (all_of_it,) = (event.result for event in events if isinstance(event, Audited))
    assert not all_of_it.part.held_out
    assert all_of_it.part.slices == (0, 1, 2)


def test_a_job_tells_how_far_it_is_and_its_result_is_plain() -> None:
    volume, truth = coded_volume()
    events = list(audit_encoder(made_up.bands, volume, truth=truth, crops=8, crop=64, multiple=8))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert isinstance(events[-2], Audited)
    steps = [event for event in events if isinstance(event, Step)]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert steps[-1].seconds_left == pytest.approx(0)
    record = json.loads(json.dumps(events[-2].result.as_dict(), allow_nan=False))
    assert {"verdict", "leak", "content", "place", "eq_t_db", "eq_r_db", "effective_classes"} <= record.keys()
    assert {"mi_frac", "miou", "ami"} <= record["truth"].keys()
    assert record["nulls"].keys() == record["counts"].keys() <= record.keys()
    assert events[-2].sentence.endswith("effective classes: positional")


def test_the_same_seed_finds_the_same() -> None:
    one, two = (audited(made_up.intensity, crops=8, crop=64, seed=3) for _ in range(2))
    other = audited(made_up.intensity, crops=8, crop=64, seed=4)
    assert one.as_dict() == two.as_dict()
    assert one.values != other.values


def test_isotropic_volumes_are_turned_by_any_angle() -> None:
    values, _ = coded_volume()
    volume = Volume.from_arrays([values], voxel_size=(8.0, 8.0, 8.0))
    events = list(audit_encoder(made_up.blurred_intensity, volume, crops=16, crop=64, multiple=8))
    (audit,) = (event.result for event in events if isinstance(event, Audited))
    figure = audit.figures["eq_angle_db"]
    assert figure.count == 16
    assert figure.value > figure.null + 6  # a turned blur is the blur of the turned, but for interpolation
    assert "eq_angle_db" not in audited(made_up.bands, crops=8, crop=64).figures


def test_encoders_that_see_neighbouring_slices_get_them_in_order(found: Callable[[str], Audit]) -> None:
    """What lies in the next slice is content like any other; the last slice's next is mirrored."""
    truth = coded_volume()[1][[1, 2, 1]]
    audit = audited(made_up.next_labels, slices=3, truth=truth)
    assert audit.truth is not None
    assert audit.truth.scores.mi_frac == pytest.approx(1)
    assert audit.verdict.word == "content"
    assert audit.values["content"] > 0.999
    assert audit.values["eq_t_db"] == audit.values["eq_r_db"] == 100
    assert audit.values["blank_constant"] == 1
    assert audit.values["blank_noise"] < 0.02
    # The grey levels that classes are compared with are those of their own slice, as is the picture.
    own = found("true_labels")
    assert audit.values["low_level"] < own.values["low_level"]
    assert np.array_equal(audit.pictures.image, own.pictures.image)


def test_isotropic_stacks_are_turned_in_their_plane() -> None:
    smooth = gaussian_filter(np.random.default_rng(0).standard_normal((9, 96, 96)), 3).astype(np.float32)
    volume = Volume.from_arrays([smooth], voxel_size=(8.0, 8.0, 8.0))
    events = list(audit_encoder(made_up.thick_intensity, volume, slices=5, crops=8, crop=64, multiple=8))
    (audit,) = (event.result for event in events if isinstance(event, Audited))
    figure = audit.figures["eq_angle_db"]
    assert figure.count == 8
    assert figure.value > figure.null + 6
    assert audit.values["eq_r_db"] == 100


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"slices": 2}, SettingsError, "odd number"),
        ({"crops": 3}, SettingsError, "8 or more"),
        ({"crop": 100}, RegionError, "multiple of 8"),
        ({"crop": 512}, RegionError, "from 32 to 208"),
        ({"region": Box((0, 0, 0), (1, 40, 320))}, RegionError, "too small"),
        ({"region": Box((0, 0, 0), (9, 320, 320))}, RegionError, "outside"),
        ({"truth": np.ones((3, 320, 300), np.uint8)}, ScoreError, "shape"),
        ({"truth": np.zeros((3, 320, 320), np.uint8), "crops": 8, "crop": 64}, ScoreError, "labels nothing"),
    ],
)
def test_what_cannot_be_audited_is_said(
    options: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        audited(made_up.bands, **options)
