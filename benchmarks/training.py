"""Training from a volume on disk against the same steps on tensors already in memory.

    python benchmarks/training.py [--volume PATH] [--chunks Z,Y,X [--served]] [--steps 30] [--rounds 3]
        [--check]

With --chunks the volume is tissue of the sample, repeated to .3 GB, in an OME-Zarr of such chunks; with
--served it is read from a web server, a process of its own on this machine.

Both sides take the same optimiser steps of the same networks in turn (A B A B ...), the one fed by the
sampler with its reading threads, the other by batches drawn beforehand. Prints the ratio of samples/s,
the median over the rounds; the aim is .9. With --check, a ratio below the aim ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import zarr

from large_volume import served
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.engine import TrainSettings
from napari_dense_ssl.engine.masked_clusters import MaskedClusters
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.engine.processes import Processes
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.sampling.crops import CropBatch, CropSampler
from napari_dense_ssl.volume import open_volume, write_volume
from one_sentence import in_one_sentence

AIM = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--volume", help="default: the synthetic sample, written to OME-Zarr first")
    parser.add_argument("--chunks", type=lambda text: tuple(int(n) for n in text.split(",")))
    parser.add_argument("--served", action="store_true", help="over http, from a process of its own")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.volume
        if options.chunks:
            path = str(chunked(Path(folder) / "em.zarr", options.chunks))
        elif path is None:
            sample = open_volume("sample:em")
            path = str(Path(folder) / "sample.zarr")
            write_volume(path, sample.data, sample.voxel_size)
        with served(Path(folder)) if options.served else nullcontext() as site:
            path = f"{site}/em.zarr" if site else path
            ratio = measure(path, options.steps, options.rounds, options.device)
    print(json.dumps({"ratio": round(ratio, 3), "aim": AIM}))
    if options.check and ratio < AIM:
        sys.exit(1)


def chunked(path: Path, chunks: tuple[int, int, int]) -> Path:
    """Write tissue of the sample, 16 x 512 x 512 repeated to 128 x 1536 x 1536, in chunks of that shape."""
    sample = open_volume("sample:em?shape=16x512x512&seed=0")
    group = zarr.create_group(str(path), zarr_format=3)
    block = np.tile(sample.read(Box.whole(sample.shape)), (8, 3, 3))
    group.create_array("0", data=block, chunks=chunks)
    axes = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    scale = [{"type": "scale", "scale": list(sample.voxel_size)}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs.update({"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}})
    return path


def measure(path: str, steps: int, rounds: int, device_name: str) -> float:
    settings = TrainSettings(device=device_name)  # type: ignore[arg-type]
    volume = open_volume(path)
    region = Box.whole(volume.shape)
    intensity = volume.intensity()
    use_threads()
    networks = Networks(settings, Processes(settings))

    def sampler(seed: int) -> CropSampler:
        return CropSampler(volume, region, intensity, settings.sampler, seed=seed)

    pretext = MaskedClusters(settings, networks, sampler)
    for _ in pretext.prepare(0.0):
        pass

    def run(batch: CropBatch, step: int) -> None:
        for _ in pretext.ready(batch, source):
            pass
        networks.begin_step(1e-4)
        loss, _ = pretext.losses(batch, step, slice(0, len(batch.windows)))
        networks.backward(loss, last=True)
        networks.end_step()
        loss.item()  # wait for the device, on both sides alike

    def timed(batches: Iterable[CropBatch], first: int) -> float:
        begun = time.perf_counter()
        for step, batch in enumerate(batches, first):
            run(batch, step)
        return time.perf_counter() - begun

    ratios = []
    with sampler(0) as source:
        run(source.batch(0), 0)  # warm up
        position = 1
        for round_ in range(rounds):
            fed = timed((source.batch(step) for step in range(position, position + steps)), position)
            position += steps
            # The next steps' batches, drawn beforehand: their blocks are as new to the network as the others.
            memory = [source.batch(step) for step in range(position, position + steps)]
            bare = timed(memory, position)
            position += steps
            samples = steps * settings.sampler.batch
            print(
                f"round {round_}: from the volume {samples / fed:.2f} samples/s, "
                f"from memory {samples / bare:.2f} samples/s, ratio {bare / fed:.3f}"
            )
            ratios.append(bare / fed)
    return statistics.median(ratios)


if __name__ == "__main__":
    in_one_sentence(main)
