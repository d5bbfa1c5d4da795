"""Training as a generator of events: schedules, generations, checkpoints, resuming.

May import lightning-fabric, and of this project :mod:`~napari_dense_ssl.sampling` and what lies below it.
Begin with :mod:`~napari_dense_ssl.engine.train`; :mod:`~napari_dense_ssl.engine.settings` and
:mod:`~napari_dense_ssl.engine.recipes` are free of torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.engine.recipes import RECIPES, Recipe, recipe
    from napari_dense_ssl.engine.settings import TrainSettings
    from napari_dense_ssl.engine.train import train

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "recipes": ["RECIPES", "Recipe", "recipe"],
        "settings": ["TrainSettings"],
        "train": ["train"],
    },
)

__all__ = [
    "RECIPES",
    "Recipe",
    "TrainSettings",
    "recipe",
    "train",
]
