import pytest
import torch
from torch import nn

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.core.tiles import tiles
from napari_dense_ssl.model import DenseEncoder, EncoderSettings, SlicePredictor
from napari_dense_ssl.model.encoder import effective_radius

SMALL = EncoderSettings(stages=2, depths=(1, 1), widths=(8, 16), features=12, detail=4)


@pytest.fixture
def encoder() -> DenseEncoder:
    torch.manual_seed(0)
    network = DenseEncoder(SMALL, classes=7).eval()
    for module in network.modules():  # timm's tiny initial weights would hide differences
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.3)
    return network.requires_grad_(False)


def test_logits_and_features_have_the_resolution_of_the_input(encoder: DenseEncoder) -> None:
    output = encoder(torch.randn(2, 1, 32, 40))
    assert output.logits.shape == (2, 7, 32, 40)
    assert output.features.shape == (2, 12 + 3 * 4, 32, 40)  # learned ones, then four filters a scale
    assert encoder.feature_channels == 24
    probabilities = encoder.probabilities(torch.randn(1, 1, 16, 16))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 16, 16))


def test_every_second_pixel_alone_is_what_the_whole_has_there(encoder: DenseEncoder) -> None:
    images = torch.randn(2, 1, 32, 40)
    whole = encoder.features(images)
    for phase in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = encoder.features(images, phase)
        torch.testing.assert_close(part, whole[..., phase[0] :: 2, phase[1] :: 2])


def test_neighbouring_slices_are_seen() -> None:
    torch.manual_seed(0)
    network = DenseEncoder(SMALL.model_copy(update={"slices": 3}), classes=4)
    images = torch.randn(1, 3, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(images).logits.square().sum(), images)
    assert (gradient.abs().sum(dim=(0, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("step", "slices"), [(1.0, 7), (1.26, 5), (2.9, 3), (4.0, 1), (8.5, 1), (float("inf"), 1)]
)
def test_slices_are_looked_at_together_where_they_lie_close(step: float, slices: int) -> None:
    assert EncoderSettings().resolved(step).slices == slices
    assert EncoderSettings(slices=3).resolved(step).slices == 3


def test_a_pixels_own_slice_lies_in_the_middle() -> None:
    with pytest.raises(ValueError, match="must be odd"):
        EncoderSettings(slices=4)


def test_no_convolution_pads_with_zeros_unless_asked_to() -> None:
    def modes(settings: EncoderSettings) -> set[str]:
        network = DenseEncoder(settings)
        padded = (m for m in network.modules() if isinstance(m, nn.Conv2d) and m.padding != (0, 0))
        return {m.padding_mode for m in padded}

    assert modes(EncoderSettings()) == {"reflect"}
    assert modes(EncoderSettings(padding="zeros")) == {"zeros"}


@pytest.mark.parametrize(
    "settings", [SMALL, EncoderSettings(stages=3, depths=(1, 1, 1), widths=(8, 8, 8), features=8)]
)
def test_nothing_beyond_the_theoretical_radius_has_influence(settings: EncoderSettings) -> None:
    torch.manual_seed(1)
    network = DenseEncoder(settings, classes=3).double().eval()
    radius = network.receptive_radius
    edge = -(-(2 * radius + 40) // network.multiple) * network.multiple
    images = torch.randn(1, 1, edge, edge, dtype=torch.float64, requires_grad=True)
    features = network.features(images)
    for y in (edge // 2, edge // 2 + 1, edge // 2 + 3):
        (gradient,) = torch.autograd.grad(features[0, :, y, y].sum(), images, retain_graph=True)
        rows = gradient[0, 0].abs().sum(1).nonzero().flatten()
        reach = max(y - int(rows.min()), int(rows.max()) - y)
        assert reach <= radius
        assert reach > radius // 2  # the figure is a bound, not a guess far off


def test_tiles_with_the_theoretical_halo_equal_the_whole(encoder: DenseEncoder) -> None:
    edge = 144
    image = torch.randn(1, 1, edge, edge)
    whole = encoder.probabilities(image)[0]
    stitched = torch.zeros_like(whole)
    halo = encoder.receptive_radius
    window = 2 * halo + 24
    assert window < edge
    for tile in tiles((edge, edge), ((0, edge),) * 2, window=window, halo=halo, multiple=encoder.multiple):
        part = encoder.probabilities(image[(..., *tile.outer_slices)])[0]
        stitched[(..., *tile.inner_slices)] = part[(..., *tile.crop_slices)]
    assert float((stitched - whole).abs().max()) < 1e-5


def test_the_stem_is_symmetric_so_that_turning_at_the_stride_turns_the_field() -> None:
    network = DenseEncoder(SMALL, classes=3).eval()
    stem = network.backbone.stem_0
    assert (stem.kernel_size, stem.stride, stem.padding) == ((4, 4), (2, 2), (1, 1))


def test_the_effective_radius_lies_within_the_theoretical_one(encoder: DenseEncoder) -> None:
    radius = effective_radius(encoder, torch.randn(2, 1, 96, 96))
    assert 0 < radius <= encoder.receptive_radius


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(SettingsError, match="convnext_enormous"):
        DenseEncoder(EncoderSettings(backbone="convnext_enormous"))


def test_depths_must_fit_the_stages() -> None:
    with pytest.raises(ValueError, match="3 entries for 2 stages"):
        EncoderSettings(stages=2, widths=(8, 8))


def test_the_slice_predictor_depends_on_every_neighbour() -> None:
    predictor = SlicePredictor(features=6)
    context = torch.randn(2, 4, 6, 8, 8, requires_grad=True)
    output = predictor(context)
    assert output.shape == (2, 6, 8, 8)
    (gradient,) = torch.autograd.grad(output.square().sum(), context)
    assert (gradient.abs().sum(dim=(0, 2, 3, 4)) > 0).all()
