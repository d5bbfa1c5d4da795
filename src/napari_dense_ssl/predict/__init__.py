"""From a run to maps: tiles with a halo, class map, equivariance error, embedding, whole volumes on disk.

May import ``model``, ``volume``, ``core`` and torch; no Qt. Begin with :class:`Predictor` in
``predictor.py``, which turns boxes of slices into :class:`PlanePart` s; ``views.py`` says what is compared
for the equivariance error; ``whole.py`` writes a volume to OME-Zarr and resumes, block by block
(``blocks.py``), on the grid that ``pixel_size.py`` and in the planes that ``planes.py`` decides on, three of
which ``ortho.py`` averages; ``view.py`` serves what a
person asks for and ``following.py`` what they look at, into the bounded memory of ``map_cache.py``;
``class_figures.py`` counts classes, ``class_tree.py`` orders them by how they meet
(``class_meetings.py``); ``probing.py`` turns scribbles into a segmentation: ``scribbles.py``
reads them, ``pixel_features.py`` encodes their pixels, ``probe_fit.py`` fits the classifier of
``classifier.py``, ``prior.py`` says how common the classes are, ``refined_fit.py`` does so for a volume
and lets ``refining.py`` train the encoder on the scribbles where that is of use. ``scribbling.py`` does
the same while a person paints on the bounded array of ``sparse_labels.py``, with the features of
``feature_cache.py``;
``suggest.py`` says where to go on, ``scribble_files.py`` keeps scribbles on disk, ``label_counts.py``
counts the result.
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
    from napari_dense_ssl.predict.scribbles import Scribbles
    from napari_dense_ssl.predict.scribbling import Segmented, scribble
    from napari_dense_ssl.predict.settings import PredictSettings
    from napari_dense_ssl.predict.sparse_labels import SparseLabels
    from napari_dense_ssl.predict.suggest import Suggestion, suggest
    from napari_dense_ssl.predict.view import predict_view
    from napari_dense_ssl.predict.whole import predict

__all__ = [
    "ClassFigures",
    "MapCache",
    "PlanePart",
    "PredictSettings",
    "Predictor",
    "ProbeSettings",
    "Scribbles",
    "Segmented",
    "SparseLabels",
    "Suggestion",
    "follow",
    "grow_tree",
    "predict",
    "predict_view",
    "probe",
    "scribble",
    "suggest",
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
        "scribbles": ["Scribbles"],
        "scribbling": ["Segmented", "scribble"],
        "settings": ["PredictSettings"],
        "sparse_labels": ["SparseLabels"],
        "suggest": ["Suggestion", "suggest"],
        "view": ["predict_view"],
        "whole": ["predict"],
    },
)
