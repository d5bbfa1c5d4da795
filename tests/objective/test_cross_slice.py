"""The experiments' three mean squares and variances over classes, by hand."""

import pytest
import torch
from torch.nn.functional import one_hot

from napari_dense_ssl.objective.cross_sample import cross_sample_variance, saturation
from napari_dense_ssl.objective.cross_slice import prediction_mse
from napari_dense_ssl.objective.equivariance import matched_mse


@pytest.mark.parametrize(("used", "expected"), [(11, 0.018182), (1, 0.0), (50, 0.0196)])
def test_the_variance_saturates_at_the_figure_of_the_diagnosis(used: int, expected: float) -> None:
    count = 20 * used
    codes = torch.arange(count) % used
    maps = one_hot(codes, 50).float()[:, :, None, None].expand(-1, -1, 2, 2)
    found = float(cross_sample_variance(maps)) * (count - 1) / count  # the unbiased one is larger
    assert found == pytest.approx(saturation(used, 50), abs=1e-6)
    assert saturation(used, 50) == pytest.approx(expected, abs=1e-6)


def test_stripes_whose_phase_follows_the_image_saturate_it() -> None:
    phases = torch.arange(11)[:, None, None]
    stripes = (torch.arange(22).expand(22, 22) + torch.arange(22)[:, None] + phases) % 11  # (11, 22, 22)
    maps = one_hot(stripes, 50).movedim(-1, 1).float()
    assert float(cross_sample_variance(maps)) * 10 / 11 == pytest.approx(saturation(11, 50), abs=1e-6)


def test_sure_classes_that_agree_on_62_percent_cost_0152() -> None:
    """``2 (1 - agreement) / K``: the log's .0151 at K = 50 meant that 38 % of the pixels disagreed."""
    right = torch.zeros(1, 10, 10, dtype=torch.int64)
    wrong = right.clone().view(-1)
    wrong[:38] = 7
    target, predicted = (one_hot(c.view(1, 10, 10), 50).movedim(-1, 1).float() for c in (right, wrong))
    assert float(prediction_mse(predicted, target)) == pytest.approx(2 * 0.38 / 50)


def test_no_gradient_goes_into_the_target() -> None:
    predicted, target = (torch.rand(1, 3, 2, 2, requires_grad=True) for _ in range(2))
    prediction_mse(predicted, target).backward()
    assert predicted.grad is not None
    assert target.grad is None


def test_turned_maps_are_compared_by_a_mean_over_classes() -> None:
    first, second = one_hot(torch.tensor([0, 1]), 4).float(), one_hot(torch.tensor([0, 2]), 4).float()
    assert float(matched_mse(first, second)) == pytest.approx(2 / (2 * 4))
