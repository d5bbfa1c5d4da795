"""Which features and which classifier make most of a few scribbles.

    python benchmarks/probe.py VOLUME TRUTH SCRIBBLES --run RUN [--score 16:20] [--seeds 3]
        [--features filters,embedding,...] [--classifiers mlp,linear,...]
        [--stacks filters:mlp-1/pretrained:lda,...]

SCRIBBLES is a label volume, or a number: so many pixels of each class are then drawn from TRUTH in four
slices outside the score slices, anew for each seed. Where only scribbles are known, --split fits to every
second connected stroke and scores the others.

A stack is of classifiers of several features each, whose logits are weighted by what held-out scribbles say
of them, as ``probe`` does it. ``pretrained`` is the network of ``--features pretrained``, averaged over eight
views; ``pretrained-1`` one view of it.

Printed for each pair, and each stack: mIoU on the score slices (every --stride-th pixel along Y and X) with
all classes taken to be equally common, with the areas estimated from unlabelled pixels, and in between; the
spread of the last over seeds; the cross-entropy of pixels whose slice was held out; seconds for a million
pixels.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import label as components
from scipy.special import log_softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch.nn import functional as F

from baselines import imagenet_features
from napari_dense_ssl.core.geometry import Box, Symmetry
from napari_dense_ssl.evaluate import score_classes
from napari_dense_ssl.model import RunFolder, choose_device
from napari_dense_ssl.model.filter_bank import filter_bank
from napari_dense_ssl.model.pretrained import HALO, MULTIPLE, pretrained_features
from napari_dense_ssl.model.turning import turned
from napari_dense_ssl.predict.prior import class_areas, doubt, stacking_weights
from napari_dense_ssl.volume import Intensity, Volume, open_volume
from one_sentence import in_one_sentence

TILE = 448
UNLABELLED = 4000
FREE = ("filters", "pretrained", "filters+pretrained", "pretrained-1")
FEATURES = (*FREE, "embedding", "embedding+filters", "pyramid", "pyramid+embedding", "pyramid+filters")
AVERAGED = ("embedding8", "embedding8+filters")
Classifier = Any


class Averaged:
    """Several classifiers, such as networks of several starts, their log-probabilities averaged."""

    def __init__(self, make: Callable[[int], Classifier], members: int) -> None:
        self.make, self.members = make, members

    def fit(self, x: np.ndarray, y: np.ndarray) -> Averaged:
        self.fitted = [self.make(k).fit(x, y) for k in range(self.members)]
        self.classes_ = self.fitted[0].classes_
        return self

    def predict_log_proba(self, x: np.ndarray) -> np.ndarray:
        return np.mean([np.log(m.predict_proba(x) + 1e-9) for m in self.fitted], axis=0)


def scaled(classifier: Classifier) -> Classifier:
    return make_pipeline(StandardScaler(), classifier)


def mlp(decay: float, hidden: int, seed: int) -> Classifier:
    return scaled(MLPClassifier((hidden,), alpha=decay, max_iter=300, random_state=seed))


CLASSIFIERS: dict[str, Callable[[int], Classifier]] = {
    "linear": lambda s: scaled(LogisticRegression(C=1, max_iter=500)),
    "linear-c.1": lambda s: scaled(LogisticRegression(C=0.1, max_iter=500)),
    "lda": lambda s: scaled(LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
    "svm-rbf": lambda s: scaled(SVC(probability=True, random_state=s)),
    "knn": lambda s: scaled(KNeighborsClassifier(7, weights="distance")),
    "mlp-1": lambda s: mlp(1.0, 64, s),
    "mlp": lambda s: Averaged(lambda k: mlp(1.0, 64, 5 * s + k), 5),
    "mlp-d.1": lambda s: Averaged(lambda k: mlp(0.1, 64, 5 * s + k), 5),
    "mlp-d10": lambda s: Averaged(lambda k: mlp(10.0, 64, 5 * s + k), 5),
    "lda+mlp-1": lambda s: Averaged(lambda k: CLASSIFIERS[("lda", "mlp-1")[k]](s), 2),
    "mlp-1-d10": lambda s: mlp(10.0, 64, s),
    "forest": lambda s: RandomForestClassifier(200, class_weight="balanced", random_state=s),
    "extra-trees": lambda s: ExtraTreesClassifier(200, class_weight="balanced", random_state=s),
    "boosting": lambda s: HistGradientBoostingClassifier(class_weight="balanced", random_state=s),
}


def log_proba(model: Classifier, x: np.ndarray) -> np.ndarray:
    if hasattr(model, "predict_log_proba") and isinstance(model, Averaged):
        return model.predict_log_proba(x)
    return np.log(model.predict_proba(x) + 1e-9)


@torch.inference_mode()
def parts(encoder: Any, images: torch.Tensor, wanted: set[str]) -> dict[str, torch.Tensor]:
    """Maps of a window by name, those that are wanted; embedding8 is the mean over the eight symmetries."""
    found: dict[str, torch.Tensor] = {}
    if "filters" in wanted:
        found["filters"] = filter_bank(images)[0]
    if "pretrained" in wanted:
        found["pretrained"] = pretrained_features(images.device)(images)[0]
    if "pretrained-1" in wanted:
        found["pretrained-1"] = imagenet_features(images)
    if wanted & {"pyramid", "embedding"}:
        pyramid = encoder.pyramid(images)
        found["pyramid"] = F.interpolate(pyramid, scale_factor=2, mode="bilinear")[0]
        found["embedding"] = encoder.embed(pyramid, images)[0]
    if "embedding8" in wanted:
        views = [
            turned(encoder.features(turned(images, view).contiguous())[0], view.inverse)
            for view in Symmetry.all()
        ]
        found["embedding8"] = torch.stack(views).mean(0)
    return found


def encode(
    encoder: Any, volume: Volume, intensity: Intensity, z: int, keep: np.ndarray, wanted: set[str]
) -> dict[str, np.ndarray]:
    """Features of the kept pixels of a slice, in the order of the slice, window by window with a halo."""
    _, height, width = volume.shape
    multiple = MULTIPLE if encoder is None else math.lcm(encoder.multiple, MULTIPLE)
    plane = intensity.normalise(volume.read(Box((z, 0, 0), (z + 1, height, width))))[0]
    pad = [(HALO, HALO + TILE) for _ in range(2)]
    plane = np.pad(plane, pad, mode="reflect" if min(height, width) > HALO + TILE else "symmetric")
    result: dict[str, np.ndarray] = {}
    order = np.cumsum(keep.ravel()).reshape(keep.shape) - 1
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            inside = keep[top : top + TILE, left : left + TILE]
            if not inside.any():
                continue
            tall, wide = (-(-n // multiple) * multiple for n in inside.shape)
            window = plane[top : top + tall + 2 * HALO, left : left + wide + 2 * HALO]
            maps = parts(encoder, torch.from_numpy(window[None, None].copy()), wanted)
            where = order[top : top + TILE, left : left + TILE][inside]
            for name, values in maps.items():
                cut = values[:, HALO : HALO + inside.shape[0], HALO : HALO + inside.shape[1]]
                target = result.setdefault(name, np.zeros((int(keep.sum()), len(values)), np.float32))
                target[where] = cut.numpy()[:, inside].T
    return result


def drawn(truth: Volume, pixels: int, slices: list[int], rng: np.random.Generator) -> np.ndarray:
    scribbles = np.zeros(truth.shape, np.uint8)
    planes = {z: truth.read(Box.whole(truth.shape).plane(z))[0] for z in slices}
    for k in np.unique(np.concatenate([np.unique(p) for p in planes.values()])):
        for z, plane in planes.items():
            places = np.flatnonzero(plane == k)
            if k and len(places):
                taken = rng.choice(places, min(len(places), pixels // len(slices)), replace=False)
                scribbles[z].ravel()[taken] = k
    return scribbles


def split_strokes(scribbles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every second connected stroke of each class to fit, the others to score."""
    fit, score = np.zeros_like(scribbles), np.zeros_like(scribbles)
    for k in np.unique(scribbles[scribbles > 0]):
        for z in range(len(scribbles)):
            marked, count = components(scribbles[z] == k)
            for n in range(1, count + 1):
                (fit if (n + z) % 2 else score)[z][marked == n] = k
    return fit, score


