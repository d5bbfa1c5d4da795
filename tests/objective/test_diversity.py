import math

import pytest
import torch
from torch.nn.functional import one_hot

from napari_dense_ssl.objective.diversity import diversity_losses


def maps(codes: torch.Tensor, classes: int = 10) -> torch.Tensor:
    """Sure probabilities (B, K, Y, X) of codes (B, Y, X)."""
    return one_hot(codes, classes).movedim(-1, 1).float()


def test_uniform_pixels_are_diverse_and_blurred() -> None:
    losses = diversity_losses(torch.full((2, 10, 4, 4), 0.1), math.log(8))
    assert float(losses.shortfall) == 0
    assert float(losses.blur) == pytest.approx(math.log(10))


def test_one_class_falls_short_by_all_that_is_wanted() -> None:
    losses = diversity_losses(maps(torch.zeros(2, 4, 4, dtype=torch.int64)), math.log(8))
    assert float(losses.shortfall) == pytest.approx(math.log(8))
    assert float(losses.blur) == pytest.approx(0, abs=1e-6)


def test_bands_satisfy_it_whatever_the_image() -> None:
    bands = torch.arange(8)[:, None].expand(8, 8)
    losses = diversity_losses(maps(bands.expand(3, 8, 8)), math.log(8))
    assert float(losses.shortfall) == pytest.approx(0, abs=1e-6)
    assert float(losses.blur) == pytest.approx(0, abs=1e-6)


def test_over_the_batch_images_of_one_class_each_are_diverse() -> None:
    """Where images differ, taking the mean in each of them asks for a cut that the tissue has not."""
    codes = torch.arange(8)[:, None, None].expand(8, 4, 4)
    assert float(diversity_losses(maps(codes), math.log(8), "image").shortfall) == pytest.approx(math.log(8))
    over_all = diversity_losses(maps(codes), math.log(8), "batch").shortfall
    assert float(over_all) == pytest.approx(0, abs=1e-6)
