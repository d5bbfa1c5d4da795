"""From a run to maps: tiles with a halo, class map, equivariance error, embedding, whole volumes on disk.

May import ``model``, ``volume``, ``core`` and torch; no Qt. Begin with :class:`Predictor` in
``predictor.py``, which turns boxes of slices into :class:`PlanePart` s; ``views.py`` says what is compared
for the equivariance error; ``whole.py`` writes a volume to OME-Zarr and resumes; ``view.py`` serves what a
person asks for and ``following.py`` what they look at, into the bounded memory of ``map_cache.py``;
``class_figures.py`` counts classes, ``class_tree.py`` orders them by how they meet
(``class_meetings.py``); ``probing.py`` turns scribbles into a segmentation: ``scribbles.py``
reads them, ``probe_fit.py`` fits the classifier of ``classifier.py``, ``prior.py`` says how common the
classes are.
:mod:`~napari_dense_ssl.predict.settings` and :mod:`~napari_dense_ssl.predict.probe_settings` are free of
torch.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.predict.class_csv import write_class_csv
    from napari_dense_ssl.predict.class_figures import ClassFigures
    from napari_dense_ssl.predict.class_tree import grow_tree
    from napari_dense_ssl.predict.flight import PlanePart
    from napari_dense_ssl.predict.following import follow
    from napari_dense_ssl.predict.map_cache import MapCache
    from napari_dense_ssl.predict.predictor import Predictor
    from napari_dense_ssl.predict.probe_settings import ProbeSettings
    from napari_dense_ssl.predict.probing import probe
    from napari_dense_ssl.predict.settings import PredictSettings
    from napari_dense_ssl.predict.view import predict_view
    from napari_dense_ssl.predict.whole import predict

__all__ = [
    "ClassFigures",
    "MapCache",
    "PlanePart",
    "PredictSettings",
    "Predictor",
    "ProbeSettings",
    "follow",
    "grow_tree",
    "predict",
    "predict_view",
    "probe",
    "write_class_csv",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "class_csv": ["write_class_csv"],
        "class_figures": ["ClassFigures"],
        "class_tree": ["grow_tree"],
        "flight": ["PlanePart"],
        "following": ["follow"],
        "map_cache": ["MapCache"],
        "predictor": ["Predictor"],
        "probing": ["probe"],
        "probe_settings": ["ProbeSettings"],
        "settings": ["PredictSettings"],
        "view": ["predict_view"],
        "whole": ["predict"],
    },
)
