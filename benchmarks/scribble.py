"""From a stroke to a segmented slice: this program against a random forest on scikit-image's filter bank.

    python benchmarks/scribble.py VOLUME TRUTH SCRIBBLES --run RUN [--slice 0] [--score 16:20] [--stride 4]

Both sides get the same scribbles and one thread, each in a process of its own:

- ours: ``predict.scribble``, features kept in memory; the quick answer and that of the probe's classifier;
- theirs: ``skimage.feature.multiscale_basic_features`` (intensity, edges, texture; sigma 1 to 16) and
  scikit-learn's ``RandomForestClassifier`` (100 trees, balanced classes), as in scikit-image's own example of
  trainable segmentation; features kept in memory as well.

Printed: seconds from the scribbles to the segmented slice, of the processor and of the clock, with the
slice's features kept and without; the ratio of processor times; mIoU on the score slices, on every stride-th
pixel; seconds to segment a further slice; the greatest memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from one_sentence import in_one_sentence

AIMS = {"features kept": 0.2, "without": 0.5}
MIOU_AIM = 0.05


class Clock:
    """Seconds of the processor and of the clock since the last look."""

    def __init__(self) -> None:
        self.mark = time.process_time(), time.perf_counter()

    def lap(self) -> list[float]:
        now = time.process_time(), time.perf_counter()
        lap = [b - a for a, b in zip(self.mark, now, strict=True)]
        self.mark = now
        return lap


def opened(options: argparse.Namespace) -> tuple[Any, Any, list[int]]:
    from napari_dense_ssl.core.geometry import Box
    from napari_dense_ssl.predict.scribbles import read_scribbles
    from napari_dense_ssl.volume import open_volume

    volume = open_volume(options.volume)
    scribbles = read_scribbles(options.scribbles, volume.shape, Box.whole(volume.shape))
    first, last = (int(part) for part in options.score.split(":"))
    return volume, scribbles, list(range(first, last))


def miou(options: argparse.Namespace, slices: list[int], segmented: Callable[[int], np.ndarray]) -> float:
    from napari_dense_ssl.core.geometry import Box
    from napari_dense_ssl.evaluate import score_classes
    from napari_dense_ssl.volume import open_volume

    truth = open_volume(options.truth)
    step = slice(None, None, options.stride)
    found = np.stack([segmented(z)[step, step] for z in slices])
    wanted = np.stack([truth.read(Box.whole(truth.shape).plane(z))[0][step, step] for z in slices])
    return float(score_classes(found, wanted, named=True).miou)


def ours(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from napari_dense_ssl.core.events import Pictured, Step
    from napari_dense_ssl.core.geometry import Box
    from napari_dense_ssl.core.watch import Desk, View
    from napari_dense_ssl.predict import MapCache, Predictor, scribble

    torch.set_num_threads(1)
    volume, scribbles, slices = opened(options)
    whole = Box.whole(volume.shape)
    cache = MapCache(volume.shape, 10**9, counted=False)
    desk: Any = Desk(View(whole.plane(options.slice)))
    events = scribble(volume, Predictor.open(options.run, "cpu"), desk, cache, limit=4 * 10**9)

    def until(final: bool | None) -> None:
        for event in events:
            if isinstance(event, Pictured) and event.picture.final is final:
                return
            if final is None and isinstance(event, Step) and event.fraction == 1:
                return

    def labels(z: int) -> np.ndarray:
        return cache.read(
            "classes", *(np.arange(a, b) for a, b in zip((z, 0, 0), (z + 1, *volume.shape[1:]), strict=True))
        )[0]

    next(events)
    clock = Clock()
    until(None)
    found: dict[str, Any] = {"encode": clock.lap()}
    # The other scribbled slices are visited too, as they were when they were scribbled on.
    others = {int(z) for z in np.unique(scribbles.places[:, 0])} - {options.slice}
    for z in (*sorted(others), options.slice) if others else ():
        desk.look(View(whole.plane(z)))
        until(None)
    clock = Clock()
    desk.put(scribbles)
    until(False)
    found["quick"] = clock.lap()
    clock = Clock()
    until(True)
    found["then the probe's"] = clock.lap()
    until(None)
    desk.look(View(whole.plane(slices[0])))
    clock = Clock()
    until(True)
    found["further slice"] = clock.lap()
    for z in slices[1:]:
        desk.look(View(whole.plane(z)))
        until(True)
    found["miou"] = miou(options, slices, labels)
    return found


def theirs(options: argparse.Namespace) -> dict[str, Any]:
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    from napari_dense_ssl.core.geometry import Box

    volume, scribbles, slices = opened(options)
    whole = Box.whole(volume.shape)

    def features(z: int) -> np.ndarray:
        plane = volume.read(whole.plane(z))[0]
        return multiscale_basic_features(plane, sigma_min=1, sigma_max=16, workers=1)

    clock = Clock()
    kept = {options.slice: features(options.slice)}
    found: dict[str, Any] = {"encode": clock.lap()}
    for z in np.unique(scribbles.places[:, 0]):
        if int(z) not in kept:
            kept[int(z)] = features(int(z))
    clock = Clock()
    rows = np.stack([kept[z][y, x] for z, y, x in scribbles.places.tolist()])
    forest = RandomForestClassifier(100, class_weight="balanced", random_state=0, n_jobs=1)
    forest.fit(rows, scribbles.ids[scribbles.classes])

    def labels(values: np.ndarray) -> np.ndarray:
        height, width, channels = values.shape
        return forest.predict(values.reshape(-1, channels)).reshape(height, width)

    labels(kept[options.slice])
    found["answer"] = clock.lap()
    kept.clear()
    clock = Clock()
    first = labels(features(slices[0]))
    found["further slice"] = clock.lap()
    done = {slices[0]: first} | {z: labels(features(z)) for z in slices[1:]}
    found["miou"] = miou(options, slices, done.__getitem__)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume")
    parser.add_argument("truth")
    parser.add_argument("scribbles")
    parser.add_argument("--run", required=True)
    parser.add_argument("--slice", type=int, default=0, help="what is looked at while scribbling")
    parser.add_argument("--score", default="16:20", help="first:end in slices")
    parser.add_argument("--stride", type=int, default=4)
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        found = {"ours": ours, "theirs": theirs}[options.side](options)
        found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(found))
        return
    sides = {}
    for side in ("ours", "theirs"):
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--side", side],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        sides[side] = json.loads(done.stdout.splitlines()[-1])
    report(options, sides["ours"], sides["theirs"])


def report(options: argparse.Namespace, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    print(f"{Path(options.volume).name}, {Path(options.scribbles).name}, run {Path(options.run).name}")
    final = [a + b for a, b in zip(ours["quick"], ours["then the probe's"], strict=True)]
    rows = {
        "features of a slice": (ours["encode"], theirs["encode"]),
        "features kept: stroke to quick answer": (ours["quick"], theirs["answer"]),
        "features kept: stroke to the probe's answer": (final, theirs["answer"]),
        "without: stroke to quick answer": (
            [a + b for a, b in zip(ours["encode"], ours["quick"], strict=True)],
            [a + b for a, b in zip(theirs["encode"], theirs["answer"], strict=True)],
        ),
        "without: stroke to the probe's answer": (
            [a + b for a, b in zip(ours["encode"], final, strict=True)],
            [a + b for a, b in zip(theirs["encode"], theirs["answer"], strict=True)],
        ),
        "a further slice, from pixels": (ours["further slice"], theirs["further slice"]),
    }
    print("| | ours, s (clock) | theirs, s (clock) | ratio | aim |")
    print("| --- | --- | --- | --- | --- |")
    for name, (mine, other) in rows.items():
        aim = next((f"{v:g}" for k, v in AIMS.items() if name.startswith(k)), "")
        print(
            f"| {name} | {mine[0]:.2f} ({mine[1]:.1f}) | {other[0]:.2f} ({other[1]:.1f}) | "
            f"{mine[0] / other[0]:.2f} | {aim} |"
        )
    gain = ours["miou"] - theirs["miou"]
    print(
        f"| mIoU on slices {options.score} | {ours['miou']:.3f} | {theirs['miou']:.3f} | {gain:+.3f} | "
        f"+{MIOU_AIM} |"
    )
    print(f"| greatest memory, GB | {ours['memory'] / 1e9:.2f} | {theirs['memory'] / 1e9:.2f} | | |")


if __name__ == "__main__":
    in_one_sentence(main)
