"""What predicting a volume costs: GB an hour from measured pixels a second.

    python benchmarks/cost.py [--gb 800] [--bytes 1] [--workers 1 8 64] [--pixels-per-second N]

Without --pixels-per-second a slice of the synthetic sample is predicted to an OME-Zarr on one thread, twice,
and pixels are counted by processor second of the second time: others on the machine then matter little. Give
what `predict` tells on your device instead, for a forecast of that.

    GB/hour = pixels/s x bytes a voxel x 3600 / 1e9 x workers x SCALING

It assumes that storage keeps up (the rate a worker needs is printed), that workers share neither cores nor
GPUs, and that each of them loses as little to the others as two do (benchmarks/scaling.py workers).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from napari_dense_ssl.model.device import choose_device, use_threads
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.predict import Predictor, PredictSettings, predict
from napari_dense_ssl.volume import open_volume

MODES = {"classes": ("classes",), "classes and error": ("classes", "error")}
SCALING = 0.85
"""Share of a worker's speed that is left beside others: the aim of two workers on two cores, 1.7."""


def gigabytes_per_hour(pixels_per_second: float, itemsize: int, workers: int) -> float:
    """Return how much of a volume, without compression, is predicted in an hour."""
    share = SCALING if workers > 1 else 1.0
    return pixels_per_second * itemsize * 3600 / 1e9 * workers * share


def measure(what: tuple[str, ...], edge: int) -> float:
    """Return pixels a processor second on one thread."""
    use_threads(1)
    torch.manual_seed(0)
    device = choose_device("cpu")
    predictor = Predictor(DenseEncoder().eval(), device, PredictSettings())
    volume = open_volume(f"sample:em?shape=1x{edge}x{edge}&seed=0")
    with tempfile.TemporaryDirectory() as name:
        for _ in range(2):
            begun = time.process_time()
            for _ in predict(volume, predictor, Path(name) / "out.zarr", what=what, overwrite=True):
                pass
            seconds = time.process_time() - begun
    return edge**2 / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gb", type=float, default=800.0, help="size of the volume without compression")
    parser.add_argument("--bytes", type=int, default=1, help="bytes a voxel")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--pixels-per-second", type=float)
    parser.add_argument("--edge", type=int, default=1024, help="of the slice that is measured, px")
    options = parser.parse_args()
    given = options.pixels_per_second
    for name, what in MODES.items() if given is None else {"given": ()}.items():
        speed = measure(what, options.edge) if given is None else given
        print(f"{name}: {speed:,.0f} pixels/s a worker, which reads {speed * options.bytes / 1e6:.2f} MB/s")
        for workers in options.workers:
            rate = gigabytes_per_hour(speed, options.bytes, workers)
            hours = f"{options.gb / rate:9.1f} hours for {options.gb:g} GB"
            print(f"  {workers:4d} workers: {rate:9.2f} GB/hour, {hours}")


if __name__ == "__main__":
    main()
