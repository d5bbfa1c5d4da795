import numpy as np
import pytest
import torch

from napari_dense_ssl.sampling.portion import Portion
from napari_dense_ssl.sampling.views import hide, photometric


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("number", [0, 1, 4, 6])
def test_portions_are_the_whole_and_so_are_those_of_either_side_of_a_crop(world: int, number: int) -> None:
    whole = np.arange(6)
    found = [Portion(rank, world, 6) for rank in range(world)]
    assert sorted(np.concatenate([portion.of(whole) for portion in found])) == list(whole)
    assert all(len(portion) == len(portion.of(whole)) for portion in found)
    for portion in found:
        before, after = portion.split(number)
        mine = portion.of(whole)
        assert before.of(whole[:number]).tolist() == [n for n in mine if n < number]
        assert after.of(whole[number:]).tolist() == [n for n in mine if n >= number]
        assert (len(before), len(after)) == (sum(mine < number), sum(mine >= number))


def test_parts_of_portions_go_together() -> None:
    whole = np.arange(12)
    for rank in range(2):
        portion = Portion(rank, 2, 12)
        part = portion.part(2, 5)  # crops 4 to 9 of all
        assert part.of(whole[4:10]).tolist() == portion.of(whole)[2:5].tolist()


def test_what_is_drawn_for_a_portion_is_what_is_drawn_for_the_whole() -> None:
    images = torch.randn(6, 2, 24, 24, generator=torch.Generator().manual_seed(1))
    masks = torch.rand(6, 24, 24, generator=torch.Generator().manual_seed(2)) < 0.5

    def changed(portion: Portion) -> torch.Tensor:
        generator, total = torch.Generator().manual_seed(3), portion.total
        seen = photometric(portion.of(images[:total]), 1.0, generator, portion)
        return hide(seen, portion.of(masks[:total]), generator, portion)

    whole = changed(Portion.all(6))
    for rank in range(3):
        portion = Portion(rank, 3, 6)
        # The blur is a convolution, whose last bits depend on how many images go through at once.
        torch.testing.assert_close(changed(portion), portion.of(whole))
    assert changed(Portion(2, 3, 2)).shape == (0, 2, 24, 24)  # crops that are all the others'
