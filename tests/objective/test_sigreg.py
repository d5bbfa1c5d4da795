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
    # In the mean sqrt(2 pi) (1 - 1 / sqrt 3): the variance of N means of exp(itx), times N, integrated.
    for count in (40, 160):
        normal = torch.randn(count, 4000, generator=generator(2))
        assert float(epps_pulley(normal).mean()) == pytest.approx(1.0594, abs=0.06)


def test_the_statistic_is_that_of_lightly() -> None:
    """lightly 1.6.0 (MIT), SIGReg(knots=17, t_max=3.0) on these samples along the one direction there is."""
    samples = torch.tensor([[-1.5], [-0.2], [0.1], [0.4], [2.0]])
    assert float(sigreg(samples, generator(), 4)) == pytest.approx(0.1142033, rel=1e-5)


@pytest.mark.parametrize(("width", "grows"), [(0.1, True), (3.0, False)])
def test_its_gradient_leads_to_unit_variance(width: float, grows: bool) -> None:
    points = torch.randn(256, 4, generator=generator(3))
    scale = torch.tensor(width, requires_grad=True)
    sigreg(scale * points, generator(), 32).backward()
    assert scale.grad is not None
    assert (float(scale.grad) < 0) == grows
