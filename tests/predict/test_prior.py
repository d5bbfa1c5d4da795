import numpy as np
import pytest
from scipy.stats import norm

from napari_dense_ssl.predict.prior import class_areas, doubt, sharpness


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


def test_sharpness_undoes_what_was_done_to_honest_logits():
    logits, classes = _two_gaussians(0.3, 20_000)
    for factor in (0.25, 1.0, 4.0):
        assert sharpness(logits / factor, classes) == pytest.approx(factor, rel=0.1)
