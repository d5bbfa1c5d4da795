import math

import pytest
import torch

from napari_dense_ssl.objective.masked_clusters import masked_losses


def test_uniform_logits_cost_log_k() -> None:
    codes = torch.randint(0, 50, (2, 6, 6), generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(2, 6, 6, dtype=torch.bool)
    hidden[:, :3] = True
    losses = masked_losses(torch.zeros(2, 50, 6, 6), codes, hidden)
    assert float(losses.hidden) == pytest.approx(math.log(50))
    assert float(losses.seen) == pytest.approx(math.log(50))


def test_hidden_and_seen_pixels_are_told_apart_by_hand() -> None:
    # Two pixels, two classes: probability of the right class .9 where hidden, .2 where seen.
    logits = torch.log(torch.tensor([[[[0.9, 0.2]], [[0.1, 0.8]]]]))  # (1, K, 1, 2)
    codes = torch.zeros(1, 1, 2, dtype=torch.int64)
    losses = masked_losses(logits, codes, torch.tensor([[[True, False]]]))
    assert float(losses.hidden) == pytest.approx(-math.log(0.9))
    assert float(losses.seen) == pytest.approx(-math.log(0.2))
    assert float(losses.agreement) == 0.0


def test_pixels_without_a_target_count_nowhere() -> None:
    logits = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    codes = torch.tensor([[[-1, -1], [-1, 2]]])
    losses = masked_losses(logits, codes, torch.zeros(1, 2, 2, dtype=torch.bool))
    expected = -logits.log_softmax(1)[0, 2, 1, 1]
    assert float(losses.seen) == pytest.approx(float(expected))
    assert float(losses.hidden) == 0.0


def test_a_code_for_the_position_cannot_beat_the_marginal() -> None:
    """Section 1 of the diagnosis: targets of randomly placed crops carry nothing about the place."""
    generator = torch.Generator().manual_seed(0)
    tissue = torch.randint(0, 4, (512, 512), generator=generator)
    corners = torch.randint(0, 512 - 32, (400, 2), generator=generator)
    codes = torch.stack([tissue[y : y + 32, x : x + 32] for y, x in corners.tolist()])
    by_place = torch.nn.functional.one_hot(codes, 4).float().mean(0)  # the best positional predictor
    logits = by_place.clamp(min=1e-6).log().permute(2, 0, 1).expand(400, -1, -1, -1)
    loss = masked_losses(logits, codes, torch.ones_like(codes, dtype=torch.bool)).hidden
    assert float(loss) == pytest.approx(math.log(4), abs=0.02)
