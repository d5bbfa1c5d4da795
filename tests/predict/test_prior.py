import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import norm

from napari_dense_ssl.predict.prior import class_areas, doubt, stacking_weights


def _two_gaussians(share: float, count: int, seed: int = 0):
    """Logits of the ideal classifier for equally common N(0, 1) and N(2, 1), on a mixture of them."""
    rng = np.random.default_rng(seed)
    classes = (rng.random(count) < share).astype(int)
    x = rng.normal(size=count) + 2 * classes
    return np.stack([norm.logpdf(x), norm.logpdf(x, 2)], axis=1), classes


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_areas_of_a_mixture_are_found(share):
    logits, _ = _two_gaussians(share, 20_000)
    assert class_areas(logits, pull=0) == pytest.approx([1 - share, share], abs=0.012)


def test_areas_do_not_vanish():
    logits, _ = _two_gaussians(0.0, 5000)
    assert class_areas(logits, pull=0)[1] < 1e-2
    pulled = class_areas(logits, pull=0.05)
    assert pulled[1] >= 0.05 / 2 / 1.05
    assert pulled.sum() == pytest.approx(1)


def test_doubt_falls_with_the_scribbles():
    assert doubt(np.array([25, 4000])) == 0.2
    assert doubt(np.array([100, 100])) == 0.1
    assert doubt(np.array([10_000, 10_000])) == 0.05


def test_one_weight_undoes_what_was_done_to_honest_logits():
    logits, classes = _two_gaussians(0.3, 20_000)
    for factor in (0.25, 1.0, 4.0):
        (weight,) = stacking_weights(logits[None] / factor, classes)
        assert weight == pytest.approx(factor, rel=0.1)


def test_one_weight_is_the_temperature_that_scipy_finds():
    logits, classes = _two_gaussians(0.3, 5000)
    even = 1 / np.bincount(classes)[classes]
    for factor in (0.02, 0.25, 4.0):

        def loss(log_weight, given=logits / factor):
            log_p = log_softmax(np.exp(log_weight) * given, axis=1)
            return -np.average(log_p[np.arange(len(classes)), classes], weights=even)

        best = np.exp(minimize_scalar(loss, bounds=(-4, 2), method="bounded").x)
        assert stacking_weights(logits[None] / factor, classes) == pytest.approx([best], rel=1e-2)


def test_classifiers_count_for_what_they_know():
    """Two that know the same half, one that knows the other half, one that guesses."""
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 2, 4000)
    first, second = (rng.normal(size=len(classes)) + 2 * classes for _ in range(2))
    guess = rng.normal(size=len(classes))
    known, other, nothing = (
        np.stack([norm.logpdf(x), norm.logpdf(x, 2)], axis=1) for x in (first, second, guess)
    )
    # Given the class the halves are independent: the log posteriors add up as they are.
    assert stacking_weights(np.stack([known, other]), classes) == pytest.approx([1, 1], abs=0.15)
    weights = stacking_weights(np.stack([known, 3 * nothing, 5 * other]), classes)
    assert weights == pytest.approx([1, 0, 0.2], abs=0.1)
    # One that is wrong is not turned round, and the first is never silenced altogether.
    weights = stacking_weights(np.stack([nothing, -known]), classes)
    assert weights[1] == 0
    assert weights[0] > 0
