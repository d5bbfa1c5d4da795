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


RECIPES: Mapping[str, Recipe] = {
    entry.name: entry
    for entry in (
        Recipe(
            "masked-clusters",
            "Says which cluster of image features hidden pixels belong to, in generations; its targets "
            "come from the image alone, so it cannot learn the position instead.",
            lambda: TrainSettings(recipe="masked-clusters"),
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
