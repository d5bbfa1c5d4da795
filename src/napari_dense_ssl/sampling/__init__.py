"""Which crops are learned from, and under which views.

May import dask, torch, and of this project :mod:`~napari_dense_ssl.volume` and what lies below it. Begin
with :mod:`~napari_dense_ssl.sampling.crops`; :mod:`~napari_dense_ssl.sampling.views` makes views of a
crop, :mod:`~napari_dense_ssl.sampling.blocks` reads ahead in a thread of its own,
:mod:`~napari_dense_ssl.sampling.planes` does so along three planes.

Everything drawn at random is a function of (seed, step), so that a resumed run draws what an
uninterrupted one would have drawn, whatever the number of threads.
"""
