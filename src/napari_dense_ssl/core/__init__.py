"""Words that every room shares: errors, events, geometry, tiles, the watch, colours.

May import numpy, cmap and the standard library only: no torch, no Qt, no dask. Begin with
:mod:`~napari_dense_ssl.core.events` (what a job says) and
:mod:`~napari_dense_ssl.core.geometry` (where things are).
"""
