"""From what the audit's passes left to its figures, pictures and verdict."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.evaluate import audit_figures as figure
from napari_dense_ssl.evaluate.audit_crops import AuditedPart, CropPairs
from napari_dense_ssl.evaluate.audit_figures import Figure
from napari_dense_ssl.evaluate.audit_passes import Plan, Seen
from napari_dense_ssl.evaluate.audit_result import Audit, Pictures, TruthScores
from napari_dense_ssl.evaluate.audit_verdict import judge


def measured(
    pairs: CropPairs, seen: Seen, plan: Plan, rng: np.random.Generator, draws: int
) -> Generator[Beat, None, tuple[dict[str, Figure], Pictures]]:
    """Compute the figures that need no further pass, and the pictures.

    Parameters
    ----------
    pairs : CropPairs
    seen : Seen
        What the passes left of them.
    plan : Plan
        Its margin.
    rng : Generator
    draws : int
        Of the leak's null.
    """
    both = np.concatenate([seen.first, seen.second])
    images = np.stack([pairs.middle(i, pairs.first[i]) for i in range(len(pairs))])
    yield Beat()
    found = {"leak": figure.leak(both, rng, draws=draws)}
    yield Beat()
    found["content"] = figure.content(seen.first, seen.second, pairs.shifts, plan.margin, rng)
    found["place"] = figure.place(seen.first, rng)
    found["coherence"] = figure.coherence(seen.first, rng)
    yield Beat()
    found |= {name: sums.figure() for name, sums in seen.equivariance.items() if not sums.empty}
    slices = pairs.origins[:, 0]
    found["effective_classes"], found["effective_classes_slice"] = figure.usage(
        both, np.concatenate([slices, slices]), seen.classes
    )
    yield Beat()
    by_blur = []
    for sigma in figure.SIGMAS:
        by_blur.append(figure.low_level(seen.first, images, sigma))
        yield Beat()
    found["low_level"] = max(by_blur, key=lambda one: one.value)
    found["flatness"] = seen.flatness()
    yield Beat()
    return found, _pictures(pairs, seen, both, images, plan.margin)


def _pictures(
    pairs: CropPairs, seen: Seen, both: NDArray[Any], images: NDArray[np.float32], margin: int
) -> Pictures:
    index = int(np.abs(pairs.shifts).sum(1).argsort()[len(pairs) // 2])
    in_first, in_second = figure.overlap(seen.first.shape[1:], pairs.shifts[index], 0)
    there = np.zeros_like(seen.first[index])
    there[in_first] = seen.second[index][in_second] + 1
    places = np.broadcast_to(figure.cells(both.shape[1:]), both.shape)
    table = np.bincount(
        places.ravel() * seen.classes + both.ravel(), minlength=figure.CELLS**2 * seen.classes
    ).reshape(-1, seen.classes)
    joint = table / table.sum()
    expected = joint.sum(1, keepdims=True) * joint.sum(0)
    ratio = np.divide(joint, expected, out=np.ones_like(joint), where=expected > 0)
    z, y, x = (int(v) for v in pairs.origins[index] + [0, *pairs.first[index]])
    down, right = (int(s) for s in pairs.shifts[index])
    return Pictures(
        image=images[index],
        here=seen.first[index] + 1,
        there=there,
        shift=(down, right),
        example=(z, y, x),
        by_place=ratio.T.reshape(seen.classes, figure.CELLS, figure.CELLS),
        shares=joint.sum(0),
    )


def result_of(
    found: dict[str, Figure],
    seen: Seen,
    pairs: CropPairs,
    part: AuditedPart,
    pictures: Pictures,
    scores: TruthScores | None,
) -> Audit:
    """Judge the figures, and put all of it together."""
    gain = None if scores is None else (scores.scores.mi_frac, scores.intensity_mi_frac)
    return Audit(
        judge(found, gain), found, seen.classes, len(pairs), pairs.crop, part, pictures=pictures, truth=scores
    )
