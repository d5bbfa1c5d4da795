"""The examples in docstrings are run."""

import doctest

import pytest

from napari_dense_ssl.volume import pyramid, selection, units


@pytest.mark.parametrize("module", [pyramid, selection, units], ids=lambda module: module.__name__)
def test_examples_are_true(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
