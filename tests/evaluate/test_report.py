import json
from io import BytesIO

import numpy as np
import pytest
from matplotlib import image as mpl_image
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tests.evaluate import made_up
from tests.evaluate.made_up import audited

from napari_dense_ssl.core.errors import OutputError, RunError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate import ReportPage, read_losses, report_figure, score_classes, write_report
from napari_dense_ssl.evaluate.scale_bar import draw_scale_bar, length_text, round_length


def _page(**changes):
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(1, 5), 16)[None].repeat(48, 0)
    classes = (2 * truth + rng.integers(0, 2, truth.shape)).astype(np.uint8)
    steps = np.arange(1, 200.0)
    content = {
        "raw": rng.integers(0, 255, truth.shape).astype(np.uint8),
        "classes": classes,
        "error": rng.random(truth.shape).astype(np.float32) * 0.2,
        "truth": truth,
        "truth_names": {1: "membrane"},
        "pixel_size": (4.6, 4.6),
        "losses": {"hidden": (steps, 4 / steps + 1), "agreement": (steps, 1 - 1 / steps)},
        "scores": {"learned": score_classes(classes, truth)},
        "score_note": "scored on slices 16-19",
        "title": "volume.tif, slice z = 3",
        "facts": ("masked-clusters", "2 min"),
    }
    return ReportPage(**(content | changes))


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_a_page_holds_what_it_was_given(tmp_path):
    path = write_report(_page(), tmp_path / "report.png", dpi=60)
    picture = mpl_image.imread(path)
    assert picture.shape[0] > 300
    texts = _texts(report_figure(_page()))
    for wanted in (
        "volume.tif, slice z = 3",
        "Equivariance error",
        "Truth",
        "membrane",
        "label 2",
        "50 nm",
        "loss (nats)",
        "agreement (share, right)",
        "step",
        "learned",
        "mi_frac",
        "scored on slices 16-19",
    ):
        assert wanted in texts, wanted
    assert f"{_page().scores['learned'].mi_frac:.3f}" in texts


def test_the_better_score_is_marked():
    page = _page()
    rng = np.random.default_rng(1)
    worse = score_classes(rng.integers(1, 5, page.raw.shape), page.truth)
    figure = report_figure(_page(scores={"learned": page.scores["learned"], "baseline": worse}))
    found = {t.get_text(): t for t in figure.findobj(lambda a: hasattr(a, "get_fontweight"))}
    assert found[f"{page.scores['learned'].ami:.3f}"].get_fontweight() == "bold"
    assert found[f"{worse.ami:.3f}"].get_fontweight() == "normal"


@pytest.mark.parametrize(
    "changes",
    [
        {"truth": None, "scores": {}},
        {"error": None},
        {"losses": {}},
        {"scores": {}},
        {"pixel_size": None},
        {"classes": np.zeros((48, 64), np.uint8)},
        {"raw": np.full((48, 64), np.nan, np.float32)},
        {"raw": np.zeros((48, 64), np.uint8), "limits": (0.0, 255.0)},
    ],
)
def test_what_is_missing_is_left_out(changes):
    picture = BytesIO()
    report_figure(_page(**changes)).savefig(picture, dpi=40)
    assert picture.getvalue().startswith(b"\x89PNG")


def test_only_the_untaught_page_has_no_scores():
    assert "Scores against truth" not in _texts(report_figure(_page(truth=None, scores={})))
    assert "6 px" not in _texts(report_figure(_page(pixel_size=None)))
    assert "10 px" in _texts(report_figure(_page(pixel_size=None)))


@pytest.mark.parametrize("changes", [{}, {"truth": None, "scores": {}}])
def test_the_audit_stands_in_a_line(changes):
    audit = audited(made_up.bands, crops=8, trained=Box((0, 0, 0), (2, 320, 320)))
    (line,) = (text for text in _texts(report_figure(_page(audit=audit, **changes))) if "Audit" in text)
    leak, content = audit.values["leak"], audit.values["content"]
    assert line.startswith(f"Audit: positional: leak {leak:.3f} (good: 0), content {content:.2f} (good: 1)")
    assert line.endswith("on slices 2, held out from training")


def test_maps_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="error has the shape"):
        report_figure(_page(error=np.zeros((3, 3), np.float32)))


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(_page(), tmp_path / "nowhere" / "report.png")


def test_losses_are_read_and_a_torn_last_line_is_left_out(tmp_path):
    lines = [
        {"event": "Started", "job": "train"},
        {"event": "Step", "index": 1, "losses": {"hidden": 3.9, "seen": 3.0}},
        {"event": "Step", "index": 2, "losses": {"hidden": 3.5}},
        {"event": "Step", "index": 2, "losses": {"hidden": 3.4}},
        {"event": "Beat"},
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + '\n{"event": "Step", "ind')
    losses = read_losses(path)
    assert losses["hidden"][0].tolist() == [1, 2]
    assert losses["hidden"][1].tolist() == [3.9, 3.4]
    assert losses["seen"][1].tolist() == [3.0]
    with pytest.raises(RunError, match="cannot be read"):
        read_losses(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("longest", "length"), [(1, 1), (1.99, 1), (2, 2), (4.9, 2), (730, 500), (0.34, 0.2), (12_000, 10_000)]
)
def test_scale_bars_have_round_lengths(longest, length):
    assert round_length(longest) == pytest.approx(length)


def test_lengths_are_named_in_the_unit_that_reads_best():
    assert [length_text(nm) for nm in (50, 2000, 5e6)] == ["50 nm", "2 µm", "5 mm"]


def test_a_bar_is_as_long_as_it_says():
    axes = Figure().add_subplot()
    axes.imshow(np.zeros((100, 400)))
    draw_scale_bar(axes, (8.0, 4.0))
    (bar,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    (text,) = axes.texts
    assert text.get_text() == "200 nm"
    assert bar.get_width() * 4.0 == pytest.approx(200)
