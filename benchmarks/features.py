"""Which features of a trained run tell most of the truth when they are clustered without labels.

    python benchmarks/features.py VOLUME TRUTH --run RUN [--fit 0:16] [--score 16,18] [--classes 50]

For each kind of feature: k-means fitted to pixels of the fit slices, mi_frac = I(class; truth) / H(truth)
on windows of the score slices; beside them the run's own classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from napari_dense_ssl.core.geometry import Box, Symmetry
from napari_dense_ssl.evaluate import score_classes
from napari_dense_ssl.model import DenseEncoder, RunFolder, choose_device
from napari_dense_ssl.model.filter_bank import filter_bank, filter_bank_3d
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.objective.codebook import fit_codebook
from napari_dense_ssl.volume import Intensity, open_volume
from one_sentence import in_one_sentence

EDGE = 512
PIXELS = 6000


def features(encoder: DenseEncoder, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Maps of one stack of slices (1, C, Y, X) by name, each (1, D, Y, X)."""

    def wide(maps: torch.Tensor) -> torch.Tensor:
        return F.interpolate(maps, size=images.shape[-2:], mode="bilinear")

    def over_views(of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        views = [turned(of(turned(images, g).contiguous()), g.inverse) for g in Symmetry.all()]
        return torch.stack(views).mean(0)

    with torch.inference_mode():
        first, second = encoder.backbone(images)[:2]
        pyramid = wide(encoder.pyramid(images))
        averaged = wide(over_views(encoder.pyramid))
        middle = images[:, encoder.slices // 2 : encoder.slices // 2 + 1]
        maps = {
            "filter bank": filter_bank(middle),
            "first stage": wide(first),
            "second stage": wide(second),
            "last features": encoder.features(images),
            "last features, 8 views": over_views(encoder.features),
            "logits": encoder(images).logits,
            "feature pyramid": pyramid,
            "pyramid, 8 views": averaged,
            "pyramid, 8 views, and filters": torch.cat([averaged, filter_bank(middle)], 1),
        }
        if encoder.slices > 1:
            maps["filter bank in 3-D"] = filter_bank_3d(images, encoder.settings.slice_step)
        return maps


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("volume")
    parser.add_argument("truth")
    parser.add_argument("--run", required=True)
    parser.add_argument("--fit", default="0:16")
    parser.add_argument("--score", default="16,18")
    parser.add_argument("--classes", type=int, default=50)
    options = parser.parse_args()
    run = RunFolder.open(options.run)
    encoder = run.load_encoder(choose_device("cpu").torch_device)
    intensity = Intensity(**run.intensity)
    volume, truth = open_volume(options.volume), open_volume(options.truth)
    edge = min(EDGE, *(length // encoder.multiple * encoder.multiple for length in volume.shape[1:]))

    def window(z: int, corner: int) -> Box:
        """One of four corners of a slice."""
        y = (corner % 2) * (volume.shape[1] - edge)
        x = (corner // 2 % 2) * (volume.shape[2] - edge)
        return Box((z, y, x), (z + 1, y + edge, x + edge))

    def image(box: Box) -> torch.Tensor:
        return torch.from_numpy(intensity.normalise(volume.read_around(box, encoder.slices // 2)))[None]

    rng = np.random.default_rng(0)
    samples: dict[str, list[np.ndarray]] = {}
    for z in range(*(int(part) for part in options.fit.split(":"))):
        for name, maps in features(encoder, image(window(z, z))).items():
            pixels = maps[0].flatten(1).T.numpy()
            take = rng.choice(len(pixels), min(PIXELS, len(pixels)), replace=False)
            samples.setdefault(name, []).append(pixels[take])
    scored = [window(int(z), 3 * k) for k, z in enumerate(options.score.split(","))]
    found = [features(encoder, image(box)) for box in scored]
    labels = np.concatenate([truth.read(box) for box in scored])

    def report(name: str, codes: list[torch.Tensor]) -> None:
        scores = score_classes(torch.cat(codes).numpy() + 1, labels)
        print(f"{name:24s} mi_frac {scores.mi_frac:.4f}")

    report("the run's classes", [maps["logits"].argmax(1) for maps in found])
    for name, parts in samples.items():
        book = fit_codebook(np.concatenate(parts), options.classes, seed=0)
        report(f"k-means, {name}", [book.assign(maps[name]) for maps in found])


if __name__ == "__main__":
    in_one_sentence(main)
