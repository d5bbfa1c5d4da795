"""Time and memory of opening a virtual 800 GB OME-Zarr, against the bare import, and both as sizes grow.

The array has no chunk on disk: only metadata is there, as for a volume on a slow disk that nobody has
looked at yet. Each side is a process of its own. Aims: less than 2 s and less than 200 MB more than the
import, for ``info``, for ``open_volume``, and for ``open_volume`` with one slice of 1024 px read. The last is
done at 1 GB, 100 GB and 10 TB as well, in turn: the largest takes at most 1.1 times the memory and 1.25
times the time of the smallest.

    python benchmarks/opening.py [--repeats 3] [--check]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zarr

SHAPE = (8000, 10_000, 10_000)
CHUNK = (64, 64, 64)
AIM_SECONDS, AIM_MEGABYTES = 2.0, 200.0
SIZES = {"1 GB": (1000, 1000, 1000), "100 GB": (4000, 5000, 5000), "10 TB": (20_000, 22_400, 22_400)}
AIM_TIMES_SECONDS, AIM_TIMES_MEMORY = 1.25, 1.1

REPORT = """
import json, sys
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
except ImportError:
    import psutil
    peak = psutil.Process().memory_info().peak_wset / 2**20
sys.stderr.write("PEAK " + json.dumps(peak) + "\\n")
"""
IMPORT = "import napari_dense_ssl.volume.opening, napari_dense_ssl.volume.volume, napari_dense_ssl.cli\n"
SIDES = {
    "import": IMPORT,
    "open_volume": IMPORT + "napari_dense_ssl.volume.opening.open_volume(sys.argv[1])\n",
    "open_volume, one slice": IMPORT
    + "v = napari_dense_ssl.volume.opening.open_volume(sys.argv[1])\n"
    + "v.levels[0][v.shape[0] // 2, :1024, :1024].compute()\n",
    "info": IMPORT
    + "from napari_dense_ssl.cli import main\n"
    + "sys.argv[1:] = ['info', sys.argv[1]]\n"
    + "try:\n    main()\nexcept SystemExit as leave:\n    assert not leave.code, leave.code\n",
}


def make_virtual(path: Path, shape: tuple[int, int, int] = SHAPE) -> None:
    """Write the metadata of an OME-Zarr 0.5, uint8, and no chunk."""
    group = zarr.create_group(str(path), zarr_format=3)
    group.create_array("0", shape=shape, chunks=CHUNK, dtype="uint8", fill_value=0)
    axes = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    scale = [{"type": "scale", "scale": [8.0, 8.0, 8.0]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    multiscales = [{"name": "virtual", "axes": axes, "datasets": levels}]
    group.attrs.update({"ome": {"version": "0.5", "multiscales": multiscales}})


def run_side(code: str, path: Path) -> tuple[float, float]:
    """Return seconds and peak megabytes of a process of its own."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + code + REPORT, str(path)], capture_output=True, text=True
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{code}\nfailed:\n{done.stderr}")
    line = next(line for line in done.stderr.splitlines() if line.startswith("PEAK "))
    return seconds, float(json.loads(line[5:]))


def medians(runs: list[tuple[float, float]]) -> dict[str, float]:
    return {
        "seconds": statistics.median(seconds for seconds, _ in runs),
        "peak_mb": statistics.median(megabytes for _, megabytes in runs),
    }


def grow(folder: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Open volumes of growing size and read a slice of 1024 px; the sizes take turns."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in SIZES}
    for name, shape in SIZES.items():
        make_virtual(folder / name, shape)
    for _ in range(repeats):
        for name in SIZES:
            measured[name].append(run_side(SIDES["open_volume, one slice"], folder / name))
    return {name: medians(runs) for name, runs in measured.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--check", action="store_true", help="exit 1 when an aim is missed")
    arguments = parser.parse_args()
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "virtual.zarr"
        make_virtual(path)
        for _ in range(arguments.repeats):
            for side, code in SIDES.items():
                measured[side].append(run_side(code, path))
        sizes = grow(Path(name), arguments.repeats)
    rows = {side: medians(runs) for side, runs in measured.items()}
    bare = rows["import"]
    for row in rows.values():
        row["more_seconds"] = row["seconds"] - bare["seconds"]
        row["more_mb"] = row["peak_mb"] - bare["peak_mb"]
    size = SHAPE[0] * SHAPE[1] * SHAPE[2] / 1e9
    print(f"OME-Zarr of {size:.0f} GB, chunks {CHUNK}, medians of {arguments.repeats} processes each")
    print(f"{'':26}{'s':>8}{'MB':>8}{'s more':>9}{'MB more':>9}")
    for side, row in rows.items():
        print(
            f"{side:26}{row['seconds']:8.2f}{row['peak_mb']:8.0f}"
            f"{row['more_seconds']:9.2f}{row['more_mb']:9.0f}"
        )
    print(f"aim: less than {AIM_SECONDS} s and {AIM_MEGABYTES} MB more than the import")
    smallest, largest = sizes[next(iter(SIZES))], sizes[list(SIZES)[-1]]
    times = {key: largest[key] / smallest[key] for key in smallest}
    told = ", ".join(f"{name} {row['seconds']:.2f} s {row['peak_mb']:.0f} MB" for name, row in sizes.items())
    print(f"opened, one slice: {told}; {times['seconds']:.2f} times the time (aim {AIM_TIMES_SECONDS}),")
    print(f"{times['peak_mb']:.2f} times the memory (aim {AIM_TIMES_MEMORY})")
    aims = {"more_seconds": AIM_SECONDS, "more_mb": AIM_MEGABYTES}
    facts = {"shape": SHAPE, "aims": aims, "results": rows, "sizes": sizes, "times": times}
    arguments.json.write_text(json.dumps(facts, indent=1) + "\n")
    missed = any(row[key] >= aim for row in rows.values() for key, aim in aims.items())
    missed = missed or times["seconds"] > AIM_TIMES_SECONDS or times["peak_mb"] > AIM_TIMES_MEMORY
    return int(arguments.check and missed)


if __name__ == "__main__":
    sys.exit(main())
