"""What napari 0.9 leaves to chance in its canvas, and what of it our layers would fall for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QCursor, QMouseEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

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
    """Have a viewer's canvas be what OpenGL commands are meant for, and know where the mouse is.

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

    def say_where_the_mouse_is(event: Any = None) -> None:
        canvas = known()
        if canvas is not None and isalive(canvas):
            _move_mouse_to_where_it_is(canvas)

    viewer.dims.events.ndisplay.connect(say_where_the_mouse_is)


def _move_mouse_to_where_it_is(canvas: QWidget) -> None:
    """Have napari look anew along the line of view that the mouse stands on.

    Its status bar asks labels layers that have features, as class maps do, what lies along that line. It is
    found when the mouse is moved, not when the view is turned to 3-D under it: until then the layers raise a
    ``TypeError``.
    """
    there = QCursor.pos()
    place = canvas.mapFromGlobal(there)
    if not canvas.rect().contains(place):
        return
    none = Qt.MouseButton.NoButton
    moved = QMouseEvent(
        QEvent.Type.MouseMove, QPointF(place), QPointF(there), none, none, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(canvas, moved)
