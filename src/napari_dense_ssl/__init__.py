"""Explore electron-microscopy volumes without labels: dense classes, and where not to trust them.

The rooms are described in ARCHITECTURE.md. From Python begin with :func:`open_volume`,
:func:`train`, :func:`predict`, :func:`probe`, :func:`audit`, :func:`evaluate`, :func:`find_objects`,
:func:`export_model` and :func:`import_model`; each is imported when it is first asked for, so that importing
this package costs nothing.
"""

import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_dense_ssl.engine.train import train as train
    from napari_dense_ssl.evaluate import audit as audit
    from napari_dense_ssl.evaluate import evaluate as evaluate
    from napari_dense_ssl.evaluate import find_objects as find_objects
    from napari_dense_ssl.predict import predict as predict
    from napari_dense_ssl.predict import probe as probe
    from napari_dense_ssl.share import export_model as export_model
    from napari_dense_ssl.share import import_model as import_model
    from napari_dense_ssl.volume import open_volume as open_volume

_ROOM_OF = {
    "audit": "evaluate",
    "evaluate": "evaluate",
    "export_model": "share",
    "import_model": "share",
    "find_objects": "evaluate",
    "open_volume": "volume",
    "predict": "predict",
    "probe": "predict",
    "train": "engine",
}

__all__ = [
    "__version__",
    "audit",
    "evaluate",
    "export_model",
    "find_objects",
    "import_model",
    "open_volume",
    "predict",
    "probe",
    "train",
]


class _CallableRoom(ModuleType):
    """A room that bears the name of its main function, and answers to a call as that function does."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._main(*args, **kwargs)

    @property
    def _main(self) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._main)


class _Package(ModuleType):
    """The package itself.

    Importing a room binds it as an attribute of its package. So ``napari_dense_ssl.predict`` would be the
    function or the room, whichever was asked for first; making that room callable lets it be both, always.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if _ROOM_OF.get(name) == name and isinstance(value, ModuleType):
            value.__class__ = _CallableRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-dense-ssl")
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(f"{__name__}.{_ROOM_OF[name]}")
    return room if _ROOM_OF[name] == name else getattr(room, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
