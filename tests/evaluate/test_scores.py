import json
import math

import numpy as np
import pytest
from skimage.metrics import adapted_rand_error, variation_of_information
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.evaluate import contingency, expected_information, naming, score_tables


def _maps(seed: int = 0, shape: tuple[int, ...] = (3, 24, 24), classes: int = 12, truths: int = 4):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, truths + 1, shape)
    noise = rng.integers(1, classes + 1, shape)
    pred = np.where(rng.random(shape) < 0.6, truth * 2 + 1 + rng.integers(0, 2, shape), noise)
    return pred, truth


def test_a_case_worked_by_hand():
    truth = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    pred = np.array([7, 7, 8, 9, 9, 9, 9, 9])
    found = score_tables(contingency(pred, truth))
    # 7 and 8 are named 1, 9 is named 2: 3 of 4 pixels of 1 are right, and 9 covers 5 for 4 of 2.
    assert found.iou == {1: 3 / 4, 2: 4 / 5}
    assert found.miou == pytest.approx(0.775)
    assert found.accuracy == 7 / 8
    # One class each: 7 for 1 (2 of 4) and 9 for 2.
    assert found.miou_hungarian == pytest.approx((2 / 4 + 4 / 5) / 2)
    assert found.classes_used == 3
    assert found.effective_classes == pytest.approx(
        math.exp(-sum(p * math.log(p) for p in (2 / 8, 1 / 8, 5 / 8)))
    )
    # H(truth | class) is that of class 9 only, which is 1/5 truth 1 and 4/5 truth 2.
    merge = 5 / 8 * -(0.2 * math.log2(0.2) + 0.8 * math.log2(0.8))
    assert found.voi_merge == pytest.approx(merge)
    assert found.mi_frac == pytest.approx(1 - merge)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn_and_scikit_image(seed):
    pred, truth = _maps(seed)
    keep = truth > 0
    found = score_tables(contingency(pred, truth))
    assert found.ami == pytest.approx(adjusted_mutual_info_score(truth[keep], pred[keep]), abs=1e-9)
    assert found.ari == pytest.approx(adjusted_rand_score(truth[keep], pred[keep]), abs=1e-12)
    merge, split = variation_of_information(pred[keep], truth[keep])
    assert (found.voi_split, found.voi_merge) == pytest.approx((split, merge))


def test_the_leading_term_of_the_expected_information_is_good_enough(monkeypatch):
    pred, truth = _maps(1, (40, 50, 50))
    exact = score_tables(contingency(pred, truth)).ami
    monkeypatch.setattr(expected_information, "_EXACT_PIXELS", 0)
    assert score_tables(contingency(pred, truth)).ami == pytest.approx(exact, abs=1e-6)


def test_perfect_single_and_random_maps():
    truth = np.tile([1, 2, 3, 3], 50)
    perfect = score_tables(contingency(truth + 10, truth))
    for figure in (perfect.mi_frac, perfect.ami, perfect.ari, perfect.miou, perfect.miou_hungarian):
        assert figure == pytest.approx(1)
    assert perfect.voi_split == pytest.approx(0, abs=1e-12)
    single = score_tables(contingency(np.ones_like(truth), truth))
    assert (single.mi_frac, single.effective_classes, single.classes_used) == (0, 1, 1)
    assert single.miou == pytest.approx(0.5 / 3)  # all is named 3, which is half of it; 1 and 2 count 0
    rng = np.random.default_rng(0)
    chance = score_tables(contingency(rng.integers(1, 9, 20000), rng.integers(1, 4, 20000)))
    assert abs(chance.ami) < 1e-3
    assert abs(chance.ari) < 1e-3


def test_a_truth_of_one_class_leaves_nothing_to_say():
    found = score_tables(contingency(np.array([1, 2]), np.array([1, 1])))
    assert found.mi_frac == 0
    assert json.dumps(found.as_dict())


def test_naming_on_other_pixels_than_those_scored():
    fit = contingency(np.array([1, 1, 2]), np.array([5, 5, 6]))
    score = contingency(np.array([1, 2, 3]), np.array([6, 6, 6]))
    found = score_tables(score, fit)
    assert found.iou == {6: 1 / 3}  # only class 2 was named 6; class 3 was never seen and has no name
    assert found.accuracy == pytest.approx(1 / 3)


def test_rare_truth_gets_a_name_when_naming_is_fair():
    truth = np.array([1] * 90 + [2] * 10)
    pred = np.array([1] * 75 + [2] * 15 + [2] * 10)
    found = score_tables(contingency(pred, truth))
    assert found.iou[2] == 0
    assert found.miou_fair == pytest.approx((75 / 90 + 10 / 25) / 2)


def test_named_labels_are_compared_as_they_are():
    truth = np.array([1, 1, 2, 2])
    found = score_tables(contingency(np.array([2, 2, 1, 1]), truth), named=True)
    assert (found.miou, found.accuracy) == (0, 0)
    assert found.mi_frac == pytest.approx(1)
    unnamed = score_tables(contingency(np.array([2, 2, 1, 1]), truth))
    assert unnamed.miou == 1


