"""Time and memory of opening a virtual 800 GB OME-Zarr, against the bare import.

The array has no chunk on disk: only metadata is there, as for a volume on a slow disk that nobody has
looked at yet. Each side is a process of its own. Aims: less than 2 s and less than 200 MB more than the
import, for ``info``, for ``open_volume``, and for ``open_volume`` with one slice of 1024 px read.

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
    + "v.levels[0][4000, :1024, :1024].compute()\n",
    "info": IMPORT
    + "from napari_dense_ssl.cli import main\n"
    + "sys.argv[1:] = ['info', sys.argv[1]]\n"
    + "try:\n    main()\nexcept SystemExit as leave:\n    assert not leave.code, leave.code\n",
}


def make_virtual(path: Path) -> None:
    """Write the metadata of an OME-Zarr 0.5 of 800 GB, uint8, and no chunk."""
    group = zarr.create_group(str(path), zarr_format=3)
    group.create_array("0", shape=SHAPE, chunks=CHUNK, dtype="uint8", fill_value=0)
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
    rows = {
        side: {
            "seconds": statistics.median(s for s, _ in runs),
            "peak_mb": statistics.median(m for _, m in runs),
        }
        for side, runs in measured.items()
    }
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
    aims = {"more_seconds": AIM_SECONDS, "more_mb": AIM_MEGABYTES}
    arguments.json.write_text(json.dumps({"shape": SHAPE, "aims": aims, "results": rows}, indent=1) + "\n")
    missed = any(row[key] >= aim for row in rows.values() for key, aim in aims.items())
    return int(arguments.check and missed)


if __name__ == "__main__":
    sys.exit(main())
