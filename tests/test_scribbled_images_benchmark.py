"""How strokes are cut for benchmarks/scribbled_images.py."""

from __future__ import annotations

import numpy as np

from scribbled_images import cut_strokes


def test_each_stroke_is_cut_across_its_longer_side():
    strokes = np.zeros((2, 20, 30), np.uint8)
    strokes[0, 3:5, 2:22] = 85
    strokes[0, 8:20, 4:6] = 85
    strokes[1, 5, 5:15] = 255
    fit, score = cut_strokes(strokes)
    np.testing.assert_array_equal(np.maximum(fit, score), strokes)
    assert not (fit.astype(bool) & score.astype(bool)).any()
    assert (fit[0, 3:5, 2:12] == 85).all(), "left half of what is wide"
    assert (score[0, 3:5, 12:22] == 85).all()
    assert (score[0, 8:14, 4:6] == 85).all(), "upper half of what is high; every second stroke the other way"
    assert (fit == 255).sum() == (score == 255).sum() == 5
