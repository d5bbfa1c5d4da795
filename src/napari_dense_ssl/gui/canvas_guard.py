"""Removing a layer must not end in a crash of the graphics driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from qtpy.compat import isalive
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget

if TYPE_CHECKING:
    from napari import Viewer

_GUARDED = "dense_ssl_guarded"


def central_widget(widget: QWidget) -> QWidget | None:
    """Return what holds the canvas of the window that a widget is docked in; None where there is none."""
    parent: QWidget | None = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return None if parent is None else parent.centralWidget()


def guard_canvas(viewer: Viewer, widget: QWidget) -> None:
    """Have a viewer's canvas be what OpenGL commands are meant for whenever layers are removed.

    napari 0.9 frees what a removed layer had on the graphics card at once, but does not say first that its
    canvas is meant. Mostly Qt's own drawing of the window is; so shader programs are not freed where the
    canvas has them, and one of its next drawings reads what is gone: a segmentation fault, or a torn heap
    (``benchmarks/napari_alone.py``). Qt offers to say so; nothing of napari is changed.

    Parameters
    ----------
    viewer : napari.Viewer
        Guarded once, however often this is called.
    widget : QWidget
        Anything in the viewer's window.
    """
    centre = central_widget(widget)
    canvas = centre.findChild(QOpenGLWidget) if centre is not None else None
    if canvas is None or canvas.property(_GUARDED):
        return
    canvas.setProperty(_GUARDED, True)
    known = ref(canvas)

    def make_current(event: Any = None) -> None:
        canvas = known()
        if canvas is not None and isalive(canvas) and canvas.isValid():
            canvas.makeCurrent()

    viewer.layers.events.removing.connect(make_current)
    # Where several layers are removed at once, what they had is freed at the end.
    viewer.layers.events.end_batch.connect(make_current, position="first")
