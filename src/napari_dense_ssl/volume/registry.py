"""The formats, in the order in which they are tried: the one place where a reader is registered."""

from __future__ import annotations

from napari_dense_ssl.volume.hdf5_reader import Hdf5Reader
from napari_dense_ssl.volume.mrc_reader import MrcReader
from napari_dense_ssl.volume.n5_reader import N5Reader
from napari_dense_ssl.volume.precomputed_reader import PrecomputedReader
from napari_dense_ssl.volume.reader import Reader
from napari_dense_ssl.volume.slices_reader import SlicesReader
from napari_dense_ssl.volume.tiff_reader import TiffReader
from napari_dense_ssl.volume.zarr_reader import ZarrReader

READERS: tuple[Reader, ...] = (
    ZarrReader(),
    N5Reader(),
    PrecomputedReader(),
    SlicesReader(),
    TiffReader(),
    Hdf5Reader(),
    MrcReader(),
)
FORMATS = "OME-Zarr, Zarr, N5, Neuroglancer precomputed, TIFF, PNG, a folder of TIFF or PNG slices, HDF5, MRC"
