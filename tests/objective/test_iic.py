import math

import pytest
import torch
from torch.nn.functional import one_hot

from napari_dense_ssl.objective.iic import information_loss, joint_distribution


@pytest.mark.parametrize("classes", [2, 7, 50])
def test_balanced_agreement_gives_log_k(classes: int) -> None:
    views = one_hot(torch.arange(classes).repeat(3), classes).float()
    loss = information_loss(joint_distribution(views, views))
    assert float(loss) == pytest.approx(-math.log(classes), rel=1e-5)


def test_constant_and_independent_classes_tell_nothing() -> None:
    constant = one_hot(torch.zeros(64, dtype=torch.int64), 8).float()
    assert float(information_loss(joint_distribution(constant, constant))) == pytest.approx(0, abs=1e-5)
    first = one_hot(torch.arange(64) % 8, 8).float()
    second = one_hot(torch.arange(64) // 8, 8).float()
    assert float(information_loss(joint_distribution(first, second))) == pytest.approx(0, abs=1e-5)


def test_a_joint_distribution_by_hand() -> None:
    # Two pixels; the second is undecided in the second view.
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    joint = joint_distribution(first, second)
    torch.testing.assert_close(joint, torch.tensor([[0.5, 0.125], [0.125, 0.25]]))
    by_hand = sum(
        p * math.log(p / (a * b))
        for p, a, b in (
            (0.5, 0.625, 0.625),
            (0.125, 0.625, 0.375),
            (0.125, 0.375, 0.625),
            (0.25, 0.375, 0.375),
        )
    )
    assert float(information_loss(joint)) == pytest.approx(-by_hand, rel=1e-5)


def test_balance_weighs_the_entropy() -> None:
    joint = torch.diag(torch.tensor([0.75, 0.25]))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    # I + 2 (lambda - 1) H, with I = H for sure agreement
    assert float(information_loss(joint, 1.5)) == pytest.approx(-(entropy + 2 * 0.5 * entropy), rel=1e-5)


def test_a_code_for_the_position_gets_nothing_from_shifted_views() -> None:
    """Pixel noise as a position code: at another place of the crop it says nothing about the first."""
    code = one_hot(torch.randint(0, 4, (96, 96), generator=torch.Generator().manual_seed(0)), 4).float()
    still = information_loss(joint_distribution(code.flatten(0, 1), code.flatten(0, 1)))
    shifted = information_loss(joint_distribution(code[5:].flatten(0, 1), code[:-5].flatten(0, 1)))
    assert float(still) == pytest.approx(-math.log(4), abs=0.01)
    assert float(shifted) == pytest.approx(0, abs=0.01)
