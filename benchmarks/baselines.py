"""What a learned map has to beat: clusters and forests on features that nobody trained here; and the ceiling.

A feature is a function from normalised slices (1, 1, Y, X) to maps (D, Y, X).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from napari_dense_ssl.core.geometry import Box, Symmetry
from napari_dense_ssl.engine import TrainSettings
from napari_dense_ssl.model import DenseEncoder
from napari_dense_ssl.model.filter_bank import filter_bank
from napari_dense_ssl.model.pretrained import MULTIPLE, pretrained_features
from napari_dense_ssl.predict.prior import class_areas, doubt, stacking_weights
from volumes import Case

Feature = Callable[[torch.Tensor], torch.Tensor]

CLASSES = 50
SAMPLE_SLICES, SAMPLE_PIXELS = 16, 160_000
_ROWS = 1 << 18
"""Pixels that are classified at once."""
_UNLABELLED = 4000
"""Pixels of a scribbled slice that class areas are estimated from."""
_TINY = 1e-3
"""A forest's share of votes of none is less than one tree of some hundreds, not impossible."""


@cache
def random_encoder(seed: int) -> DenseEncoder:
    torch.manual_seed(seed)
    return DenseEncoder(TrainSettings().encoder, CLASSES).eval()


def imagenet_features(images: torch.Tensor) -> torch.Tensor:
    """The network of ``--features pretrained``, one view of it, as others use such networks: 192 channels."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")
    return pretrained_features(images.device)(padded, (Symmetry(),))[0, :, :height, :width]


def encoder_features(encoder: DenseEncoder) -> Feature:
    """The feature pyramid, upsampled, and the last features."""

    def features(images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        multiple = encoder.multiple
        padded = F.pad(images, (0, -width % multiple, 0, -height % multiple), mode="reflect")
        pyramid = encoder.pyramid(padded)
        wide = F.interpolate(pyramid, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat([wide, encoder.embed(pyramid, padded)], 1)[0, :, :height, :width]

    return features


def feature(name: str, seed: int) -> Feature:
    """A feature by name; joined ones are written with a plus."""
    parts = {
        "intensity": lambda images: images[0],
        "filters": lambda images: filter_bank(images)[0],
        "random": encoder_features(random_encoder(seed)),
        "imagenet": imagenet_features,
    }
    chosen = [parts[part] for part in name.split("+")]
    return lambda images: torch.cat([one(images) for one in chosen])


def maps_of(case: Case, z: int, of: Feature) -> np.ndarray:
    """Features of a slice, shape (Y, X, D)."""
    plane = case.volume.intensity().normalise(case.volume.read(Box.whole(case.volume.shape).plane(z)))
    with torch.inference_mode():
        return of(torch.from_numpy(plane)[None]).movedim(0, -1).contiguous().numpy()


def in_rows(predict: Callable[[np.ndarray], np.ndarray], maps: np.ndarray) -> np.ndarray:
    flat = maps.reshape(-1, maps.shape[-1])
    found = [predict(flat[k : k + _ROWS]) for k in range(0, len(flat), _ROWS)]
    return np.concatenate(found).reshape(maps.shape[:2]).astype(np.uint8)


def clusters(case: Case, name: str, seed: int, classes: int = CLASSES) -> np.ndarray:
    """K-means on a feature, fitted to pixels of the fit slices; classes 1 to K of the whole volume."""
    of = feature(name, seed)
    rng = np.random.default_rng(seed)
    planes = np.unique(np.linspace(case.fit.start, case.fit.stop - 1, SAMPLE_SLICES).round().astype(int))
    sample = []
    for z in planes:
        flat = maps_of(case, int(z), of)
        flat = flat.reshape(-1, flat.shape[-1])
        count = min(len(flat), SAMPLE_PIXELS // len(planes))
        sample.append(flat[rng.choice(len(flat), count, replace=False)])
    scaler = StandardScaler().fit(np.concatenate(sample))
    means = MiniBatchKMeans(classes, random_state=seed, batch_size=4096, n_init=3, max_iter=50)
    means.fit(scaler.transform(np.concatenate(sample)))

    def predict(rows: np.ndarray) -> np.ndarray:
        return means.predict(scaler.transform(rows)) + 1

    return np.stack([in_rows(predict, maps_of(case, z, of)) for z in range(case.volume.shape[0])])


def forest(case: Case, name: str, pixels: int, seed: int) -> np.ndarray:
    """Random forest on a feature from scribbles: what a user of pixel classifiers has today.

    It is given the class areas that ``probe`` estimates from unlabelled pixels, at the same half weight:
    otherwise features and class areas would be compared at once.
    """
    of = feature(name, seed)
    scribbles = case.scribbles(pixels, seed)
    rng = np.random.default_rng(seed)
    x, y, free = [], [], []
    for z in np.flatnonzero(scribbles.any((1, 2))):
        maps = maps_of(case, int(z), of)
        x.append(maps[scribbles[z] > 0])
        y.append(scribbles[z][scribbles[z] > 0])
        flat = maps.reshape(-1, maps.shape[-1])
        free.append(flat[rng.choice(len(flat), min(_UNLABELLED, len(flat)), replace=False)])
    model = RandomForestClassifier(200, class_weight="balanced", random_state=seed, oob_score=True)
    model.fit(np.concatenate(x), np.concatenate(y))

    def logits(rows: np.ndarray) -> np.ndarray:
        return np.log(model.predict_proba(rows) + _TINY)

    held_out = np.log(np.nan_to_num(model.oob_decision_function_, nan=1 / len(model.classes_)) + _TINY)
    names, counts = np.unique(np.concatenate(y), return_counts=True)
    (factor,) = stacking_weights(held_out[None], np.searchsorted(names, np.concatenate(y)))
    areas = np.log(class_areas(factor * logits(np.concatenate(free)), doubt(counts)))

    def predict(rows: np.ndarray) -> np.ndarray:
        return model.classes_[(factor * logits(rows) + 0.5 * areas).argmax(1)]

    segmentation = np.zeros(case.volume.shape, np.uint8)
    for z in range(case.score.start, case.score.stop):
        segmentation[z] = in_rows(predict, maps_of(case, z, of))
    return segmentation


def supervised(case: Case, minutes: float | None, steps: int | None, seed: int) -> tuple[np.ndarray, int]:
    """The same encoder trained with every label of the fit slices; the segmentation and the steps taken."""
    settings = TrainSettings(minutes=minutes, steps=steps, seed=seed)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    ids = np.unique(case.truth[case.fit][case.truth[case.fit] > 0])
    encoder = DenseEncoder(settings.encoder, len(ids)).train()
    encoder = encoder.to(memory_format=torch.channels_last)
    rates = settings.optimiser
    optimiser = torch.optim.AdamW(encoder.parameters(), rates.learning_rate, weight_decay=rates.weight_decay)
    pixels = case.volume.intensity().normalise(case.volume.read(case.fit_box))
    lookup = np.full(256, -1, np.int64)
    lookup[ids] = np.arange(len(ids))
    edge = min(settings.sampler.crop, *(n // encoder.multiple * encoder.multiple for n in pixels.shape[1:]))
    begun, step, done = time.perf_counter(), 0, 0.0
    while done < 1:
        images, labels = [], []
        for _ in range(settings.sampler.batch):
            z = rng.integers(len(pixels))
            y, x = (rng.integers(n - edge + 1) for n in pixels.shape[1:])
            turns, flip = int(rng.integers(4)), bool(rng.integers(2))
            cut = np.s_[z, y : y + edge, x : x + edge]
            pair = (pixels[cut], lookup[case.truth[case.fit][cut]])
            image, label = (np.rot90(a[:, ::-1] if flip else a, turns).copy() for a in pair)
            images.append(image * rng.uniform(0.8, 1.25) + rng.normal() * 0.2)
            labels.append(label)
        logits, _ = encoder(torch.from_numpy(np.stack(images)[:, None].astype(np.float32)))
        loss = F.cross_entropy(logits, torch.from_numpy(np.stack(labels)), ignore_index=-1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), rates.gradient_norm)
        step += 1
        by_time = (time.perf_counter() - begun) / (60 * minutes) if minutes else 0.0
        done = max(by_time, step / steps if steps else 0.0)
        rate = (
            rates.learning_rate * min(1, done / rates.warmup_share) * (1 + np.cos(np.pi * min(done, 1))) / 2
        )
        for group in optimiser.param_groups:
            group["lr"] = float(rate)
        optimiser.step()
    encoder.eval()
    segmentation = np.zeros(case.volume.shape, np.uint8)

    def logits_of(images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % encoder.multiple, 0, -height % encoder.multiple), mode="reflect")
        return encoder(padded)[0][0, :, :height, :width]

    for z in range(case.score.start, case.score.stop):
        segmentation[z] = ids[maps_of(case, z, logits_of).argmax(-1)]
    return segmentation, step
