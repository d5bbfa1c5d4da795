"""2-D images with people's own scribbles, each as a volume of one slice: what a probe makes of half of them.

    python benchmarks/scribbled_images.py RAW.tif SCRIBBLES.tif [--steps 100] [--network small]
        [--classifier mlp] [--out FOLDER]

Each slice of the two stacks is an image by itself, and is written as a 2-D TIFF. Nobody knows the truth, so
each connected stroke is cut in two across its longer side, one half is fitted to and the other scored: pixels
of strokes only, which people draw where they are sure. For each image, through the same functions as the
commands: `train` without labels, `probe` to an OME-Zarr, `evaluate` against the other halves. All labels are
taken to be equally common, on both sides: strokes do not tell how common things are. Beside it a
random forest (100 trees, balanced) on scikit-image's filter bank, as in its own example of segmentation.

Printed, as a table: labels, pixels fitted and scored; mIoU / share of the pixels named rightly, of the probe
on all features, on embedding and filters, on the filters alone, and of the forest; seconds of the processor.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from scipy.ndimage import find_objects, label
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from napari_dense_ssl import evaluate, open_volume, probe, train
from napari_dense_ssl.engine import TrainSettings
from napari_dense_ssl.evaluate import Scores
from napari_dense_ssl.predict import ProbeSettings
from one_sentence import in_one_sentence

WAYS = ("all", "embedding+filters", "filters")
SMALL = {
    "encoder": {"stages": 2, "depths": (1, 1), "widths": (16, 32), "features": 16, "detail": 8},
    "sampler": {"crop": 64, "batch": 4, "block": 128, "view_shift": 16},
    "objective": {"codebook_pixels": 20_000},
}
"""A network of seconds, where the default one takes a second of a processor for each step."""


def trained(image: Path, run: Path, options: argparse.Namespace) -> float:
    """Train on an image; return seconds of the processor."""
    begun = time.process_time()
    settings = TrainSettings.model_validate(
        {"steps": options.steps, "minutes": None, "device": "cpu", "threads": 1, "audit_seconds": 0}
        | (SMALL if options.network == "small" else {})
    )
    deque(train(open_volume(image), run, settings), maxlen=0)
    return time.process_time() - begun


def probed(folder: Path, run: Path, features: str, classifier: str) -> tuple[Scores, float]:
    """Segment an image as the fitted strokes say, and score the others."""
    begun = time.process_time()
    out = folder / f"{features}.zarr"
    settings = ProbeSettings.model_validate(
        {"features": features, "classifier": classifier, "prior": "balanced"}
    )
    job = probe(
        open_volume(folder / "raw.tif"), run, folder / "fit.tif", out, settings=settings, device="cpu"
    )
    deque(job, maxlen=0)
    seconds = time.process_time() - begun
    return evaluate(out, folder / "score.tif", named=True), seconds


def forest(folder: Path) -> tuple[Scores, float]:
    """Do the same with a random forest on scikit-image's filter bank."""
    begun = time.process_time()
    raw, fit = (tifffile.imread(folder / f"{name}.tif") for name in ("raw", "fit"))
    features = multiscale_basic_features(raw, sigma_min=1, sigma_max=16, workers=1)
    model = RandomForestClassifier(100, class_weight="balanced", random_state=0, n_jobs=1)
    model.fit(features[fit > 0], fit[fit > 0])
    found = model.predict(features.reshape(-1, features.shape[-1])).reshape(raw.shape)
    return evaluate(found, folder / "score.tif", named=True), time.process_time() - begun


def measured(folder: Path, name: str, options: argparse.Namespace) -> list[Any]:
    """Return a line of the table."""
    run = folder / "run"
    seconds = trained(folder / "raw.tif", run, options)
    fit, score = (tifffile.imread(folder / f"{part}.tif") for part in ("fit", "score"))
    line: list[Any] = [name, len(np.unique(fit[fit > 0])), f"{(fit > 0).sum():,}", f"{(score > 0).sum():,}"]
    times = [seconds]
    for scores, spent in (*(probed(folder, run, way, options.classifier) for way in WAYS), forest(folder)):
        line.append(f"{scores.miou:.3f} / {scores.accuracy:.3f}")
        times.append(spent)
    return [*line, " / ".join(f"{t:.0f}" for t in times)]


def cut_strokes(scribbles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the halves of each stroke that are fitted to, and those that are scored, (Z, Y, X) each."""
    fit, score = np.zeros_like(scribbles), np.zeros_like(scribbles)
    for z, plane in enumerate(scribbles):
        for k in np.unique(plane[plane > 0]):
            strokes, _ = label(plane == k)
            for n, box in enumerate(find_objects(strokes), 1):
                height, width = (side.stop - side.start for side in box)
                places = np.argwhere(strokes == n)
                along = places[:, 0 if height >= width else 1]
                first = along < np.median(along)
                for half, target in zip(
                    (first, ~first), (fit, score) if n % 2 else (score, fit), strict=True
                ):
                    target[z][tuple(places[half].T)] = k
    return fit, score


def images(options: argparse.Namespace, folder: Path) -> list[tuple[Path, str]]:
    """Write image and strokes of each slice that has two labels or more; return folders and names."""
    with tifffile.TiffFile(options.raw) as file:
        raw = file.asarray()
        names = (file.imagej_metadata or {}).get("Labels", [])
    fit, score = cut_strokes(tifffile.imread(options.scribbles))
    found = []
    for z, plane in enumerate(raw):
        if len(np.unique(fit[z])) < 3 or not score[z].any():
            continue
        place = folder / str(z)
        place.mkdir(parents=True, exist_ok=True)
        for name, part in (("raw", plane), ("fit", fit[z]), ("score", score[z])):
            tifffile.imwrite(place / f"{name}.tif", part, photometric="minisblack")
        found.append((place, names[z].split(".")[0] if z < len(names) else str(z)))
    return found


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("raw", type=Path)
    parser.add_argument("scribbles", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--network", choices=["small", "default"], default="small")
    parser.add_argument("--classifier", choices=["mlp", "linear", "discriminants"], default="mlp")
    parser.add_argument("--out", type=Path, help="a new folder that is kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.out or Path(tempfile.mkdtemp())
    heads = (
        "image",
        "labels",
        "px fitted",
        "px scored",
        *WAYS,
        "forest",
        f"s: train / {' / '.join(WAYS)} / forest",
    )
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for place, name in images(options, folder):
        print("| " + " | ".join(map(str, measured(place, name, options))) + " |", flush=True)


if __name__ == "__main__":
    in_one_sentence(main)
