"""From a large volume on a web server to a prediction that was killed three times: does it work at all?

    python benchmarks/large_volume.py [--gb 20] [--minutes 2] [--roi Z0:Z1,Y0:Y1,X0:X1] [--kills 3]
    python benchmarks/large_volume.py --gb 0.1 --minutes 0.1 --roi 0:32,0:96,0:96

Builds an OME-Zarr (the synthetic sample's tissue, repeated; a stripe of padding; three levels), serves it
from a process of its own (``python -m http.server``), trains from the URL, predicts a region with two
worker processes, predicts it again with a client that is killed (-9) at random moments and resumed, and
compares all files of the two outputs byte for byte. Ends with status 1 where they differ.

Chunk files that repeat are hard links where the disk allows it: 20 GB take some 25 MB of disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import zarr

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.volume import open_volume
from napari_dense_ssl.volume.pyramid import coarser

BLOCK, CHUNK, LEVELS = 512, (16, 128, 128), 3
PADDED = 0.25
"""Share of the volume along X that is padding: chunks that were never written."""
MANIFEST = Path("0") / "finished.txt"
COMMAND = [sys.executable, "-m", "napari_dense_ssl"]


def shape_for(gigabytes: float) -> tuple[int, int, int]:
    """Return a shape of at least so many gigabytes of 8 bit, in whole blocks of 16 x 512 x 512."""
    edge = BLOCK * max(2, min(16, round((gigabytes * 1e9 / 16 / 4) ** 0.5 / BLOCK)))
    return CHUNK[0] * max(1, -int(-gigabytes * 1e9 // (CHUNK[0] * edge**2))), edge, edge


def build(path: Path, shape: tuple[int, int, int], seed: int = 1) -> int:
    """Write the volume; return how many chunks it has on disk."""
    sample = open_volume(f"sample:em?shape={CHUNK[0]}x{BLOCK}x{BLOCK}&seed={seed}")
    block = sample.read(Box.whole(sample.shape))
    group = zarr.create_group(str(path), zarr_format=3)
    datasets, written = [], 0
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        for level in range(LEVELS):
            factor = 2**level
            lengths = (shape[0], shape[1] // factor, shape[2] // factor)
            group.create_array(str(level), shape=lengths, chunks=CHUNK, dtype="uint8", fill_value=0)
            pattern = Path(name) / str(level)
            zarr.create_array(str(pattern), data=block, chunks=CHUNK, fill_value=0)
            written += _repeat(pattern / "c", path / str(level) / "c", lengths, block.shape)
            scale = [40.0, 8.0 * factor, 8.0 * factor]
            transform = [{"type": "scale", "scale": scale}]
            datasets.append({"path": str(level), "coordinateTransformations": transform})
            block = coarser(block, (1, 2, 2), "mean")
    axes = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    group.attrs.update({"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}})
    return written


def _repeat(pattern: Path, chunks: Path, lengths: tuple[int, ...], period: tuple[int, ...]) -> int:
    """Fill an array's folder with the chunks of a pattern, but for the padding."""
    z, y, x = (n // c for n, c in zip(lengths, CHUNK, strict=True))
    rows, columns = period[1] // CHUNK[1], period[2] // CHUNK[2]
    filled = round(x / columns * (1 - PADDED)) * columns
    for k in range(z):
        for j in range(y):
            folder = chunks / str(k) / str(j)
            folder.mkdir(parents=True)
            for i in range(filled):
                _link(pattern / "0" / str(j % rows) / str(i % columns), folder / str(i))
    return z * y * filled


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a disk without hard links, or too many to one file
        shutil.copyfile(source, target)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder from a process of its own; gives its URL."""
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().split("(")[1].split(")")[0].rstrip("/")
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def run(*arguments: str | Path) -> float:
    """Run a command of ours to its end; return the seconds it took."""
    begun = time.perf_counter()
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}\nended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - begun


def finished_parts(out: Path) -> int:
    """Return how many parts the manifest lists."""
    manifest = out / MANIFEST
    return len(manifest.read_text().splitlines()) if manifest.is_file() else 0


def run_and_kill(
    arguments: list[str], out: Path, parts: int, wait: float
) -> tuple[int, list[psutil.Process]]:
    """Start a prediction and kill it `wait` seconds after so many parts are finished.

    Returns the parts that were finished then, and the processes that it had started.
    """
    client = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert client.stderr is not None
    children: list[psutil.Process] = []
    while finished_parts(out) < parts:
        if client.poll() is not None:
            raise SystemExit(
                f"The client ended with {client.returncode} before its turn:\n{client.stderr.read()}"
            )
        children = psutil.Process(client.pid).children(recursive=True) or children
        time.sleep(0.05)
    time.sleep(wait)
    client.send_signal(signal.SIGKILL)
    if client.wait() != -signal.SIGKILL:
        raise SystemExit("The client was done before it could be killed: choose a larger --roi.")
    client.stderr.close()
    return finished_parts(out), children


def digests(folder: Path) -> dict[str, str]:
    """Return a checksum of each file; the manifest, whose order is that of the work, as a set of lines."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, content = path.relative_to(folder), path.read_bytes()
        if name == MANIFEST:
            content = b"".join(sorted(content.splitlines(keepends=True)))
        found[str(name)] = hashlib.sha256(content).hexdigest()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gb", type=float, default=20.0, help="size without compression")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training")
    parser.add_argument("--roi", help="what is predicted; default: 48 slices of 256 x 256 px")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which it is killed")
    parser.add_argument("--folder", type=Path, help="where all is written; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        facts = go_through(Path(name), options)
    print(json.dumps(facts, indent=1))
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    return int(bool(facts["files_that_differ"]))


def go_through(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Build, train, predict, kill, resume, compare."""
    shape = shape_for(options.gb)
    (folder / "www").mkdir()
    begun = time.perf_counter()
    chunks = build(folder / "www" / "em.zarr", shape)
    facts: dict[str, object] = {
        "gigabytes": round(int(np.prod(shape, dtype=np.int64)) / 1e9, 2),
        "shape": shape,
    }
    facts |= {"chunk_files": chunks, "build_seconds": round(time.perf_counter() - begun, 1)}
    whole, killed = folder / "whole.zarr", folder / "killed.zarr"
    with served(folder / "www") as site:
        url = f"{site}/em.zarr"
        facts["train_seconds"] = round(
            run("train", url, "--out", folder / "run", "--minutes", str(options.minutes))
        )
        log = (folder / "run" / "events.jsonl").read_text().splitlines()
        facts["train_steps"] = sum('"Step"' in line for line in log)
        roi = options.roi or f"0:{min(48, shape[0])},0:256,0:256"
        common = ["predict", url, "--run", str(folder / "run"), "--roi", roi, "--workers", "2"]
        common += ["--what", "classes", "--out"]
        facts["predict_seconds"] = round(run(*common, whole))
        parts = finished_parts(whole)
        chance = random.Random(options.seed)
        orphans: list[psutil.Process] = []
        reached: list[int] = []
        for number in range(options.kills):
            before = reached[-1] if reached else 0
            most = max(1, (parts - before) // (2 * (options.kills - number)))
            more = ["--resume"] if number else []
            done, children = run_and_kill(
                [*common, str(killed), *more], killed, before + chance.randint(1, most), chance.random() / 2
            )
            reached.append(done)
            orphans += children
        run(*common, killed, "--resume")
    gone, alive = psutil.wait_procs(orphans, timeout=60)
    a, b = digests(whole), digests(killed)
    differ = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    facts |= {"parts": parts, "finished_when_killed": reached, "files": len(a), "files_that_differ": differ}
    return facts | {"processes_of_killed_clients": len(gone) + len(alive), "of_them_left": len(alive)}


if __name__ == "__main__":
    sys.exit(main())
