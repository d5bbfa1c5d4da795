import numpy as np
import pytest
from skimage.feature import hessian_matrix_eigvals

from napari_dense_ssl.core.errors import RegionError, ScoreError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate import (
    FilterBankBaseline,
    contingency,
    filter_bank,
    kmeans_filter_bank,
    score_tables,
)
from napari_dense_ssl.volume import Volume


def _two_textures():
    """Left dark and smooth, right bright with fine lines; truth 1 and 2."""
    rng = np.random.default_rng(0)
    picture = rng.normal(100, 3, (4, 64, 96))
    picture[:, :, 48:] = 150 + 40 * (np.arange(48) % 6 < 2) + rng.normal(0, 3, (4, 64, 48))
    truth = np.ones((4, 64, 96), np.uint8)
    truth[:, :, 48:] = 2
    return Volume.from_arrays([picture.astype(np.uint8)]), truth


def test_responses_on_a_parabola_are_its_derivatives():
    y, x = np.mgrid[-40:41, -40:41].astype(np.float32)
    bank = filter_bank(0.5 * y**2 + 0.25 * x**2 + 3 * x, sigmas=(2.0,))
    middle = bank[40, 40]
    # Gaussian adds sigma²/2 times the Laplacian; the derivatives are scaled by sigma and sigma².
    assert middle[0] == pytest.approx(4 / 2 * 1.5, rel=0.02)
    assert middle[1] == pytest.approx(2 * 3, rel=0.02)
    assert middle[2:] == pytest.approx([4 * 1.0, 4 * 0.5], rel=0.02)
    assert bank.shape == (81, 81, 4)
    assert bank.dtype == np.float32


def test_eigenvalues_are_those_of_scikit_image():
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    picture = rng.normal(size=(20, 20)).astype(np.float32)
    bank = filter_bank(picture, sigmas=(1.0,))
    second = [gaussian_filter(picture, 1.0, order=o) for o in ((2, 0), (1, 1), (0, 2))]
    assert np.allclose(bank[..., 2:], np.moveaxis(hessian_matrix_eigvals(second), 0, -1), atol=1e-5)


def test_clusters_tell_textures_apart():
    volume, truth = _two_textures()
    classes = kmeans_filter_bank(volume, classes=8)
    assert classes.dtype == np.uint8
    assert classes.min() >= 1
    assert classes.max() <= 8
    assert score_tables(contingency(classes, truth)).mi_frac > 0.85


def test_the_same_seed_gives_the_same_classes_and_a_region_its_own_shape():
    volume, _ = _two_textures()
    box = Box((1, 0, 10), (3, 40, 60))
    one = kmeans_filter_bank(volume, region=box, classes=5, seed=3)
    assert one.shape == (2, 40, 50)
    assert (one == kmeans_filter_bank(volume, region=box, classes=5, seed=3)).all()


def test_strips_show_no_seam():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (1, 600, 40)).astype(np.uint8)
    baseline = FilterBankBaseline.fit(Volume.from_arrays([picture]), classes=6)
    bank = filter_bank(picture[0]).reshape(-1, 16)
    whole = baseline.kmeans.predict(baseline.scaler.transform(bank)).reshape(600, 40) + 1
    assert (baseline.classify(picture[0]) == whole).mean() > 0.9999


def test_nan_stays_where_it_is():
    picture = np.random.default_rng(0).normal(size=(1, 32, 32)).astype(np.float32)
    picture[0, 5, 5] = np.nan
    assert kmeans_filter_bank(Volume.from_arrays([picture]), classes=4).min() >= 1


def test_impossible_requests_are_refused():
    volume = Volume.from_arrays([np.zeros((1, 4, 4), np.uint8)])
    with pytest.raises(ScoreError, match="50 classes of 16 pixels"):
        kmeans_filter_bank(volume, classes=50)
    with pytest.raises(RegionError, match="outside"):
        kmeans_filter_bank(volume, region=Box((0, 0, 0), (1, 5, 5)), classes=2)
