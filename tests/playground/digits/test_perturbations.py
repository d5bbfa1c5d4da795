"""Perturbations on images small enough to work out by hand."""

from __future__ import annotations

import pytest
import torch

from napari_dense_ssl.playground.digits.perturbations import (
    affine,
    dilate,
    erode,
    invert,
    perturb,
    random_maps,
    skeletonise,
)
from napari_dense_ssl.playground.digits.settings import PerturbationSettings

NONE = PerturbationSettings(
    rotation=0, shear=0, shift=0, stretch=0, erosion=0, dilation=0, skeleton=0, inversion=0, noise=0
)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(*rows: str) -> torch.Tensor:
    """``"#"`` is 1, anything else 0; shape (1, 1, Y, X)."""
    return torch.tensor([[float(letter == "#") for letter in row] for row in rows])[None, None]


def test_a_dot_is_dilated_to_a_square_and_eroded_back() -> None:
    dot = image(".....", ".....", "..#..", ".....", ".....")
    square = image(".....", ".###.", ".###.", ".###.", ".....")
    assert torch.equal(dilate(dot), square)
    assert torch.equal(erode(square), dot)
    assert not erode(dot).any()


def test_erosion_takes_nothing_from_the_side_of_the_frame() -> None:
    assert torch.equal(erode(image("##..", "##..", "....")), image("#...", "....", "...."))


def test_grey_values_follow_the_largest_and_the_smallest_neighbour() -> None:
    row = torch.tensor([0.2, 0.8, 0.5]).reshape(1, 1, 1, 3)
    torch.testing.assert_close(dilate(row).flatten(), torch.tensor([0.8, 0.8, 0.8]))
    torch.testing.assert_close(erode(row).flatten(), torch.tensor([0.2, 0.2, 0.5]))


def test_inversion() -> None:
    torch.testing.assert_close(invert(torch.tensor([0.0, 0.25, 1.0])), torch.tensor([1.0, 0.75, 0.0]))


def test_a_thick_bar_becomes_a_line_and_neighbours_in_the_batch_do_not_touch() -> None:
    bar = image(".......", "#######", "#######", "#######", ".......")
    full = torch.ones_like(bar)
    lines = skeletonise(torch.cat([full, bar, full]))
    assert set(lines.unique().tolist()) == {0.0, 1.0}
    assert lines[1].sum(dim=1).max() == 1, "one pixel thick"
    assert lines[1, 0, 2].sum() >= 4, "along its middle"
    alone = skeletonise(bar)
    assert torch.equal(lines[1], alone[0])


def test_an_affine_map_of_a_quarter_turn_and_of_a_shift() -> None:
    corner = image("#..", "...", "...")
    quarter = torch.tensor(
        [[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]]
    )  # the result at (x, y) is the image at (y, -x)
    torch.testing.assert_close(affine(corner, quarter), image("..#", "...", "..."))
    one_pixel = torch.tensor([[[1.0, 0.0, -2 / 3], [0.0, 1.0, 0.0]]])
    torch.testing.assert_close(affine(corner, one_pixel), image(".#.", "...", "..."))


def test_maps_stay_within_their_limits_and_shrink_with_the_strength() -> None:
    turn = NONE.model_copy(update={"rotation": 30.0})
    angles = torch.rad2deg(torch.asin(random_maps(4000, 1.0, turn, chance())[:, 1, 0]))
    assert 29 < angles.abs().max() <= 30
    half = torch.rad2deg(torch.asin(random_maps(4000, 0.5, turn, chance())[:, 1, 0]))
    torch.testing.assert_close(half, angles / 2)
    stretch = random_maps(4000, 1.0, NONE.model_copy(update={"stretch": 0.25}), chance())[:, 0, 0]
    assert 0.8 <= stretch.min() < 0.81
    assert 1.24 < stretch.max() <= 1.25
    shift = random_maps(4000, 1.0, NONE.model_copy(update={"shift": 0.1}), chance())[:, :, 2]
    assert 0.198 < shift.abs().max() <= 0.2, "a tenth of an edge that is 2 long"


@pytest.mark.parametrize(
    ("name", "change"),
    [("erosion", erode), ("dilation", dilate), ("skeleton", skeletonise), ("inversion", invert)],
)
def test_each_kind_alone_at_full_share(name, change) -> None:
    images = torch.rand((6, 1, 12, 12), generator=chance())
    only = NONE.model_copy(update={name: 1.0})
    torch.testing.assert_close(perturb(images, 1.0, only, chance()), change(images))


def test_the_share_of_images_follows_setting_and_strength() -> None:
    images = torch.rand((4000, 1, 8, 8), generator=chance())
    only = NONE.model_copy(update={"erosion": 0.4})
    for strength in (1.0, 0.5):
        moved = (perturb(images, strength, only, chance(1)) - images).abs().amax((1, 2, 3)) > 1e-4
        assert moved.float().mean() == pytest.approx(0.4 * strength, abs=0.03)


def test_strength_zero_changes_nothing_and_shares_no_memory() -> None:
    images = torch.rand((3, 1, 28, 28), generator=chance())
    copies = perturb(images, 0.0, PerturbationSettings(), chance())
    assert torch.equal(copies, images)
    copies.zero_()
    assert images.any()


def test_the_same_seed_gives_the_same_copies_in_range() -> None:
    images = torch.rand((40, 1, 28, 28), generator=chance())
    before = torch.get_rng_state()
    first = perturb(images, 1.0, PerturbationSettings(), chance(3))
    assert torch.equal(first, perturb(images, 1.0, PerturbationSettings(), chance(3)))
    assert not torch.equal(first, perturb(images, 1.0, PerturbationSettings(), chance(4)))
    assert torch.equal(before, torch.get_rng_state()), "the global generator is left alone"
    assert first.min() >= 0
    assert first.max() <= 1


def test_more_than_all_images_cannot_change_their_strokes() -> None:
    with pytest.raises(ValueError, match="at most 1 together"):
        PerturbationSettings(erosion=0.5, dilation=0.5, skeleton=0.1)
