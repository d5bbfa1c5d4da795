import math

import pytest
import torch

from napari_dense_ssl.objective.contrastive import dense_info_nce

NONE = torch.zeros(0, 8), torch.zeros(0, dtype=torch.int64)


def test_a_code_for_the_position_pays_log_of_one_and_the_negatives() -> None:
    """Same place, same code: the positive is as near as the other images' keys."""
    crops, places = 12, 40
    code = torch.randn(places, 8, generator=torch.Generator().manual_seed(0))
    everywhere = code.expand(crops, places, 8)
    valid = torch.ones(crops, places, dtype=torch.bool)
    for temperature in (0.05, 0.2, 1.0):
        found = dense_info_nce(everywhere, everywhere, valid, *NONE, temperature)
        assert float(found.contrast) == pytest.approx(math.log(1 + (crops - 1)), rel=1e-5)
        assert float(found.same_place) == pytest.approx(math.log(crops), rel=1e-5)


def test_a_code_for_the_position_is_no_better_off_where_views_are_shifted() -> None:
    """The query then lies at another place than the keys: the floor holds whatever the code."""
    generator = torch.Generator().manual_seed(1)
    crops, places = 6, 30
    keys = torch.randn(places, 8, generator=generator).expand(crops, places, 8)
    queries = torch.randn(crops, places, 8, generator=generator)
    found = dense_info_nce(queries, keys, torch.ones(crops, places, dtype=torch.bool), *NONE)
    assert float(found.same_place) >= math.log(crops) - 1e-5


def test_content_gets_below_the_floor() -> None:
    content = torch.eye(6)[:, None, :].expand(6, 5, 6)  # another content in each crop
    others = torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64)
    found = dense_info_nce(content, content, torch.ones(6, 5, dtype=torch.bool), *others, 0.2)
    by_hand = -math.log(math.exp(5) / (math.exp(5) + 5))
    assert float(found.contrast) == pytest.approx(by_hand, rel=1e-4)


def test_further_keys_count_unless_they_are_the_crops_own() -> None:
    queries = keys = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])  # (B, P, D): two crops, a place
    others, owners = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), torch.tensor([0, 0, 1])
    found = dense_info_nce(queries, keys, torch.ones(2, 1, dtype=torch.bool), others, owners, 1.0)
    e = math.e
    first = -math.log(e / (e + 1 + e))  # the other crop's key 0, its further key 1
    second = -math.log(e / (e + 1 + 1 + e))
    assert float(found.contrast) == pytest.approx((first + second) / 2, rel=1e-5)


def test_unseen_places_count_nowhere() -> None:
    generator = torch.Generator().manual_seed(2)
    queries, keys = torch.randn(2, 3, 4, 8, generator=generator)
    valid = torch.tensor([[True, False, True, True]] * 3)
    before = dense_info_nce(queries, keys, valid, *NONE)
    changed = queries.clone()
    changed[:, 1] = 100.0
    assert dense_info_nce(changed, keys, valid, *NONE).contrast == before.contrast
