"""What benchmarks share: the truth of outlines, one sentence for what their caller can cure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_dense_ssl.core.errors import VolumeError
from one_sentence import in_one_sentence
from volumes import Case


def test_outlines_are_where_objects_meet_or_none_is(tmp_path: Path) -> None:
    neurons = np.repeat(np.uint8([[3, 3, 3, 3, 7, 7, 7, 7, 7, 0, 0, 0]]), 5, axis=0)
    tifffile.imwrite(tmp_path / "neurons.tif", np.stack([neurons, neurons]))
    case = Case("two", "sample:em", str(tmp_path / "neurons.tif"), slice(0, 1), slice(1, 2), outlines=True)
    for plane in case.truth:
        assert (plane == [1, 1, 1, 2, 2, 1, 1, 1, 2, 2, 2, 2]).all()
    plain = Case("two", "sample:em", str(tmp_path / "neurons.tif"), slice(0, 1), slice(1, 2))
    np.testing.assert_array_equal(plain.truth[0], neurons)


def test_what_a_caller_can_cure_is_one_sentence_and_a_bug_is_not() -> None:
    def wrong_path() -> None:
        raise VolumeError("There is no file\n or folder x; check the spelling")

    def bug() -> None:
        raise KeyError("x")

    with pytest.raises(SystemExit) as refused:
        in_one_sentence(wrong_path)
    assert refused.value.code == "There is no file or folder x; check the spelling."
    with pytest.raises(KeyError):
        in_one_sentence(bug)
