import csv
import json

import numpy as np
import pytest
from PIL import Image

from napari_dense_ssl.core.errors import OutputError, ScoreError
from napari_dense_ssl.core.events import Finished, Pictured, Started, Step
from napari_dense_ssl.evaluate import Tolerance, compare_job, compare_volumes, comparing, write_comparison
from napari_dense_ssl.evaluate.comparison_pictures import Look, confusion_figure, pixels_of


@pytest.fixture
def halves():
    """A truth of two classes, 0 unlabelled in its first row; a prediction of three classes, 5 px too far."""
    truth = np.ones((3, 20, 40), np.uint8)
    truth[:, :, 20:] = 2
    truth[:, 0] = 0
    pred = np.full(truth.shape, 10, np.uint8)
    pred[:, :, 20:] = 20
    pred[2, :, 20:25] = 10
    pred[:, :2, :] = 30
    return pred, truth


def test_confusion_slices_and_boundaries_by_hand(halves):
    found = compare_volumes(*halves)
    # The truth has 19 rows in each slice; class 30 is one of them, half 1, half 2: so 1, the first.
    counts, labels, unnamed = found.confusion()
    assert (labels, unnamed) == ((1, 2), False)
    each = 19 * 20
    lost = 18 * 5  # class 10 over 2 in the last slice
    wrong = 3 * 20  # class 30 over 2
    np.testing.assert_array_equal(counts, [[3 * each, 0], [lost + wrong, 3 * each - lost - wrong]])
    assert [one.z for one in found.slices] == [0, 1, 2]
    assert [one.pixels for one in found.slices] == [2 * each] * 3
    assert found.slices[0].accuracy == pytest.approx(1 - 20 / (2 * each))
    assert found.slices[2].accuracy == pytest.approx(1 - (20 + lost) / (2 * each))
    assert found.slices[0].miou == pytest.approx(((each) / (each + 20) + (each - 20) / each) / 2)
    # Boundaries of class names: down the middle but in the first two rows, which all became class 1.
    assert found.boundary_classes.keys() == {1, 2}
    assert found.slices[0].boundary_f > 0.7
    assert found.slices[2].boundary_f < 0.3
    within = compare_volumes(*halves, tolerance=Tolerance(6, "px"))
    assert within.slices[2].boundary_f > 0.7


def test_events_in_order_and_a_slice_a_step(halves):
    events = list(comparing(*halves, fit=slice(0, 1), score=slice(1, 3)))
    assert isinstance(events[0], Started)
    assert events[0].total == 3 + 2
    assert [e.index for e in events if isinstance(e, Step)] == [1, 2, 3, 4, 5]
    assert [type(e) for e in events[-2:]] == [Pictured, Finished]
    assert events[-1].summary.keys() == {"mi_frac", "miou", "ami", "ari", "voi_split", "voi_merge"}


def test_all_is_written_and_says_the_same(halves, tmp_path):
    found = compare_volumes(*halves, fit=slice(0, 1))
    written = write_comparison(found, tmp_path / "new" / "eval", names={1: "cytoplasm", 2: "membrane"})
    assert {p.name for p in written} == {
        *("evaluation.json", "classes.csv", "slices.csv", "confusion.csv"),
        *("report.png", "slices.png", "confusion.png"),
    }
    kept = json.loads((tmp_path / "new" / "eval" / "evaluation.json").read_text())
    assert {"mi_frac", "miou", "ami", "ari", "voi_split", "voi_merge", "adapted_rand_error"} <= kept.keys()
    assert kept["boundary_f"] == found.boundary.fscore
    with (tmp_path / "new" / "eval" / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["cytoplasm", "membrane"]
    assert [float(row["iou"]) for row in rows] == list(found.scores.iou.values())
    for name in ("report.png", "slices.png", "confusion.png"):
        with Image.open(tmp_path / "new" / "eval" / name) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 50, "not a blank page"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_comparison(found, tmp_path / "file" / "eval")


def test_many_labels_are_things_not_classes(tmp_path):
    cells = np.arange(1, 101, dtype=np.uint32).reshape(1, 10, 10).repeat(6, 1).repeat(6, 2)
    halved = cells * 2 + (np.arange(60) % 6 >= 3)
    found = compare_volumes(halved.astype(np.uint32), cells)
    assert found.instances
    assert found.scores.voi_split == pytest.approx(1)
    assert found.boundary.recall == 1
    assert found.boundary.precision < 1, "the boundaries inside of cells are wrong ones: nothing was named"
    with pytest.raises(ScoreError, match="100 labels"):
        found.confusion()
    names = {p.name for p in write_comparison(found, tmp_path)}
    assert "confusion.png" not in names
    assert "report.png" in names


def test_single_slices_are_given_up_before_the_memory_is(halves, monkeypatch):
    monkeypatch.setattr(compare_job, "_KEPT_CELLS", 3)
    found = compare_volumes(*halves)
    assert found.slices == ()
    assert "too many for figures of single slices" in found.notes[-1]
    assert found.scores == compare_volumes(*halves).scores


def test_unnamed_classes_have_a_column_of_their_own(halves):
    pred, truth = halves
    pred[2, 10:] = 40  # seen in no fit slice
    counts, _, unnamed = compare_volumes(pred, truth, fit=slice(0, 2)).confusion()
    assert unnamed
    assert counts[:, -1].tolist() == [200, 200]


def test_pictures_are_drawn_on_the_ground_that_is_asked_for(halves):
    look = Look(ink="#ffffff", ground="#102030")
    picture = pixels_of(confusion_figure(compare_volumes(*halves), look=look, size=(3, 3)), 50)
    assert picture.shape == (150, 150, 4)
    assert picture[0, 0, :3].tolist() == [0x10, 0x20, 0x30]
