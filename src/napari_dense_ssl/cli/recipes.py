"""``recipes``: the recipes, a line each."""

from __future__ import annotations

import typer


def recipes() -> None:
    """List the recipes, a line each."""
    from napari_dense_ssl.engine.recipes import RECIPES

    width = max(map(len, RECIPES))
    for name, recipe in RECIPES.items():
        typer.echo(f"{name:<{width}}  {recipe.sentence}")
