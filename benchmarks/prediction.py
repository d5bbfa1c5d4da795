"""Predicted pixels a second, from a volume on disk to an OME-Zarr, against the bare forward pass.

The bare side runs the same encoder on tensors in memory of the same number and shape; both sides take turns
within one run, so that a busy machine slows both. Aim: the median ratio is at least 0.85.

    python benchmarks/prediction.py [--size 1024] [--planes 1] [--pairs 5] [--tile PX] [--check]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.model.device import choose_device, use_threads
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.predict import Predictor, PredictSettings, predict
from napari_dense_ssl.predict.views import IDENTITY, compared_views
from napari_dense_ssl.volume import open_volume, write_volume

AIM = 0.85
MODES = {"classes": ("classes",), "classes and error": ("classes", "error")}


def bare_inputs(predictor: Predictor, volume, what) -> list[torch.Tensor]:
    """One tensor for each forward pass that predicting the volume takes."""
    plane, layout = volume.shape[1:], predictor.layout(what)
    views = (IDENTITY, *(compared_views(predictor.settings) if "error" in what else ()))
    shapes = [
        view.turned(tile.outer_shape)
        for tile in layout.tiles(plane, Box.whole(volume.shape))
        for view in views
    ]
    shared = {shape: torch.randn(1, 1, *shape) for shape in set(shapes)}
    device = predictor.device.torch_device
    shared = {k: v.to(device, memory_format=torch.channels_last) for k, v in shared.items()}
    return [shared[shape] for shape in shapes] * volume.shape[0]


def run_bare(predictor: Predictor, inputs: list[torch.Tensor]) -> float:
    begun = time.perf_counter()
    with torch.inference_mode(), predictor.device.autocast():
        for images in inputs:
            predictor.encoder(images)
    if predictor.device.kind == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def run_predict(predictor: Predictor, volume, what, folder: Path) -> float:
    begun = time.perf_counter()
    for _ in predict(volume, predictor, folder / "out.zarr", what=what, overwrite=True):
        pass
    return time.perf_counter() - begun


def measure(predictor: Predictor, volume, what, pairs: int, folder: Path) -> dict[str, float]:
    inputs = bare_inputs(predictor, volume, what)
    run_bare(predictor, inputs[:2])
    seconds = [
        (run_bare(predictor, inputs), run_predict(predictor, volume, what, folder)) for _ in range(pairs)
    ]
    pixels = volume.shape[0] * volume.shape[1] * volume.shape[2]
    return {
        "passes": len(inputs),
        "bare_pixels_per_second": pixels / statistics.median(bare for bare, _ in seconds),
        "pixels_per_second": pixels / statistics.median(whole for _, whole in seconds),
        "ratio": statistics.median(bare / whole for bare, whole in seconds),
        "longest_pass_ms": 1e3 * max(bare for bare, _ in seconds) / len(inputs),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="edge of the slices, px")
    parser.add_argument("--planes", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--tile", type=int, default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--check", action="store_true", help="exit 1 when the aim is missed")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    threads = use_threads()
    torch.manual_seed(0)
    encoder = DenseEncoder().to(device.torch_device, memory_format=torch.channels_last).eval()
    predictor = Predictor(encoder, device, PredictSettings(tile=arguments.tile))
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = f"{arguments.planes}x{arguments.size}x{arguments.size}"
        sample = open_volume(f"sample:em?shape={shape}&seed=0")
        write_volume(folder / "in.zarr", sample.read(Box.whole(sample.shape)), tuple(sample.voxel_size))
        volume = open_volume(folder / "in.zarr")
        for mode in arguments.modes:
            results[mode] = measure(predictor, volume, MODES[mode], arguments.pairs, folder)
    print(
        f"{device.description}, {threads} threads, {shape} px, halo {predictor.halo} px, tile "
        f"{predictor.layout(('classes',)).tile} px, {arguments.pairs} pairs"
    )
    print(f"{'':20}{'passes':>8}{'bare px/s':>14}{'predict px/s':>14}{'ratio':>8}{'aim':>8}")
    for mode, row in results.items():
        print(
            f"{mode:20}{row['passes']:8d}{row['bare_pixels_per_second']:14,.0f}"
            f"{row['pixels_per_second']:14,.0f}{row['ratio']:8.3f}{'>= ' + str(AIM):>8}"
        )
    facts = {"device": device.description, "threads": threads, "shape": shape, "aim": AIM, "results": results}
    arguments.json.write_text(json.dumps(facts, indent=1) + "\n")
    return int(arguments.check and any(row["ratio"] < AIM for row in results.values()))


if __name__ == "__main__":
    sys.exit(main())
