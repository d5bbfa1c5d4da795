"""Which features of a trained run tell most of the truth when they are clustered without labels.

    python benchmarks/features.py VOLUME TRUTH --run RUN [--fit 0:16] [--score 16,18] [--classes 50]

For each kind of feature: k-means fitted to pixels of the fit slices, mi_frac = I(class; truth) / H(truth)
on windows of the score slices; beside them the run's own classes.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch.nn import functional as F

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate import score_classes
from napari_dense_ssl.model import DenseEncoder, RunFolder, choose_device
from napari_dense_ssl.model.filter_bank import filter_bank
from napari_dense_ssl.objective.codebook import fit_codebook
from napari_dense_ssl.volume import Intensity, open_volume

EDGE = 512
PIXELS = 6000


def features(encoder: DenseEncoder, images: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        first, second = encoder.backbone(images)[:2]
        pyramid = encoder.pyramid(images)
        last = encoder.embed(pyramid, images)
        wide = F.interpolate(pyramid, scale_factor=2, mode="bilinear")
        return {
            "filter bank": filter_bank(images),
            "first stage": F.interpolate(first, scale_factor=2, mode="bilinear"),
            "second stage": F.interpolate(second, scale_factor=4, mode="bilinear"),
            "last features": last,
            "logits": encoder.head(last),
            "feature pyramid": wide,
            "pyramid and last": torch.cat([wide, last], 1),
        }


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
        return torch.from_numpy(intensity.normalise(volume.read(box)))[None]

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
    main()
