"""How much of the audit's leak is the tissue's own: crops, and the same places cut from maps of whole slices.

    python benchmarks/tissue_leak.py VOLUME --run RUN [--crops 240] [--crop 128] [--roi Z0:Z1,Y0:Y1,X0:X1]
        [--seed 0]

A map of a whole slice cannot know where a crop will be cut from it: what its classes tell of the place in
the crop is what the tissue tells. Where slices are of few crops' size, that is much more than 0, since crops
overlap and most of their corners lie in the same corner of the slice. Classes that a network gives each crop
by itself leak what they tell beyond that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.audit_figures import leak
from napari_dense_ssl.predict import Predictor
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.volume import open_volume


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--crops", type=int, default=240)
    parser.add_argument(
        "--crop", type=int, default=128, help="their edge, px; a multiple of the total stride"
    )
    parser.add_argument("--roi", help="where crops are cut; by default everywhere")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    volume = open_volume(options.volume)
    region = Box.parse(options.roi, volume.shape) if options.roi else Box.whole(volume.shape)
    predictor = Predictor.open(options.run)
    multiple, edge = predictor.encoder.multiple, options.crop
    if edge % multiple or edge > min(region.shape[1:]):
        parser.error(f"--crop {edge}: expected a multiple of {multiple} px that fits into {region}")
    rng = np.random.default_rng(options.seed)
    room = [length - part + 1 for length, part in zip(region.shape, (1, edge, edge), strict=True)]
    corners = np.array(region.start) + rng.integers(0, room, (options.crops, 3))
    intensity, _ = predictor.intensity(volume)
    slices = predictor.encoder.slices
    alone, cut = [], []
    for z in np.unique(corners[:, 0]):
        whole = np.zeros(volume.shape[1:], np.int64)
        for part in predictor.plane(volume, int(z), Box.whole(volume.shape)):
            if isinstance(part, PlanePart):
                whole[part.box.slices[1:]] = np.squeeze(part.classes)
        for _, y, x in corners[corners[:, 0] == z]:
            box = Box((int(z), int(y), int(x)), (int(z) + 1, int(y) + edge, int(x) + edge))
            pixels = torch.from_numpy(intensity.normalise(volume.read_around(box, slices // 2)))[None]
            with torch.inference_mode(), predictor.device.autocast():
                logits, _ = predictor.encoder(predictor.device.to_device(pixels))
            alone.append(logits[0].argmax(0).cpu().numpy())
            cut.append(whole[y : y + edge, x : x + edge] - 1)
    print(f"{options.crops} crops of {edge} px in {region}, seed {options.seed}; less the null of moved maps")
    for name, maps in (("each crop by itself", alone), ("cut from whole slices", cut)):
        figure = leak(np.stack(maps), np.random.default_rng(options.seed))
        print(f"{name}: leak {figure.value:.4f} (null {figure.null:.4f})")
    print(f"same class in both: {np.mean(np.stack(alone) == np.stack(cut)):.3f} of the pixels")


if __name__ == "__main__":
    main()
