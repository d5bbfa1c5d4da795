import torch
from torch import nn

from napari_dense_ssl.model.batch_norm import BatchNorm


def test_statistics_of_all_processes_are_those_of_the_batch_where_there_is_one() -> None:
    generator = torch.Generator().manual_seed(0)
    images = 3 + 2 * torch.randn((4, 5, 6, 7), generator=generator)
    norm, known = BatchNorm(5), nn.BatchNorm2d(5, track_running_stats=False)
    with torch.no_grad():
        for layer in (norm, known):
            layer.weight.copy_(torch.arange(1.0, 6.0))
            layer.bias.copy_(torch.arange(5.0))
    sums = []

    def summed(values: torch.Tensor) -> torch.Tensor:
        sums.append(values)
        return values

    one, other, third = (images.clone().requires_grad_() for _ in range(3))
    expected = known(one)
    expected.square().sum().backward()
    alone = norm(other)
    alone.square().sum().backward()
    assert torch.equal(alone, expected)
    norm.summed = summed
    shared = norm(third)
    shared.square().sum().backward()
    assert len(sums) == 3
    torch.testing.assert_close(shared, expected)
    torch.testing.assert_close(third.grad, one.grad, atol=1e-4, rtol=1e-4)