def test_pixels_that_were_not_predicted_are_left_out_and_said():
    found = score_tables(contingency(np.array([0, 0, 1, 2]), np.array([1, 2, 1, 2])))
    assert (found.coverage, found.pixels, found.miou) == (0.5, 2, 1)


def test_counts_of_a_large_volume_do_not_overflow():
    small = contingency(np.array([1, 1, 2]), np.array([1, 2, 2]))
    large = type(small)(small.predicted, small.truth, small.counts * 4_000_000_000)
    found = score_tables(large)
    assert found.miou == pytest.approx(score_tables(small).miou)
    # Of 3n pixels with n in each cell: pairs together 3n²/2 of (3n)²/2, rows and columns (2n)² + n².
    assert found.ari == pytest.approx((3 - 25 / 9) / (5 - 25 / 9), abs=1e-9)


def test_no_pixel_in_common_is_an_error_that_helps():
    with pytest.raises(ScoreError, match="both predicted and labelled"):
        score_tables(contingency(np.array([1, 0]), np.array([0, 3])))


def test_pairs_of_pixels_counted_by_hand():
    # Pairs (ordered): the prediction joins 2 + 20, the truth 12 + 12, both 2 (class 7 in 1) + 12 (9 in 2).
    truth = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    pred = np.array([7, 7, 8, 9, 9, 9, 9, 9])
    found = score_tables(contingency(pred, truth))
    assert found.adapted_rand_precision == pytest.approx(14 / 22)
    assert found.adapted_rand_recall == pytest.approx(14 / 24)
    assert found.adapted_rand_error == pytest.approx(1 - 2 * 14 / (22 + 24))
    assert found.dice == pytest.approx({1: 6 / 7, 2: 8 / 9})
    assert found.mdice == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert found.names == {7: 1, 8: 1, 9: 2}
    assert found.names_hungarian == {7: 1, 9: 2}
    assert found.iou_hungarian == pytest.approx({1: 2 / 4, 2: 4 / 5})
    assert found.dice_hungarian == pytest.approx({1: 4 / 6, 2: 8 / 9})


@pytest.mark.parametrize("seed", range(3))
def test_adapted_rand_error_is_that_of_scikit_image(seed):
    pred, truth = _maps(seed)
    # scikit-image 0.26 takes the truth's pairs for precision, against its own documentation (and ours).
    error, recall, precision = adapted_rand_error(truth, pred, ignore_labels=(0,))
    found = score_tables(contingency(pred, truth))
    assert found.adapted_rand_error == pytest.approx(error, abs=1e-12)
    assert (found.adapted_rand_precision, found.adapted_rand_recall) == pytest.approx((precision, recall))


def test_chance_is_right_for_many_small_segments(monkeypatch):
    # Where the leading term alone would say 3.1 nats, more than there is information.
    rng = np.random.default_rng(0)
    pred, truth = rng.integers(1, 400, 20_000), rng.integers(1, 300, 20_000)
    exact = score_tables(contingency(pred, truth))
    monkeypatch.setattr(expected_information, "_EXACT_TERMS", 0)
    near = score_tables(contingency(pred, truth))
    assert near.ami == pytest.approx(exact.ami, abs=2e-3)
    monkeypatch.setattr(expected_information, "_BINS", 32)
    assert score_tables(contingency(pred, truth)).ami == pytest.approx(exact.ami, abs=5e-3)


def test_large_tables_are_matched_as_well_as_small_ones(monkeypatch):
    pred, truth = _maps(3, classes=40, truths=9)
    table = contingency(pred, truth)
    small = score_tables(table)
    monkeypatch.setattr(naming, "_DENSE_CELLS", 0)
    large = score_tables(table)
    overlap = table.dense(table.predicted, table.truth)

    def sum_of(names):
        rows = {int(p): i for i, p in enumerate(table.predicted)}
        columns = {int(t): i for i, t in enumerate(table.truth)}
        return sum(overlap[rows[p], columns[t]] for p, t in names.items())

    assert sum_of(large.names_hungarian) == sum_of(small.names_hungarian)
    assert len(set(large.names_hungarian.values())) == len(large.names_hungarian)


def test_thousands_of_cells_cost_no_table_of_all_pairs():
    # 30,000 x 30,000 counts would be 7 GB.
    truth = np.repeat(np.arange(1, 30_001), 4)
    pred = np.repeat(np.arange(60_000, 0, -1), 2)
    found = score_tables(contingency(pred, truth))
    assert found.miou == pytest.approx(1)
    assert found.miou_hungarian == pytest.approx(0.5)
    assert found.voi_split == pytest.approx(1)
    assert found.voi_merge == pytest.approx(0, abs=1e-9)
