"""Keeps a job told of what is in view, and which slices are likely to be next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QObject, QTimer, Signal

from napari_dense_ssl.core.events import Event
from napari_dense_ssl.core.watch import View, Watch
from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.job import Job, Outcome
from napari_dense_ssl.gui.layers import LayerSource
from napari_dense_ssl.gui.views import shows_slices, view_of
from napari_dense_ssl.predict.map_cache import Map, MapCache

if TYPE_CHECKING:
    from napari import Viewer

LIMIT = 2048
"""Longest edge of what is computed while following, px."""

_DELAY_MS = 40  # after the last movement of a slider or the camera
_AHEAD = 3  # slices computed beyond the one in view, the way the user goes; and one behind


class Followed(Protocol):
    """What a follower needs to know of maps: of which image they are, and where they are kept."""

    source: LayerSource

    @property
    def cache(self) -> MapCache:
        """Where they are kept."""
        ...


class Follower(QObject):
    """Runs a job that computes what is in view, beside whatever else the dock does.

    Parameters
    ----------
    viewer : napari.Viewer
    parent : QObject
        Goes with it.

    Attributes
    ----------
    happened : Signal(object)
        An event of the job.
    ended : Signal(object)
        The job's :class:`Outcome`; not after :meth:`stop`.
    looked : Signal(object)
        The :class:`View` that the job was told, or None.
    """

    happened = Signal(object)
    ended = Signal(object)
    looked = Signal(object)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.maps: Any = None
        self.message = ""
        self.cropped = False
        self.view: View | None = None
        self._watch = Watch()
        self._job: Job | None = None
        self._z: int | None = None
        self._direction = 1
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self.tell)
        for signal in self._signals():
            signal.connect(self.moved)

    def _signals(self) -> tuple[Any, ...]:
        dims, camera = self.viewer.dims.events, self.viewer.scene.camera.events
        return (
            dims.point,
            dims.ndisplay,
            dims.order,
            camera.zoom,
            camera.center,
            self.viewer.canvas.events.size,
        )

    @property
    def running(self) -> bool:
        """Whether it follows."""
        return self._job is not None and self._job.running

    @property
    def behind(self) -> bool:
        """Whether the view has moved since the job was last told of it, a moment ago."""
        return bool(self._timer.isActive())

    def missing(self, what: Map) -> bool:
        """Whether a map lacks anything of the view that the job was told of last."""
        if self.maps is None or self.view is None:
            return False
        return self.maps.cache.missing(self.view.box, what) is not None

    def start(
        self,
        maps: Followed,
        begin: Callable[[Any], Iterator[Event]],
        watch: Watch | None = None,
        title: str = "Following",
    ) -> None:
        """Follow what is in view of an image.

        Parameters
        ----------
        maps : Followed
            Of which image; what is in view is kept in its cache.
        begin : callable
            Called in the worker with the watch; returns the generator of events.
        watch : Watch, optional
            One that tells the job more than what is in view.
        title : str
            Begins messages.
        """
        self.stop()
        self.maps, self.message = maps, ""
        watch = self._watch = watch or Watch()
        self.tell()
        job = self._job = Job(title, lambda: begin(watch))
        job.happened.connect(self.happened)
        job.ended.connect(self._ended)
        job.start()

    def stop(self) -> None:
        """Follow no more; the job closes in its own thread and is heard no more."""
        job, self._job, self.maps = self._job, None, None
        if job is not None:
            job.blockSignals(True)
            job.stop()

    def _ended(self, outcome: Outcome) -> None:
        if self._job is not None:
            self.message = self._job.message
        self._job, self.maps = None, None
        self.ended.emit(outcome)

    def moved(self, event: Any = None) -> None:
        """Tell the job soon: something has moved."""
        if self.maps is not None:
            self._timer.start()

    def tell(self) -> None:
        """Tell the job now what is in view."""
        if self.maps is None:
            return
        layer = find_layer(self.viewer, self.maps.source.identity)
        view = None
        self.cropped = False
        if layer is not None and shows_slices(self.viewer):
            view = view_of(self.viewer, layer, LIMIT)
            full = view_of(self.viewer, layer, 10**9)
            self.cropped = view is not None and full is not None and view.box != full.box
        if view is not None:
            view = View(view.box, self._next(view))
            self.maps.cache.look(view.box)
        self.view = view
        self._watch.look(view)
        self.looked.emit(view)

    def _next(self, view: View) -> tuple[int, ...]:
        """Return the slices that will be looked at next, no more than there is room for."""
        assert self.maps is not None
        if self._z is not None and view.z != self._z:
            self._direction = 1 if view.z > self._z else -1
        self._z = view.z
        wanted = [view.z + self._direction * i for i in (*range(1, _AHEAD + 1), -1)]
        depth = self.maps.cache.shape[0]
        room = self.maps.cache.limit // max(1, self.maps.cache.bytes_of(view.box)) - 2
        return tuple(z for z in wanted if 0 <= z < depth)[: max(0, room)]

    def shut(self) -> None:
        """Let go of the viewer and stop."""
        self.stop()
        self._timer.stop()
        for signal in self._signals():
            signal.disconnect(self.moved)
