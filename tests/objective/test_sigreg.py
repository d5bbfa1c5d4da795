import math

import pytest
import torch

from napari_dense_ssl.objective.sigreg import epps_pulley, sigreg


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_softmax_of_the_first_experiment_cannot_satisfy_it() -> None:
    """The log's reg_loss of about 32 was total collapse: K = 50, N = 80 (16 stacks of 5 slices)."""
    uniform = torch.full((80, 50), 1 / 50)
    assert float(sigreg(uniform, generator(), 1024)) == pytest.approx(32.2, abs=0.1)
    best = torch.eye(50)[torch.arange(80) % 50]  # sure classes, as evenly used as can be
    assert float(sigreg(best, generator(), 1024)) == pytest.approx(29.9, abs=0.2)
    normal = torch.randn(80, 50, generator=generator(1))
    assert float(sigreg(normal, generator(), 1024)) == pytest.approx(1.05, abs=0.1)


@pytest.mark.parametrize("samples", [16, 64, 256])
def test_collapse_costs_0402_a_sample(samples: int) -> None:
    found = float(epps_pulley(torch.zeros(samples, 1)))
    assert found == pytest.approx(0.402 * samples, rel=0.002)
    # Over the whole line in closed form; what lies beyond +-3 is .7 % of it.
    whole = samples * math.sqrt(2 * math.pi) * (1 - math.sqrt(2) + 1 / math.sqrt(3))
    assert found == pytest.approx(whole, rel=0.02)


def test_the_figure_for_a_normal_distribution_does_not_hang_on_the_sample_size() -> None:
    for count in (80, 1000):
        normal = torch.randn(count, 128, generator=generator(2))  # many dimensions: a steady mean
        assert float(sigreg(normal, generator(), 256)) == pytest.approx(1.05, abs=0.15)


def test_the_statistic_is_that_of_lightly() -> None:
    """lightly 1.6.0 (MIT), SIGReg(knots=17, t_max=3.0) on these samples along the one direction there is."""
    samples = torch.tensor([[-1.5], [-0.2], [0.1], [0.4], [2.0]])
    assert float(sigreg(samples, generator(), 4)) == pytest.approx(0.1142033, rel=1e-5)


def test_gradients_lead_to_a_normal_distribution() -> None:
    points = (0.1 * torch.randn(256, 2, generator=generator(3))).requires_grad_(True)
    draws = generator(4)
    optimiser = torch.optim.Adam([points], lr=0.08)
    for _ in range(80):
        optimiser.zero_grad()
        sigreg(points, draws, 16).backward()
        optimiser.step()
    assert torch.cov(points.detach().T).flatten().tolist() == pytest.approx([1, 0, 0, 1], abs=0.15)
