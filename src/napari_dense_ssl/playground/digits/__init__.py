"""Digits: an encoder learns without labels from perturbed copies, then a decoder draws what it kept.

The second half of the second seed (``docs/digits.md``). Begin with :func:`learn_digits` in ``training.py``, a
generator of core events around the ``Learner`` of ``learner.py``; ``data.py`` reads digits,
``perturbations.py`` perturbs them, ``networks.py`` and ``losses.py`` are what is trained, ``figures.py``
measures, ``views.py`` is what is looked at meanwhile and ``pictures.py`` draws it. Settings, data, figures
and views are free of torch.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.playground.digits.data import Digits, read_digits
    from napari_dense_ssl.playground.digits.figures import KnnFigures, knn_figures
    from napari_dense_ssl.playground.digits.settings import DigitsSettings, PerturbationSettings
    from napari_dense_ssl.playground.digits.training import learn_digits
    from napari_dense_ssl.playground.digits.views import DigitsResult, DigitsView

__all__ = [
    "Digits",
    "DigitsResult",
    "DigitsSettings",
    "DigitsView",
    "KnnFigures",
    "PerturbationSettings",
    "knn_figures",
    "learn_digits",
    "read_digits",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data": ["Digits", "read_digits"],
        "figures": ["KnnFigures", "knn_figures"],
        "settings": ["DigitsSettings", "PerturbationSettings"],
        "training": ["learn_digits"],
        "views": ["DigitsResult", "DigitsView"],
    },
)
