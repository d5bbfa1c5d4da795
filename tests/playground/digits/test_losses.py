"""The encoder's two terms, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from napari_dense_ssl.playground.digits.losses import cosine_loss, redundancy


def test_cosine_loss_ignores_lengths() -> None:
    one = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert float(cosine_loss(one, 5 * one)) == pytest.approx(0, abs=1e-6)
    assert float(cosine_loss(one, -one)) == pytest.approx(2)
    assert float(cosine_loss(one, one.flip(0))) == pytest.approx(1)


def test_redundancy_counts_how_often_a_dimension_is_repeated() -> None:
    first = torch.tensor([1.0, 1.0, -1.0, -1.0])
    second = torch.tensor([1.0, -1.0, 1.0, -1.0])
    assert float(redundancy(torch.stack([first, second], 1))) == pytest.approx(0, abs=1e-6)
    copies = torch.stack([first, 3 * first + 7, -first], 1)
    assert float(redundancy(copies)) == pytest.approx(2, abs=1e-4), "each repeats the two others"
    half = torch.stack([first, first + second], 1)  # correlation 1 / sqrt 2
    assert float(redundancy(half)) == pytest.approx(0.5, abs=1e-4)


def test_redundancy_of_independent_dimensions_is_what_a_batch_leaves_to_chance() -> None:
    noise = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
    assert float(redundancy(noise)) == pytest.approx(31 / 64, rel=0.1)


def test_a_collapsed_dimension_costs_nothing_and_breaks_nothing() -> None:
    flat = torch.ones(8, 3, requires_grad=True)
    value = redundancy(flat)
    value.backward()
    assert float(value.detach()) == 0
    assert torch.isfinite(flat.grad).all()