class Data:
    """Features and labels of fitted, unlabelled and scored pixels of one volume."""

    def __init__(self, options: argparse.Namespace, wanted: set[str]) -> None:
        self.volume = open_volume(options.volume)
        run = RunFolder.open(options.run) if options.run else None
        self.encoder = run.load_encoder(choose_device("cpu").torch_device) if run else None
        if self.encoder is not None and self.encoder.slices > 1:
            raise SystemExit(
                f"{options.run} looks at {self.encoder.slices} slices at once, and windows of one are cut "
                "here: leave --run out, or measure it with benchmarks/refining.py --steps 0."
            )
        self.intensity = self.volume.intensity()
        if run is not None and abs(self.intensity.mean - run.intensity["mean"]) < 0.1 * run.intensity["std"]:
            self.intensity = Intensity(**run.intensity)
        truth = open_volume(options.truth)
        first, last = (
            (int(part) for part in options.score.split(":")) if options.score else (0, truth.shape[0])
        )
        rest = [z for z in range(truth.shape[0]) if not first <= z < last]
        rng = np.random.default_rng(0)
        self.scribbles: list[np.ndarray] = []
        if options.split:
            fit, scored = split_strokes(open_volume(options.scribbles).data.compute())
            self.scribbles = [fit]
        elif options.scribbles.isdecimal():
            slices = [rest[k * len(rest) // 4] for k in range(4)]
            for seed in range(options.seeds):
                self.scribbles.append(
                    drawn(truth, int(options.scribbles), slices, np.random.default_rng(seed))
                )
            scored = None
        else:
            self.scribbles = [open_volume(options.scribbles).data.compute()]
            scored = None
        self.fit: dict[str, list[np.ndarray]] = {}
        self.labels: list[list[np.ndarray]] = [[] for _ in self.scribbles]
        self.slices: list[np.ndarray] = []
        self.unlabelled: list[np.ndarray] = []
        for z in np.flatnonzero(np.any([s.any((1, 2)) for s in self.scribbles], axis=0)):
            free = np.zeros(self.volume.shape[1:], bool)
            free.ravel()[rng.choice(free.size, min(UNLABELLED, free.size), replace=False)] = True
            keep = free | np.any([s[z] > 0 for s in self.scribbles], axis=0)
            for name, values in encode(
                self.encoder, self.volume, self.intensity, int(z), keep, wanted
            ).items():
                self.fit.setdefault(name, []).append(values)
            self.slices.append(np.full(int(keep.sum()), z))
            self.unlabelled.append(free[keep])
            for labels, scribbles in zip(self.labels, self.scribbles, strict=True):
                labels.append(scribbles[z][keep])
        self.score: dict[str, list[np.ndarray]] = {}
        self.truth: list[np.ndarray] = []
        for z in range(first, last):
            plane = truth.read(Box.whole(truth.shape).plane(z))[0] if scored is None else scored[z]
            keep = np.zeros(plane.shape, bool)
            keep[:: options.stride, :: options.stride] = True
            keep &= plane > 0
            for name, values in encode(self.encoder, self.volume, self.intensity, z, keep, wanted).items():
                self.score.setdefault(name, []).append(values)
            self.truth.append(plane[keep])

    def features(self, side: dict[str, list[np.ndarray]], kinds: str) -> np.ndarray:
        return np.concatenate([np.concatenate(side[kind]) for kind in kinds.split("+")], axis=1)


def held_out(
    make: Callable[[int], Classifier], x: np.ndarray, y: np.ndarray, slices: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of pixels whose slice was left out."""
    found, truth = [], []
    kinds = np.unique(y)
    for z in np.unique(slices):
        rest = slices != z
        if len(np.unique(y[rest])) < len(kinds):
            continue
        found.append(log_proba(make(seed).fit(x[rest], y[rest]), x[~rest]))
        truth.append(y[~rest])
    return np.concatenate(found), np.searchsorted(kinds, np.concatenate(truth))


@dataclass
class Told:
    """What a classifier says of pixels: log-probabilities (N, C)."""

    held_out: np.ndarray
    unlabelled: np.ndarray
    scored: np.ndarray
    seconds: float


class Draw:
    """The scribbles of one seed, and what classifiers fitted to them say; each is fitted once."""

    def __init__(self, data: Data, seed: int) -> None:
        self.data, self.seed = data, seed
        self.slices, self.free = np.concatenate(data.slices), np.concatenate(data.unlabelled)
        labels = np.concatenate(data.labels[seed % len(data.labels)])
        self.named = labels > 0
        self.labels = labels[self.named]
        self.ids, counts = np.unique(self.labels, return_counts=True)
        self.pull = doubt(counts)
        self.classes = np.zeros(0, np.int64)
        self._told: dict[tuple[str, str], Told] = {}

    def told(self, kinds: str, name: str) -> Told:
        if (kinds, name) not in self._told:
            make = CLASSIFIERS[name]
            fit, score = (self.data.features(side, kinds) for side in (self.data.fit, self.data.score))
            x = fit[self.named]
            logits, self.classes = held_out(make, x, self.labels, self.slices[self.named], self.seed)
            model = make(self.seed).fit(x, self.labels)
            unlabelled = log_proba(model, fit[self.free])
            begun = time.perf_counter()
            scored = log_proba(model, score)
            seconds = time.perf_counter() - begun
            self._told[kinds, name] = Told(logits, unlabelled, scored, seconds)
        return self._told[kinds, name]

    def figures(self, stack: list[tuple[str, str]], truth: np.ndarray) -> dict[str, float]:
        told = [self.told(kinds, name) for kinds, name in stack]
        classes = self.classes
        logits = np.stack([one.held_out for one in told])
        weights = stacking_weights(logits, classes)
        even = 1 / np.bincount(classes)[classes]
        honest = log_softmax(np.tensordot(weights, logits, 1), 1)[np.arange(len(classes)), classes]
        unlabelled = np.tensordot(weights, np.stack([one.unlabelled for one in told]), 1)
        areas = np.log(class_areas(unlabelled, self.pull))
        found = np.tensordot(weights, np.stack([one.scored for one in told]), 1)
        row = {"held-out nats": float(-np.average(honest, weights=even))}
        row["s per Mpx"] = 1e6 * sum(one.seconds for one in told) / len(truth)
        for how, share in (("balanced", 0.0), ("between", 0.5), ("volume", 1.0)):
            segmentation = self.ids[(found + share * areas).argmax(1)]
            row[how] = score_classes(segmentation[None, None], truth[None, None], named=True).miou
        return row


def measure(draws: list[Draw], stack: list[tuple[str, str]]) -> dict[str, float]:
    truth = np.concatenate(draws[0].data.truth)
    rows = [draw.figures(stack, truth) for draw in draws]
    figures = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return figures | {"spread": float(np.std([row["between"] for row in rows]))}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume")
    parser.add_argument("truth")
    parser.add_argument("scribbles", help="label volume, or pixels a class to draw from the truth")
    parser.add_argument("--run", help="a run of train; without it only what needs no training is measured")
    parser.add_argument("--score", help="first:end in slices; by default all")
    parser.add_argument("--split", action="store_true", help="half of the strokes to fit, half to score")
    parser.add_argument("--features", default=None)
    parser.add_argument("--classifiers", default=",".join(CLASSIFIERS))
    parser.add_argument("--stacks", default="", help="FEATURES:CLASSIFIER/FEATURES:CLASSIFIER, ...")
    parser.add_argument("--averaged", action="store_true", help="also the mean over the eight symmetries")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--stride", type=int, default=4)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # classifiers that stop before they have converged
    default = FREE if options.run is None else FEATURES + (AVERAGED if options.averaged else ())
    pairs = [
        [(kinds, name)]
        for kinds in (options.features.split(",") if options.features else default)
        for name in options.classifiers.split(",")
    ]
    stacks = [
        [(kinds, name) for kinds, _, name in (part.partition(":") for part in stack.split("/"))]
        for stack in options.stacks.split(",")
        if stack
    ]
    wanted = {part for stack in pairs + stacks for kinds, _ in stack for part in kinds.split("+")}
    if options.run is None and not wanted <= {"filters", "pretrained", "pretrained-1"}:
        parser.error(f"{', '.join(sorted(wanted))}: some of these need a run; give one with --run")
    data = Data(options, wanted)
    scored = len(np.concatenate(data.truth))
    scribbles = Path(options.scribbles).name
    print(f"{Path(options.volume).name}, scribbles {scribbles}, run {options.run}, {scored:,} pixels scored")
    header = ("balanced", "between", "volume", "spread", "held-out nats", "s per Mpx")
    print("| features | classifier | " + " | ".join(header) + " |")
    print("| --- | --- |" + " --- |" * len(header))
    draws = [Draw(data, seed) for seed in range(options.seeds)]
    for stack in pairs + stacks:
        row = measure(draws, stack)
        kinds, name = (" / ".join(parts) for parts in zip(*stack, strict=True))
        print(f"| {kinds} | {name} | " + " | ".join(f"{row[key]:.3f}" for key in header) + " |", flush=True)


if __name__ == "__main__":
    in_one_sentence(main)
