"""Two workers on two cores against one on one, and peak memory as the volume grows.

    python benchmarks/scaling.py workers [--size 512] [--planes 64] [--rounds 3] [--check]
    python benchmarks/scaling.py memory [--size 512] [--planes 2] [--check]

``workers``: the same region is predicted by one worker bound to one core and by two workers bound to two, in
turn, each by a client of its own. Compared are parts a second between the first finished part and the
last: it does not count how long processes take to start. Aim: 1.7 times as many. Both cores must be free.

``memory``: the peak of a process that predicts a volume of 1, 4 and 16 times the size (Y and X grow), with an
encoder of default size or a small one (--small), in tiles of at most 256 px. Aim: within 10 % of each other.
Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import open_volume, write_volume

AIM_WORKERS, AIM_MEMORY = 1.7, 1.1
TILE = 256

CLIENT = """
import json, os, sys, time
from pathlib import Path
facts = json.loads(sys.argv[1])
if facts["cores"]:
    os.sched_setaffinity(0, facts["cores"])
from napari_dense_ssl import open_volume, predict
from napari_dense_ssl.core.events import Step
from napari_dense_ssl.predict import PredictSettings
settings = PredictSettings(tile=facts["tile"], chunk=facts["chunk"])

def main():
    manifest, seen = Path(facts["out"]) / "0" / "finished.txt", []
    for event in predict(open_volume(facts["volume"]), facts["run"], facts["out"], what=("classes",),
                         device="cpu", settings=settings, workers=facts["workers"], overwrite=True):
        if isinstance(event, Step):
            seen.append((time.perf_counter(), len(manifest.read_text().splitlines())))
    (t0, n0), (t1, n1) = seen[0], next(s for s in seen if s[1] == seen[-1][1])
    # getrusage would give the parent's peak where that is higher
    status = Path("/proc/self/status").read_text().split()
    peak = int(status[status.index("VmHWM:") + 1]) / 1024
    print("FOUND " + json.dumps({"parts": n1 - n0, "seconds": t1 - t0, "peak_mb": peak}))

if __name__ == "__main__":
    main()
"""


def client(folder: Path, **facts: object) -> dict[str, float]:
    """Predict in a process of its own; return parts and seconds after the first, and its peak memory."""
    script = folder / "client.py"
    script.write_text(CLIENT)
    table = {"cores": None, "workers": None, "tile": None, "chunk": 256} | facts
    done = subprocess.run(
        [sys.executable, str(script), json.dumps({k: _plain(v) for k, v in table.items()})],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{facts}\nended with {done.returncode}:\n{done.stderr}")
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    found: dict[str, float] = json.loads(line.removeprefix("FOUND "))
    return found


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def make_run(folder: Path, *, small: bool) -> Path:
    """Train for one step: what is predicted does not matter here, only by which network."""
    from napari_dense_ssl.engine import TrainSettings, train

    table: dict[str, object] = {"minutes": None, "steps": 1, "device": "cpu", "audit_seconds": 0}
    table |= {"sampler": {"batch": 2}, "objective": {"codebook_pixels": 4000}}
    if small:
        table["encoder"] = {"stages": 2, "depths": (1, 1), "widths": (8, 8), "features": 8, "detail": 4}
    for _ in train(open_volume("sample:em"), folder / "run", TrainSettings.model_validate(table)):
        pass
    return folder / "run"


def make_volume(path: Path, planes: int, edge: int) -> Path:
    """Write tissue of the synthetic sample, repeated along Y and X."""
    sample = open_volume(f"sample:em?shape={planes}x256x256&seed=0")
    block = sample.read(Box.whole(sample.shape))
    write_volume(path, np.tile(block, (1, -(-edge // 256), -(-edge // 256))), tuple(sample.voxel_size))
    return path


def measure_workers(folder: Path, options: argparse.Namespace) -> tuple[dict[str, object], bool]:
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit(f"Two cores are needed; this process may use {usable}.")
    run, volume = (
        make_run(folder, small=options.small),
        make_volume(folder / "in.zarr", options.planes, options.size),
    )
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for count in (1, 2):
            found = client(
                folder, volume=volume, run=run, out=folder / "out.zarr", workers=count, cores=usable[:count]
            )
            speeds[count].append(found["parts"] / found["seconds"])
    ratios = [two / one for one, two in zip(speeds[1], speeds[2], strict=True)]
    ratio = statistics.median(ratios)
    facts = {
        "pixels_per_second_1": [round(options.size**2 * speed) for speed in speeds[1]],
        "pixels_per_second_2": [round(options.size**2 * speed) for speed in speeds[2]],
        "ratios": [round(one, 3) for one in ratios],
        "ratio": round(ratio, 3),
        "aim": AIM_WORKERS,
    }
    return facts, ratio >= AIM_WORKERS


def measure_memory(folder: Path, options: argparse.Namespace) -> tuple[dict[str, object], bool]:
    run, peaks = make_run(folder, small=options.small), {}
    for times in (1, 4, 16):
        edge = int(options.size * times**0.5)
        volume = make_volume(folder / f"in{times}.zarr", options.planes, edge)
        begun = time.perf_counter()
        found = client(folder, volume=volume, run=run, out=folder / "out.zarr", tile=TILE)
        peaks[times] = found["peak_mb"]
        print(
            f"{times:3d} x: {options.planes} x {edge} x {edge} px, {found['peak_mb']:.0f} MB at the peak,"
            f" {time.perf_counter() - begun:.0f} s"
        )
    ratio = max(peaks.values()) / min(peaks.values())
    return {"peak_mb": peaks, "ratio": round(ratio, 3), "aim": AIM_MEMORY}, ratio <= AIM_MEMORY


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("workers", "memory"))
    parser.add_argument(
        "--size", type=int, help="edge of the slices, px; default 512; of workers at most 1024"
    )
    parser.add_argument("--planes", type=int, help="default 64 and 2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a small encoder")
    parser.add_argument("--check", action="store_true", help="exit 1 when the aim is missed")
    options = parser.parse_args()
    workers = options.what == "workers"
    options.size = options.size or 512
    options.planes = options.planes or (64 if workers else 2)
    with tempfile.TemporaryDirectory() as name:
        facts, met = (measure_workers if workers else measure_memory)(Path(name), options)
    print(json.dumps(facts))
    return int(options.check and not met)


if __name__ == "__main__":
    sys.exit(main())
