"""benchmarks/tissue_leak.py, on a network that knows its place and on one that does not."""

from __future__ import annotations

import re
import sys

import pytest
import torch

import tissue_leak
from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.model.device import choose_device
from napari_dense_ssl.model.encoder import EncoderOutput
from napari_dense_ssl.predict import Predictor


class Bands(torch.nn.Module):
    """Six bands of what it is shown, whatever it is."""

    slices, classes, feature_channels, multiple, default_halo = 1, 6, 1, 8, 8

    def forward(self, images):
        rows = torch.arange(images.shape[-2]) * self.classes // images.shape[-2]
        return self.told(rows[:, None].expand(images.shape[-2:])[None], images)

    def told(self, classes, images):
        logits = 9.0 * torch.nn.functional.one_hot(classes, self.classes).movedim(-1, 1).float()
        return EncoderOutput(logits, images)


class Grey(Bands):
    """Six classes of grey values."""

    def forward(self, images):
        return self.told((2 * images[:, 0] + 3).long().clamp(0, 5), images)


@pytest.mark.parametrize(("encoder", "leaks"), [(Bands(), True), (Grey(), False)])
def test_only_what_knows_its_place_leaks_more_than_the_tissue(encoder, leaks, monkeypatch, capsys):
    monkeypatch.setattr(Predictor, "open", lambda run: Predictor(encoder, choose_device("cpu")))
    arguments = ["sample:em?shape=8x256x256", "--run", "run", "--crops", "40", "--crop", "64"]
    monkeypatch.setattr(sys, "argv", ["tissue_leak.py", *arguments])
    tissue_leak.main()
    said = capsys.readouterr().out
    alone, cut = (float(found) for found in re.findall(r"leak (-?\d\.\d{4}) \(null", said))
    assert (alone > 0.7) == leaks
    assert (alone - cut > 0.3) == leaks
    if not leaks:
        assert alone == cut
        assert "same class in both: 1.000" in said


def test_crops_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(Predictor, "open", lambda run: Predictor(Grey(), choose_device("cpu")))
    monkeypatch.setattr(sys, "argv", ["x", "sample:em?shape=8x256x256", "--run", "run", "--crop", "300"])
    with pytest.raises(RegionError, match="Crops of 300 px cannot be audited"):
        tissue_leak.main()
