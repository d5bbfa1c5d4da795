import math

import pytest
import torch
from torch.nn.functional import normalize

from napari_dense_ssl.objective.swav import sinkhorn, swapped_prediction

FIRST = torch.tensor([[0.9, 0.1, -0.2], [0.3, 0.8, 0.0], [-0.5, 0.2, 0.7], [0.6, 0.5, 0.4]])
SECOND = torch.tensor([[0.2, 0.7, 0.1], [0.5, 0.5, 0.3], [-0.1, 0.2, 0.9], [0.6, 0.1, 0.4]])


def test_assignments_are_those_of_lightly() -> None:
    """lightly 1.6.0 (MIT): sinkhorn(FIRST, iterations=3, epsilon=.5)."""
    expected = [
        [0.7245455, 0.1633861, 0.1120683],
        [0.2082380, 0.6322299, 0.1595322],
        [0.0478081, 0.2165382, 0.7356537],
        [0.3508555, 0.3208410, 0.3283035],
    ]
    torch.testing.assert_close(sinkhorn(FIRST, 0.5, 3), torch.tensor(expected), atol=1e-6, rtol=0)


def test_the_loss_is_lightlys() -> None:
    """lightly 1.6.0 (MIT): SwaVLoss(.1, 3, .05) of two high-resolution views and no low-resolution ones."""
    assert float(swapped_prediction(FIRST, SECOND)) == pytest.approx(2.5368469, rel=1e-5)


def test_marginals() -> None:
    generator = torch.Generator().manual_seed(0)
    features = normalize(torch.randn(600, 16, generator=generator))
    scores = features @ normalize(torch.randn(50, 16, generator=generator)).T
    found = sinkhorn(scores, 0.05, 100)
    torch.testing.assert_close(found.sum(1), torch.ones(600), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.sum(0), torch.full((50,), 12.0), atol=0.1, rtol=0)
    uneven = torch.nn.functional.one_hot(scores.argmax(1), 50).sum(0)
    assert float(uneven.max()) > 20  # what there was to balance


def test_three_iterations_come_near() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = 0.3 * torch.randn(1000, 10, generator=generator) + torch.linspace(0, 0.5, 10)
    sizes = sinkhorn(scores, 0.05, 3).sum(0)
    assert sizes.min() > 50
    assert sizes.max() < 150


def test_equal_cosines_cost_log_k_and_small_epsilons_do_not_overflow() -> None:
    equal = torch.zeros(30, 6)
    assert float(swapped_prediction(equal, equal)) == pytest.approx(math.log(6), rel=1e-5)
    assert sinkhorn(FIRST, 0.001).isfinite().all()
