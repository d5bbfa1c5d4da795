"""Things made of classes: connected components of a class, and cells between membranes.

A class map in, a label volume and a table out; block by block, so that memory does not grow with the volume.
Begin with :func:`finding_objects` (``job.py``). Each way to make pieces (``components.py``, ``cells.py``)
writes provisional numbers block by block and says which of them are one; ``assembly.py`` joins, measures,
filters and numbers them; ``measured.py`` holds the result, ``settings.py`` what can be chosen.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.evaluate.objects.job import find_objects, finding_objects
    from napari_dense_ssl.evaluate.objects.measured import Objects, write_objects_table
    from napari_dense_ssl.evaluate.objects.settings import ObjectSettings

__all__ = ["ObjectSettings", "Objects", "find_objects", "finding_objects", "write_objects_table"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "job": ["find_objects", "finding_objects"],
        "measured": ["Objects", "write_objects_table"],
        "settings": ["ObjectSettings"],
    },
)
