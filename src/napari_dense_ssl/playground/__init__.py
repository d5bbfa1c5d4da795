"""Self-supervised methods at work on data whose truth is known: mixtures in the plane, and digits.

May import torch, scikit-learn, scikit-image, scipy, matplotlib, ``objective``, ``model`` and ``core``. Begin
with :func:`play` in ``run.py``: it trains one of ``methods/`` (a file each: loss, energy, source) on a
:class:`Mixture` (``mixture.py``: exact density and score) and yields core events; ``figures.py`` measures,
``langevin.py`` samples, ``frames.py`` is what is looked at and ``pictures.py`` draws it; ``table.py``
compares all methods over seeds. ``digits/`` is a room of its own, for images of digits. The settings are free
of torch.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.playground.figures import FIGURES, measure
    from napari_dense_ssl.playground.frames import Film, Frame, Scene
    from napari_dense_ssl.playground.mixture import (
        TRUTHS,
        Dataset,
        Mixture,
        gaussians,
        make_dataset,
        seed_mixture,
    )
    from napari_dense_ssl.playground.pictures import write_animation, write_picture
    from napari_dense_ssl.playground.run import play
    from napari_dense_ssl.playground.settings import (
        MODELS,
        SENTENCES,
        PlaygroundSettings,
        playground_settings,
    )
    from napari_dense_ssl.playground.table import Row, compare_methods, markdown_table

__all__ = [
    "FIGURES",
    "MODELS",
    "SENTENCES",
    "TRUTHS",
    "Dataset",
    "Film",
    "Frame",
    "Mixture",
    "PlaygroundSettings",
    "Row",
    "Scene",
    "compare_methods",
    "gaussians",
    "make_dataset",
    "markdown_table",
    "measure",
    "play",
    "playground_settings",
    "seed_mixture",
    "write_animation",
    "write_picture",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "figures": ["FIGURES", "measure"],
        "frames": ["Film", "Frame", "Scene"],
        "mixture": ["TRUTHS", "Dataset", "Mixture", "gaussians", "make_dataset", "seed_mixture"],
        "pictures": ["write_animation", "write_picture"],
        "run": ["play"],
        "settings": ["MODELS", "SENTENCES", "PlaygroundSettings", "playground_settings"],
        "table": ["Row", "compare_methods", "markdown_table"],
    },
)
