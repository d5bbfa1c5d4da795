"""Which tree over the classes of a run agrees best with a truth when it is cut?

    python benchmarks/class_tree.py VOLUME --run RUN [--map CLASSES.zarr] [--squares 12] [--step 4]
        [--groups 25,12,8,5,3] [--seeds 3]

VOLUME is one of the volumes of ``benchmarks/volumes.py``. For each way of measuring how far classes are from
each other, and each way of joining them, the classes are cut into fewer and fewer groups, named on the fit
slices and scored on the score slices: mi_frac and mIoU by majority, and their means over the cuts. Nothing of
the truth enters a tree.
The last rows are what trees of random distances reach, and a greedy tree that loses least of what the classes
say of the truth on the fit slices: a bound, which nobody without the truth can have.

Distances:

- head: Euclidean between the classes' weights in the linear head, in units of each feature's deviation;
  head angle: between their directions from their mean.
- centres: Euclidean between the classes' mean embeddings, in units of the spread within classes;
  centres angle: between their directions from the mean of all.
- confusion: how seldom the argmax of a pixel is the other class under the error map's transforms;
  soft confusion: the same with probabilities; profile: the Jensen-Shannon distance between what two classes
  are taken for.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_dense_ssl.core.beating import finished
from napari_dense_ssl.core.class_tree import ClassTree
from napari_dense_ssl.evaluate.class_tree import (
    angle_distances,
    centre_distances,
    confusion_distances,
    profile_distances,
    score_cuts,
    tree_of,
)
from napari_dense_ssl.evaluate.tables import Contingency, contingency
from napari_dense_ssl.model.device import use_threads
from napari_dense_ssl.predict import Predictor, predict
from napari_dense_ssl.predict.class_meetings import Meetings, meetings, sampled_boxes
from napari_dense_ssl.volume import open_volume
from one_sentence import in_one_sentence
from volumes import Case, cases

JOININGS = ("average", "complete", "ward", "weighted")


def looked(predictor: Predictor, case: Case, squares: int) -> Meetings:
    """How the classes meet in some squares of the volume."""
    boxes = sampled_boxes(case.volume, predictor.layout(("classes", "error")), squares)
    return finished(meetings(predictor, case.volume, boxes))


def distances(predictor: Predictor, found: Meetings) -> dict[str, np.ndarray]:
    """Distances between classes (K, K), by the way they are measured."""
    import torch

    encoder: Any = predictor.encoder
    head = torch.cat([encoder.head.weight, encoder.filter_weight], 1)[:, :, 0, 0].detach().cpu().numpy()
    means, spread = found.centres()
    pixels = found.pixels.sum()
    deviation = np.sqrt(found.squares / pixels - (found.features.sum(0) / pixels) ** 2)
    return {
        "head": centre_distances(head * deviation),
        "head angle": angle_distances(head * deviation),
        "centres": centre_distances(means, spread),
        "centres angle": angle_distances(means, spread),
        "confusion": confusion_distances(found.counts),
        "soft confusion": confusion_distances(found.chances),
        "profile": profile_distances(found.counts),
        "soft profile": profile_distances(found.chances),
    }


def greedy(table: Contingency, classes: int) -> ClassTree:
    """The tree whose every merge loses least of the information about a truth: a bound, not a method."""
    labels = np.arange(1, classes + 1)
    cells = table.dense(np.union1d(labels, table.predicted), table.truth)[-classes:].astype(float)
    nodes = {k: cells[k] for k in range(classes)}
    merges: list[tuple[int, int, float]] = []

    def information(row: np.ndarray) -> float:
        share = row[row > 0]
        return float((share * np.log(share / share.sum())).sum())

    own = {k: information(row) for k, row in nodes.items()}
    for number in range(classes, 2 * classes - 1):
        keys = sorted(nodes)
        lost = {
            (a, b): own[a] + own[b] - information(nodes[a] + nodes[b])
            for i, a in enumerate(keys)
            for b in keys[i + 1 :]
        }
        a, b = min(lost, key=lambda pair: lost[pair])
        height = max(lost[a, b], merges[-1][2] if merges else 0.0)
        merges.append((a, b, height))
        nodes[number] = nodes.pop(a) + nodes.pop(b)
        own[number] = information(nodes[number])
    return ClassTree(tuple(merges), "greedy")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument(
        "--map", type=Path, help="what predict wrote of the whole volume; made where not given"
    )
    parser.add_argument("--squares", type=int, default=12)
    parser.add_argument("--step", type=int, default=4, help="score every so many pixels along Y and X")
    parser.add_argument("--groups", default="25,12,8,5,3")
    parser.add_argument("--seeds", type=int, default=3, help="of random trees")
    options = parser.parse_args()
    use_threads()
    (case,) = cases([options.volume])
    predictor = Predictor.open(options.run, "cpu")
    begun = time.perf_counter()
    found = looked(predictor, case, options.squares)
    print(f"{options.squares} squares, {len(found.pixels)} classes: {time.perf_counter() - begun:.0f} s\n")
    classes = np.asarray(open_volume(class_map(options.map, case, predictor), dataset="labels/classes").data)
    step = slice(None, None, options.step)
    score, fit = (
        contingency(classes[z, step, step], case.truth[z, step, step]) for z in (case.score, case.fit)
    )
    sizes = [len(found.pixels), *(int(n) for n in options.groups.split(","))]
    print(f"| distance | joining | {' | '.join(map(str, sizes))} | mi_frac | mIoU |")
    print("|" + " --- |" * (len(sizes) + 4))
    used = found.pixels > 0

    def row(name: str, joining: str, trees: list[ClassTree]) -> None:
        scores = [score_cuts(tree, sizes, score, fit) for tree in trees]
        cells = [mean(lambda s, n=n: s[n].mi_frac, scores) for n in sizes]  # type: ignore[misc]
        ious = [mean(lambda s, n=n: s[n].miou, scores) for n in sizes]  # type: ignore[misc]
        text = " | ".join(f"{a:.3f} {b:.3f}" for a, b in zip(cells, ious, strict=True))
        print(
            f"| {name} | {joining} | {text} | {np.mean(cells[1:]):.3f} | {np.mean(ious[1:]):.3f} |",
            flush=True,
        )

    for name, matrix in distances(predictor, found).items():
        for joining in JOININGS:
            row(name, joining, [tree_of(matrix, used, joining=joining)])  # type: ignore[arg-type]
    row(
        "random",
        "average",
        [tree_of(chance(len(used), seed), used, joining="average") for seed in range(options.seeds)],
    )
    row("truth of the fit slices", "greedy", [greedy(fit, len(used))])


def class_map(given: Path | None, case: Case, predictor: Predictor) -> Path:
    """The class map of the whole volume, predicted where there is none."""
    if given is not None:
        return given
    out = Path(tempfile.mkdtemp()) / "classes.zarr"
    for _ in predict(case.volume, predictor, out, what=("classes",)):
        pass
    return out


def mean(figure: Callable[[Any], float], scores: list[Any]) -> float:
    return float(np.mean([figure(score) for score in scores]))


def chance(classes: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).random((classes, classes))
    values = (values + values.T) / 2
    np.fill_diagonal(values, 0)
    return values


if __name__ == "__main__":
    in_one_sentence(main)
