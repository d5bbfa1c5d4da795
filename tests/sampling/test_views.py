import numpy as np
import pytest
import torch

from napari_dense_ssl.core.geometry import Symmetry
from napari_dense_ssl.sampling.crops import CropBatch
from napari_dense_ssl.sampling.views import block_masks, cut_views, hide, photometric


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch() -> CropBatch:
    rng = np.random.default_rng(0)
    return CropBatch(
        rng.normal(size=(8, 1, 24, 24)).astype(np.float32),
        rng.integers(0, 9, (8, 2)),
        np.arange(8),
        (),
    )


def test_views_are_the_symmetries_of_the_shifted_crop(batch: CropBatch) -> None:
    views = cut_views(torch.from_numpy(batch.windows), batch, 16).numpy()
    for i, symmetry in enumerate(Symmetry.all()):
        y, x = batch.offsets[i]
        np.testing.assert_array_equal(views[i], symmetry.apply(batch.windows[i, :, y : y + 16, x : x + 16]))


def test_image_and_targets_are_cut_alike(batch: CropBatch) -> None:
    windows = torch.from_numpy(batch.windows)
    codes = (windows > 0).long()
    assert torch.equal(cut_views(codes, batch, 16), (cut_views(windows, batch, 16) > 0).long())


def test_photometric_change_keeps_the_structure_and_strength_nothing_changes_nothing() -> None:
    images = torch.nn.functional.avg_pool2d(torch.randn(16, 1, 64, 64, generator=generator()), 5, 1, 2) * 5
    assert photometric(images, 0.0, generator()) is images
    changed = photometric(images, 1.0, generator(1))
    pairs = zip(images.flatten(1), changed.flatten(1), strict=True)
    correlations = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs]
    assert min(correlations) > 0.7
    assert float((changed - images).abs().mean()) > 0.1
    assert torch.equal(changed, photometric(images, 1.0, generator(1)))


def test_masks_have_their_share_and_their_size_and_no_fixed_grid() -> None:
    masks = block_masks(300, 64, 16, 0.4, np.random.default_rng(0))
    assert masks.mean() == pytest.approx(0.4, abs=0.02)
    # Edges of squares fall on every column alike: the grid's origin is random.
    edges = (masks[:, :, 1:] != masks[:, :, :-1]).mean(axis=(0, 1))
    assert edges.min() > 0.3 * edges.max()


def test_only_hidden_pixels_are_replaced() -> None:
    images = torch.full((2, 1, 32, 32), 9.0)
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[:, :16] = True
    hidden = hide(images, masks, generator())
    assert torch.equal(hidden[:, :, 16:], images[:, :, 16:])
    assert float(hidden[:, :, :16].std()) == pytest.approx(1.0, abs=0.1)
