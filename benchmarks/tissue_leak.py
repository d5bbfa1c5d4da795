"""How much of the audit's leak is the tissue's own: its crops, and the same places cut from whole slices.

    python benchmarks/tissue_leak.py VOLUME --run RUN [--crops 240] [--crop EDGE] [--roi Z0:Z1,Y0:Y1,X0:X1]
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

from napari_dense_ssl.core.beating import finished
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.evaluate.audit_crops import CropPairs, audited_part, choose_crop, draw_pairs
from napari_dense_ssl.evaluate.audit_figures import leak
from napari_dense_ssl.evaluate.audit_torch import TorchEncode
from napari_dense_ssl.predict import Predictor
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.volume import Volume, open_volume
from one_sentence import in_one_sentence


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--crops", type=int, default=240, help="pairs of them, as the audit draws them")
    parser.add_argument("--crop", type=int, help="their edge, px; by default the audit's")
    parser.add_argument("--roi", help="what is audited, less what was trained on; by default everywhere")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    volume = open_volume(options.volume)
    region = Box.parse(options.roi, volume.shape) if options.roi else Box.whole(volume.shape)
    predictor = Predictor.open(options.run)
    trained = predictor.run.settings.get("roi") if predictor.run else None
    part = audited_part(region, Box.parse(trained, volume.shape) if trained else None)
    edge = choose_crop(region, predictor.encoder.multiple, options.crop)
    pairs = finished(
        draw_pairs(
            volume,
            part,
            predictor.intensity(volume)[0],
            count=options.crops,
            crop=edge,
            rng=np.random.default_rng(options.seed),
            slices=predictor.encoder.slices,
        )
    )
    alone, cut = maps_of(predictor, volume, pairs)
    print(f"{options.crops} pairs of crops of {edge} px, {len(part.slices)} slices, seed {options.seed}")
    for name, maps in (("each crop by itself", alone), ("cut from whole slices", cut)):
        figure = leak(maps, np.random.default_rng(options.seed))
        print(f"{name}: leak {figure.value:.4f} (null {figure.null:.4f})")
    print(f"same class in both: {np.mean(alone == cut):.3f} of the pixels")


def maps_of(predictor: Predictor, volume: Volume, pairs: CropPairs) -> tuple[np.ndarray, np.ndarray]:
    """Classes of both crops of all pairs, (2 N, Y, X): of crops by themselves, and cut from whole slices."""
    encode = TorchEncode(predictor.encoder, predictor.device)
    alone, cut = [], []
    for z in np.unique(pairs.origins[:, 0]):
        whole = np.zeros(volume.shape[1:], np.int64)
        for part in predictor.plane(volume, int(z), Box.whole(volume.shape)):
            if isinstance(part, PlanePart):
                whole[part.box.slices[1:]] = part.classes
        for index in np.flatnonzero(pairs.origins[:, 0] == z):
            for place in (pairs.first[index], pairs.second[index]):
                alone.append(encode(pairs.cut(index, place)[None])[0].argmax(0))
                y, x = pairs.origins[index, 1:] + place
                cut.append(whole[y : y + pairs.crop, x : x + pairs.crop] - 1)
    return np.stack(alone), np.stack(cut)


if __name__ == "__main__":
    in_one_sentence(main)
