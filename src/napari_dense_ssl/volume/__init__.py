"""Pixels on disk: lazy volumes from many formats, their statistics, and the OME-Zarr writer.

May import numpy, dask, zarr, tifffile, h5py, mrcfile and the like; no torch, no Qt. Begin with
:func:`open_volume` (:mod:`~napari_dense_ssl.volume.opening`) and :class:`Volume`; formats are one file each
behind the role :class:`~napari_dense_ssl.volume.reader.Reader`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.volume.class_file import SavedClasses, read_classes, write_classes
    from napari_dense_ssl.volume.class_labels import grouped_map, read_map_classes, write_map_classes
    from napari_dense_ssl.volume.export import Part, write_volume, writing
    from napari_dense_ssl.volume.intensity import Intensity
    from napari_dense_ssl.volume.label_output import LabelOutput
    from napari_dense_ssl.volume.multiscale import World
    from napari_dense_ssl.volume.opening import list_datasets, list_labels, open_volume
    from napari_dense_ssl.volume.output import Output, create_output, is_prediction, open_output
    from napari_dense_ssl.volume.volume import Volume

# dask and zarr take half a second to import: they are left until a name is used.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "class_file": ["SavedClasses", "read_classes", "write_classes"],
        "class_labels": ["grouped_map", "read_map_classes", "write_map_classes"],
        "export": ["Part", "write_volume", "writing"],
        "intensity": ["Intensity"],
        "label_output": ["LabelOutput"],
        "multiscale": ["World"],
        "opening": ["list_datasets", "list_labels", "open_volume"],
        "output": ["Output", "create_output", "is_prediction", "open_output"],
        "volume": ["Volume"],
    },
)

__all__ = [
    "Intensity",
    "LabelOutput",
    "Output",
    "Part",
    "SavedClasses",
    "Volume",
    "World",
    "create_output",
    "grouped_map",
    "is_prediction",
    "list_datasets",
    "list_labels",
    "open_output",
    "open_volume",
    "read_classes",
    "read_map_classes",
    "write_classes",
    "write_map_classes",
    "write_volume",
    "writing",
]
