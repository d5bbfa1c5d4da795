"""What is learned: one loss is one file, with its settings, its maths in pure functions, its source.

May import torch, and of this project only :mod:`~napari_dense_ssl.core`. Begin with
:mod:`~napari_dense_ssl.objective.masked_clusters`. A new objective is its file, its settings in
:mod:`~napari_dense_ssl.objective.settings` (which is free of torch, since the docks draw their forms
before torch is needed) and in the union there, its test, and one line in ``docs/learning.md``; the form,
the flags and the YAML follow. How it is trained is a file in :mod:`~napari_dense_ssl.engine`.
"""
