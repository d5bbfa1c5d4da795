"""What two processes train, started by torchrun: ``several.py FOLDER``.

Each process writes what it saw of each training to ``FOLDER/<name>-<rank>.json``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tests.engine.conftest import made_volume, small_settings
from tests.engine.test_recipes import small

from napari_dense_ssl.core.events import Audited, Finished, Noted, Saved, Step
from napari_dense_ssl.engine import TrainSettings, train
from napari_dense_ssl.engine.masked_clusters import MaskedClusters
from napari_dense_ssl.engine.networks import Networks
from napari_dense_ssl.objective.iic import information_loss, joint_distribution
from napari_dense_ssl.objective.sharing import shared

RANK = int(os.environ.get("RANK", "0"))


def quick(name: str) -> TrainSettings:
    """A recipe whose losses move within a few steps, so that a wrong gradient would be seen in them."""
    # At balance 1 it would begin where the gradient of the information is nothing but rounding errors.
    objective = {"balance": 2.0} if name == "dense-iic" else {}
    optimiser = {"learning_rate": 0.05, "weight_decay": 0}
    return small(name, objective, sampler={"batch": 4}, audit_seconds=0, steps=5, optimiser=optimiser)


CASES: dict[str, Callable[[], TrainSettings]] = {
    "masked-clusters": small_settings,
    "masked-context": lambda: small_settings(context=2, steps=4),
    # One crop in four is hidden: one process has none.
    "masked-uneven": lambda: small_settings(
        context=2, steps=4, objective={"codebook_pixels": 2000, "mask_size": 8, "across_share": 0.25}
    ),
    **{
        name: lambda name=name: quick(name)  # type: ignore[misc]
        for name in (
            *("dense-iic", "dense-swav", "dense-contrastive", "dense-jepa", "dense-lejepa", "dense-dsm"),
            *("exp1-sigreg", "exp2-diversity", "exp4-cross-sample", "exp5-equivariance"),
        )
    },
    "audited": lambda: small_settings(audit_seconds=3600, steps=3),
}
"""Trainings whose losses must not depend on the number of processes."""


def seen(
    folder: Path, name: str, settings: TrainSettings, *, close_at: int | None = None, resume: bool = False
) -> None:
    """Train, and write down what this process saw."""
    steps: list[dict[str, float]] = []
    found: dict[str, object] = {"steps": steps, "notes": [], "audit": None, "finished": False, "saved": []}
    job = train(made_volume(), folder / name, settings, resume=resume)
    for event in job:
        match event:
            case Step(index=index, losses=losses):
                steps.append({"index": index, **losses})
                if index == close_at:
                    job.close()  # type: ignore[attr-defined]
            case Noted(message=message):
                found["notes"].append(message)  # type: ignore[attr-defined]
            case Audited(figures=figures):
                found["audit"] = dict(figures)
            case Saved(step=step):
                found["saved"].append(step)  # type: ignore[attr-defined]
            case Finished():
                found["finished"] = True
            case _:
                pass
    (folder / f"{name}-{RANK}.json").write_text(json.dumps(found))


def short_of_memory(folder: Path) -> None:
    """Train where the second process's memory has no room for a whole share, twice."""
    backward, failures = Networks.backward, iter([RANK == 1])

    def failing(self: Networks, loss: torch.Tensor, *, last: bool) -> None:
        if next(failures, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        backward(self, loss, last=last)

    Networks.backward = failing  # type: ignore[method-assign]
    seen(folder, "memory", small_settings(steps=2))
    Networks.backward = backward  # type: ignore[method-assign]


def planes_of_targets(folder: Path) -> None:
    """Write how many planes' targets this process computed."""
    with counted_planes() as planes:
        seen(folder, "planes", small_settings())
    (folder / f"planes-of-targets-{RANK}.json").write_text(json.dumps(len(planes)))


@contextmanager
def counted_planes() -> Iterator[list[torch.Size]]:
    """Note the shape of each plane whose targets are computed within."""
    planes: list[torch.Size] = []
    assign = MaskedClusters._assign

    def noting(self: MaskedClusters, features: torch.Tensor) -> Any:
        planes.append(features.shape[-2:])
        return assign(self, features)

    MaskedClusters._assign = noting  # type: ignore[method-assign]
    try:
        yield planes
    finally:
        MaskedClusters._assign = assign  # type: ignore[method-assign]


def shared_information(folder: Path) -> None:
    """Write the information of views that two processes share, and the gradient of this one's pixels.

    A training as short as these would begin where the information is 0 and its gradient a rounding error.
    """
    first, second = views()
    first = first[RANK::2].requires_grad_()
    with shared(True):
        loss = information_loss(joint_distribution(first.softmax(1), second[RANK::2].softmax(1)), 1.2)
    loss.backward()
    assert first.grad is not None
    answer = {"loss": loss.item(), "gradient": first.grad.tolist()}
    (folder / f"information-{RANK}.json").write_text(json.dumps(answer))


def views() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits (N, K) of two views that agree in part."""
    generator = torch.Generator().manual_seed(0)
    first = 2 * torch.randn((41, 5), generator=generator)  # one process has a pixel more
    return first, first + torch.randn((41, 5), generator=generator)


def main(folder: Path) -> None:
    for name, settings in CASES.items():
        seen(folder, name, settings())
    seen(folder, "minutes", small_settings(minutes=0.03, steps=None))
    seen(folder, "closed-by-first", small_settings(steps=100), close_at=2 if RANK == 0 else None)
    seen(folder, "closed-by-second", small_settings(steps=100), close_at=2 if RANK == 1 else None)
    seen(folder, "from-one", small_settings(), resume=True)
    seen(folder, "to-one", small_settings(), close_at=3)
    short_of_memory(folder)
    planes_of_targets(folder)
    shared_information(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
