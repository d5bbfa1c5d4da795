"""Recipes: named settings to start from (no torch here)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.engine.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class Recipe:
    """A name, a sentence for people, and the settings to start from."""

    name: str
    sentence: str
    settings: Callable[[], TrainSettings]


def _experiment(name: str, **parts: object) -> TrainSettings:
    """Return one of the first five experiments, its flaws named; smaller than it was, for two cores."""
    return TrainSettings.model_validate(
        {
            "recipe": name,
            "context": 2,
            "encoder": {"padding": "zeros", "filters": ()},
            "sampler": {"crop": 128, "batch": 4, "view_shift": 0, "symmetries": False, "photometric": 0},
            "objective": {"kind": "cross-slice"} | parts,
            "optimiser": {"learning_rate": 1e-3, "weight_decay": 1e-4, "average_decay": 0.996},
        }
    )


def _dense(name: str, learning_rate: float = 1e-3, **objective: object) -> TrainSettings:
    """Return a recipe of the dense families, with all guards on."""
    return TrainSettings.model_validate(
        {
            "recipe": name,
            "encoder": {"filters": ()},
            "objective": {"kind": name} | objective,
            "optimiser": {"learning_rate": learning_rate},
        }
    )


_DETACHED = {"target": "detached", "train_context": False}
_NO_DIVERSITY = {"diversity_weight": 0, "sharpness_weight": 0}

RECIPES: Mapping[str, Recipe] = {
    entry.name: entry
    for entry in (
        Recipe(
            "masked-clusters",
            "Says which cluster of image features hidden pixels belong to, in generations; its targets "
            "come from the image alone, so it cannot learn the position instead.",
            lambda: TrainSettings(recipe="masked-clusters"),
        ),
        Recipe(
            "dense-iic",
            "Makes the classes of two shifted views of the same tissue tell as much about each other as "
            "they can (mutual information).",
            lambda: _dense("dense-iic"),
        ),
        Recipe(
            "dense-swav",
            "Predicts one view's assignment to prototypes, balanced over the batch, from the other view.",
            lambda: _dense("dense-swav"),
        ),
        Recipe(
            "dense-contrastive",
            "Tells each pixel from other crops' pixels, those at the same place of the crop among them; "
            "classes by k-means.",
            lambda: _dense("dense-contrastive"),
        ),
        Recipe(
            "dense-jepa",
            "Predicts the averaged network's features of the clean other view from a masked one; classes "
            "by k-means.",
            lambda: _dense("dense-jepa"),
        ),
        Recipe(
            "dense-lejepa",
            "Makes two views agree on an embedding that is distributed normally (SIGReg); classes by "
            "k-means.",
            lambda: _dense("dense-lejepa"),
        ),
        Recipe(
            "dense-dsm",
            "Learns to say what noise was added (denoising score matching); classes by k-means.",
            lambda: _dense("dense-dsm"),
        ),
        Recipe(
            "exp1-sigreg",
            "Known to fail: SIGReg asks of class probabilities what they cannot be, so all pixels end in "
            "nearly the same mixture.",
            lambda: _experiment("exp1-sigreg", **_DETACHED, **_NO_DIVERSITY, sigreg_weight=1),
        ),
        Recipe(
            "exp2-diversity",
            "Known to fail: asks every image for eight classes and sharp pixels, which the place in the crop "
            "can satisfy as well as the image.",
            lambda: _experiment("exp2-diversity", **_DETACHED),
        ),
        Recipe(
            "exp3-ema",
            "Known to fail: predicts an averaged network's classes of the middle slice at the same place, "
            "so horizontal bands cost nothing.",
            lambda: _experiment("exp3-ema"),
        ),
        Recipe(
            "exp4-cross-sample",
            "Known to fail: asks for different classes in different crops, which stripes with a moving "
            "phase satisfy.",
            lambda: _experiment("exp4-cross-sample", cross_sample_weight=1),
        ),
        Recipe(
            "exp5-equivariance",
            "Known to fail: asks turned crops for turned classes but never shifts them, so a symmetric "
            "grid passes.",
            lambda: _experiment("exp5-equivariance", cross_sample_weight=1, equivariance_weight=1),
        ),
    )
}
"""The recipes by name, the default first."""


def recipe(name: str) -> Recipe:
    """Look a recipe up.

    Raises
    ------
    SettingsError
        If there is none of that name; the message names those there are.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise SettingsError(
            f"There is no recipe named {name!r}; choose one of: {', '.join(RECIPES)}."
        ) from None
