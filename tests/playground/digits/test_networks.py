"""The encoder, its average and the decoder."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_dense_ssl.playground.digits.networks import Average, DigitDecoder, DigitEncoder, decayed, resized


def test_the_average_moves_by_its_share_and_takes_over_running_statistics() -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1, affine=False))
    nn.init.constant_(network[0].weight, 2.0)
    target = Average(network)
    nn.init.constant_(network[0].weight, 4.0)
    network[1].running_mean.fill_(5.0)
    target.follow(network, 0.75)
    assert float(target.network[0].weight) == pytest.approx(0.75 * 2 + 0.25 * 4)
    assert float(target.network[1].running_mean) == 5
    target.follow(network, 1.0)
    assert float(target.network[0].weight) == pytest.approx(2.5), "at 1 it stands still"
    assert not any(parameter.requires_grad for parameter in target.parameters())
    assert not target(torch.randn(4, 1)).requires_grad


def test_shapes_from_image_to_embedding_and_back() -> None:
    encoder = DigitEncoder(4, 10).eval()
    embeddings = encoder(torch.rand(3, 1, 28, 28))
    assert embeddings.shape == (3, 10)
    drawn = DigitDecoder(10, 4).eval()(embeddings)
    assert drawn.shape == (3, 1, 28, 28)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_images_are_resized_without_changing_their_brightness() -> None:
    images = torch.rand(2, 1, 28, 28)
    assert resized(images) is images
    large = torch.full((2, 1, 64, 32), 0.25)
    torch.testing.assert_close(resized(large), torch.full((2, 1, 28, 28), 0.25))


def test_small_images_get_the_frame_that_mnist_has() -> None:
    framed = resized(torch.full((2, 1, 8, 8), 0.25))
    assert framed.shape == (2, 1, 28, 28)
    torch.testing.assert_close(framed[:, :, 4:-4, 4:-4], torch.full((2, 1, 20, 20), 0.25))
    assert float(framed.sum()) == pytest.approx(2 * 400 * 0.25, rel=1e-5), "black around it"


def test_biases_and_normalisations_do_not_decay() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    weights, others = decayed(iter((network,)), 0.1)
    assert [p.ndim for p in weights["params"]] == [2]
    assert len(others["params"]) == 3
    assert (weights["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
