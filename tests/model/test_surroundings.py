import torch

from napari_dense_ssl.model.surroundings import shares_around


def test_shares_are_those_of_a_gaussian_window() -> None:
    """At a straight border between codes 0 and 2, the share of 2 is the normal distribution's."""
    codes = torch.zeros(1, 40, 81, dtype=torch.int64)
    codes[..., 41:] = 2
    shares = shares_around(codes, 4, sigma=5.0)
    assert shares.shape == (1, 4, 40, 81)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(1, 40, 81))
    assert (shares[:, [1, 3]] == 0).all()
    distance = torch.arange(81.0) - 40.5  # the border lies between two pixels
    normal = torch.distributions.Normal(0.0, 5.0).cdf(distance)
    torch.testing.assert_close(shares[0, 2, 20], normal, atol=3e-3, rtol=0)


def test_shares_do_not_hang_on_the_place() -> None:
    codes = torch.randint(0, 3, (1, 64, 64), generator=torch.Generator().manual_seed(0))
    whole, moved = shares_around(codes, 3, 2.0), shares_around(codes[:, 5:, 3:], 3, 2.0)
    reach = 6  # three standard deviations; nearer to the edge the window is reflected
    torch.testing.assert_close(
        whole[..., 5 + reach : -reach, 3 + reach : -reach], moved[..., reach:-reach, reach:-reach]
    )


def test_one_code_everywhere_has_all_of_it() -> None:
    shares = shares_around(torch.ones(2, 9, 9, dtype=torch.int64), 2, 8.0)  # wider than the image
    torch.testing.assert_close(shares[:, 1], torch.ones(2, 9, 9))
