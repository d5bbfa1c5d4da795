import numpy as np
import pytest
import torch

from napari_dense_ssl.objective.codebook import (
    Codebook,
    codebook_of,
    fit_codebook,
    fit_linear_head,
    fit_logistic_head,
    renumbered,
)


def test_each_pixel_gets_the_nearest_standardised_centre() -> None:
    generator = torch.Generator().manual_seed(0)
    book = Codebook(
        torch.tensor([1.0, -2.0, 0.5]),
        torch.tensor([2.0, 0.1, 1.0]),
        torch.randn(6, 3, generator=generator),
    )
    features = torch.randn(2, 3, 5, 4, generator=generator)
    standard = (features - book.mean[:, None, None]) / book.std[:, None, None]
    pixels = standard.movedim(1, -1).reshape(-1, 3)  # (B, D, Y, X) -> (B Y X, D)
    expected = torch.cdist(pixels, book.centres).argmin(dim=1).reshape(2, 5, 4)
    assert torch.equal(book.assign(features), expected)


def test_well_separated_clusters_are_found_whatever_their_units() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 4000)
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * [1000.0, 0.01]
    samples = (corners[truth] + rng.normal(size=(4000, 2)) * [20.0, 0.0002]).astype(np.float32)
    book = fit_codebook(samples, 4, seed=0)
    codes = book.assign(torch.from_numpy(samples).T[None, :, :, None])[0, :, 0].numpy()
    for code in range(4):
        assert len(np.unique(truth[codes == code])) == 1


def test_the_same_seed_gives_the_same_centres() -> None:
    samples = np.random.default_rng(2).normal(size=(2000, 3)).astype(np.float32)
    a, b = (fit_codebook(samples, 5, seed=3) for _ in range(2))
    assert torch.equal(a.centres, b.centres)


def test_constant_features_do_not_divide_by_zero() -> None:
    samples = np.ones((100, 2), dtype=np.float32)
    samples[:, 1] = np.arange(100)
    assert bool(fit_codebook(samples, 3, seed=0).centres.isfinite().all())


def test_a_closed_form_head_finds_gaussian_classes_and_their_odds() -> None:
    """Three Gaussians of equal covariance: the Bayes rule is linear, and is what comes out."""
    rng = np.random.default_rng(0)
    means = np.array([[0.0, 0], [2, 0], [0, 2]])
    codes = rng.choice(3, 30_000, p=[0.5, 0.3, 0.2])
    features = (means[codes] + 0.5 * rng.normal(size=(30_000, 2))).astype(np.float32)
    weight, bias = fit_linear_head(features, codes, classes=5)  # two classes have no pixel
    logits = torch.from_numpy(features) @ weight.T + bias
    assert set(logits.argmax(1).tolist()) == {0, 1, 2}
    expected = means @ means[1] / 0.25 - means[1] @ means[1] / 0.5 + np.log(0.3)
    expected -= means @ means[0] / 0.25 - means[0] @ means[0] / 0.5 + np.log(0.5)
    at_means = torch.from_numpy(means.astype(np.float32)) @ weight.T + bias
    np.testing.assert_allclose((at_means[:, 1] - at_means[:, 0]).numpy(), expected, atol=0.35)


def test_logistic_regression_moves_borders_that_no_gaussian_has() -> None:
    """A narrow cluster beside a wide one: discriminants put the border in the middle, where it is not."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 2, 20_000)
    features = rng.normal(size=(20_000, 3)).astype(np.float32) * [[30.0, 1.0, 0.01]]
    # The first class lies between 0 and 1, the second between 1 and 9.
    features[:, 1] = np.where(codes == 0, rng.uniform(0, 1, 20_000), rng.uniform(1, 9, 20_000))
    features = features.astype(np.float32)

    def agreement(fit) -> float:  # type: ignore[no-untyped-def]
        weight, bias = fit(features, codes, 3)
        told = (torch.from_numpy(features) @ weight.T + bias).argmax(1).numpy()
        assert set(told) <= {0, 1}  # the third has no pixel
        return float((told == codes).mean())

    assert agreement(fit_linear_head) < 0.95
    assert agreement(fit_logistic_head) > 0.98


def test_logistic_regression_leaves_discriminants_that_are_right() -> None:
    rng = np.random.default_rng(5)
    means = np.array([[0.0, 0], [2, 0], [0, 2]])
    codes = rng.integers(0, 3, 20_000)
    features = (means[codes] + 0.5 * rng.normal(size=(20_000, 2))).astype(np.float32)
    one, two = (fit(features, codes, 3) for fit in (fit_linear_head, fit_logistic_head))
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a - a.mean(0), b - b.mean(0), atol=0.3, rtol=0.1)


def test_a_codebook_of_given_codes_keeps_their_numbers() -> None:
    rng = np.random.default_rng(6)
    codes = rng.choice([0, 2, 3], 3000)
    samples = (100 * np.eye(4)[codes] + rng.normal(size=(3000, 4))).astype(np.float32)
    book = codebook_of(samples, codes, classes=4)
    np.testing.assert_array_equal(book.codes(samples), codes)
    torch.testing.assert_close(book.centres[1], torch.zeros(4))  # no sample has it: the mean of all


def test_codes_get_the_numbers_that_they_share_most_samples_with() -> None:
    wanted = np.array([3] * 10 + [1] * 10 + [0] * 4)
    codes = np.array([0] * 9 + [2] * 11 + [3] * 4)  # but for one sample the same in other numbers; 1 is empty
    expected = np.array([3] * 9 + [1] * 11 + [0] * 4)
    np.testing.assert_array_equal(renumbered(codes, wanted, classes=4), expected)
    # 0 would share most with 3 either way, but 1 shares with nothing else: as many in all as can be.
    codes, wanted = np.array([0] * 6 + [0] * 5 + [1] * 5), np.array([3] * 6 + [2] * 5 + [3] * 5)
    assert (renumbered(codes, wanted, classes=4) == wanted).sum() == 10


@pytest.mark.parametrize("seed", [0, 2**31, 10**7 * 1_000_003])
def test_seeds_may_be_as_large_as_long_trainings_make_them(seed: int) -> None:
    samples = np.random.default_rng(3).normal(size=(200, 3)).astype(np.float32)
    books = [fit_codebook(samples, 4, seed) for _ in range(2)]
    assert torch.equal(books[0].centres, books[1].centres)
    assert len(np.unique(books[0].codes(samples))) == 4


@pytest.mark.parametrize("fit", [fit_linear_head, fit_logistic_head])
@pytest.mark.parametrize("codes", [[0, 0, 0, 1, 1, 1, 3], [2, 2, 2, 2, 2, 2, 2], [2, 2, 2, 2, 2, 2, 0]])
def test_a_head_bears_classes_of_one_pixel_and_a_single_class(fit, codes: list[int]) -> None:  # type: ignore[no-untyped-def]
    features = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32) + np.array(codes)[:, None] * 9
    weight, bias = fit(features.astype(np.float32), np.array(codes), classes=4)
    found = (torch.from_numpy(features).float() @ weight.T + bias).argmax(1).numpy()
    often = np.bincount(codes)[codes] > 1
    assert np.array_equal(found[often], np.array(codes)[often])
