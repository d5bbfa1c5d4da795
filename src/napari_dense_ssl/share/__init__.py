"""Runs that travel: out as a bioimage.io model package, in from a package or from another machine's folder.

May import ``model``, ``volume``, ``core`` and torch; bioimageio.spec (the extra ``share``) only where a
package is written. No Qt. Begin with :func:`export_model` in ``export.py``: ``network.py`` traces what other
tools run, ``sample.py`` cuts the test input, ``cover.py`` and ``readme.py`` tell of the run, ``describe.py``
fills in the specification. :func:`import_model` in ``importing.py`` takes a run in: ``archive.py`` opens what
came without trusting it, ``trust.py`` says what must hold before it becomes a run folder.
:mod:`~napari_dense_ssl.share.settings` is free of torch.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.share.export import export_model
    from napari_dense_ssl.share.importing import import_model
    from napari_dense_ssl.share.settings import ExportSettings

__all__ = ["ExportSettings", "export_model", "import_model"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "export": ["export_model"],
        "importing": ["import_model"],
        "settings": ["ExportSettings"],
    },
)
