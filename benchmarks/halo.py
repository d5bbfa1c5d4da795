"""What a halo smaller than the receptive field costs: tiled against untiled maps of a trained run.

    python benchmarks/halo.py VOLUME --run RUN [--z 0] [--window 560] [--halos 0,16,32,48,96] [--check]

For each halo, the largest difference of any class probability and the share of pixels whose argmax
differs, over a whole slice; and the measured effective radius, which holds 99 % of the input gradient.
The aims at the default halo are .02 and .2 %. With --check, missing them ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
import torch

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.tiles import tiles
from napari_dense_ssl.model import DenseEncoder, RunFolder
from napari_dense_ssl.model.encoder import effective_radius
from napari_dense_ssl.volume import Intensity, open_volume
from one_sentence import in_one_sentence


def probabilities(encoder: DenseEncoder, plane: torch.Tensor, window: int, halo: int) -> torch.Tensor:
    height, width = plane.shape
    result = torch.empty(encoder.classes, height, width)
    pad = (0, -width % encoder.multiple, 0, -height % encoder.multiple)
    padded = torch.nn.functional.pad(plane[None, None], pad, mode="reflect")
    for tile in tiles(
        (height, width), ((0, height), (0, width)), window=window, halo=halo, multiple=encoder.multiple
    ):
        with torch.inference_mode():
            part = encoder.probabilities(padded[(..., *tile.outer_slices)])[0]
        result[(..., *tile.inner_slices)] = part[(..., *tile.crop_slices)]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume")
    parser.add_argument("--run", required=True)
    parser.add_argument("--z", type=int, default=0)
    parser.add_argument("--window", type=int, default=560)
    parser.add_argument("--halos", default="0,16,32,48,72,96")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    run = RunFolder.open(options.run)
    encoder = run.load_encoder()
    volume = open_volume(options.volume)
    box = Box.whole(volume.shape).plane(options.z)
    plane = torch.from_numpy(Intensity(**run.intensity).normalise(volume.read(box))[0])
    height, width = plane.shape
    edge = min(384, height // 8 * 8, width // 8 * 8)
    corners = [(y, x) for y in (0, height - edge) for x in (0, width - edge)]
    crops = torch.stack([plane[y : y + edge, x : x + edge] for y, x in corners])
    radius = effective_radius(encoder, crops[:, None])
    print(
        f"receptive radius {encoder.receptive_radius} px (theory), {radius} px (99 % of the gradient); "
        f"default halo {encoder.default_halo} px"
    )
    whole = probabilities(encoder, plane, max(height, width) + encoder.multiple, 0)
    best = whole.argmax(0)
    rows = []
    halos = sorted({int(h) for h in options.halos.split(",")} | {encoder.default_halo})
    for halo in halos:
        tiled = probabilities(encoder, plane, options.window, halo)
        differ = (tiled - whole).abs().amax(0)
        row = {
            "halo_px": halo,
            "largest_difference": float(differ.max()),
            "99.9_percentile": float(np.percentile(differ.numpy(), 99.9)),
            "argmax_differs": float((tiled.argmax(0) != best).float().mean()),
        }
        rows.append(row)
        print(
            f"halo {halo:4d} px: softmax differs by at most {row['largest_difference']:.4f} "
            f"(99.9 % of pixels by less than {row['99.9_percentile']:.4f}), "
            f"argmax on {100 * row['argmax_differs']:.3f} % of pixels"
        )
    print(json.dumps({"effective_radius_px": radius, "default_halo_px": encoder.default_halo, "rows": rows}))
    default = next(row for row in rows if row["halo_px"] == encoder.default_halo)
    if options.check and (default["largest_difference"] >= 0.02 or default["argmax_differs"] >= 0.002):
        sys.exit(1)


if __name__ == "__main__":
    in_one_sentence(main)
