"""What the playground puts on the canvas: landscape, data, walkers, score and embedding over time.

The time of the training is the leading axis, so that napari's slider is the animation. Rows of an image run
downwards in napari: y is negated everywhere, and the picture stands upright as it does on paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.playground.frames import Film, Frame, Scene, colour_limits

if TYPE_CHECKING:
    from napari import Viewer

LANDSCAPE, TRUTH, DATA, WALKERS, SCORE, EMBEDDING, RIM = (
    "Energy",
    "Exact -log p",
    "Data",
    "Langevin samples",
    "Score",
    "Embedding",
    "Embedding rim",
)
_COLOURS = np.array(["#4e9ae8", "#e8833a", "#3fae5a", "#d1495b", "#9b6ddb", "#8c8c8c"])  # on black and white
_GAP = 0.08  # between landscape and embedding, in edges


class PlaygroundLayers:
    """The layers of one run; those that the user deletes stay deleted.

    Parameters
    ----------
    viewer : napari.Viewer
    scene : Scene
    flat : bool
        Whether the embedding has two dimensions; with three all layers get a z axis, and are shown in 3D.
    """

    def __init__(self, viewer: Viewer, scene: Scene, *, flat: bool = True) -> None:
        self.viewer, self.film, self.flat = viewer, Film(scene), flat
        self.identities: dict[str, str] = {}
        self._shown = 0
        self._remove_leftovers()
        x, y = scene.axis
        self.edge = float(x[-1] - x[0])
        self._pixel = self.edge / (len(x) - 1)
        self._corner = (float(-y[-1]), float(x[0]))
        self.centre = (float(-(y[0] + y[-1]) / 2), float((x[0] + x[-1]) / 2))
        # The layer with the time axis comes first, and is filled later: were it added to a canvas that shows
        # layers without that axis, the slider that appears would have napari draw in the middle of adding it,
        # which ends in a segmentation fault in Mesa's driver (seen with napari 0.9.2).
        self._add_image(LANDSCAPE, scene.truth[None], visible=False)
        self._add_image(TRUTH, scene.truth, below=LANDSCAPE)
        self._add(
            DATA,
            "points",
            self._timeless(_upright(scene.points)),
            size=self.edge / 130,
            face_color=_COLOURS[scene.labels % len(_COLOURS)],
            border_width=0,
            opacity=0.8,
        )
        viewer.dims.events.current_step.connect(self._recolour)
        viewer.reset_view()

    def close(self) -> None:
        """Let go of the viewer; the layers stay."""
        self.viewer.dims.events.current_step.disconnect(self._recolour)

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self.film.frames)

    @property
    def time(self) -> int:
        """Which picture the slider is at."""
        return int(np.clip(round(self.viewer.dims.point[self._axis]), 0, max(self.frames - 1, 0)))

    def go(self, time: int) -> None:
        """Move the slider to a picture."""
        self.viewer.dims.set_point(self._axis, float(time))

    @property
    def _axis(self) -> int:
        """The slider's axis: layers of others may have more axes, or longer ones."""
        return max(0, int(self.viewer.dims.ndim) - (3 if self.flat else 4))

    def add(self, frame: Frame) -> None:
        """Keep a picture; :meth:`show` puts it on the canvas."""
        self.film.frames.append(frame)

    def show(self) -> None:
        """Put what has come on the canvas; the slider goes along where it was at the last picture."""
        for _ in self.showing():
            pass

    def showing(self) -> Iterator[None]:
        """Do what :meth:`show` does, a layer at a time: all of them together take a tenth of a second."""
        if self._shown == self.frames:
            return
        first, at_end = self._shown == 0, self.time >= self._shown - 1
        count = self._shown = self.frames
        stack = np.stack([frame.landscape for frame in self.film.frames])
        if first:
            self._begin(stack)
        else:
            self._put(LANDSCAPE, self._rows(stack))
            for name in (SCORE, WALKERS, EMBEDDING):
                yield
                self._put(name, self._data_of(name))
        yield
        if at_end:
            self.go(count - 1)
        self._recolour()

    def layer(self, name: str) -> Any:
        """Return one of the layers, None where it was deleted."""
        return find_layer(self.viewer, self.identities.get(name))

    # -- making ----------------------------------------------------------------------------------------

    def _begin(self, stack: np.ndarray[Any, Any]) -> None:
        truth = self.layer(TRUTH)
        if truth is not None:
            truth.visible = False  # to compare with, by its eye
        landscape = self.layer(LANDSCAPE)
        if landscape is not None:
            landscape.data, landscape.visible = self._rows(stack), True
        self._add(
            SCORE,
            "vectors",
            self._data_of(SCORE),
            edge_width=self.edge / 400,
            edge_color="#bbbbbb",
            vector_style="arrow",
            length=1,
            opacity=0.6,
            below=DATA,
        )
        self._add(
            WALKERS,
            "points",
            self._data_of(WALKERS),
            size=self.edge / 75,
            face_color="#43d9bd",
            border_width=0,
        )
        if self.film.frames[0].embedding is not None:
            self._add(
                RIM,
                "vectors",
                self._rim(),
                edge_width=self.edge / 300,
                edge_color="#8c8c8c",
                vector_style="line",
                length=1,
            )
            colours = _COLOURS[self.film.scene.labels % len(_COLOURS)]
            self._add(
                EMBEDDING,
                "points",
                self._data_of(EMBEDDING),
                size=self.edge / 90,
                face_color=np.tile(colours, self.frames),
                border_width=0,
            )
        ours = {self.layer(name) for name in self.identities}
        if landscape is not None and set(self.viewer.layers.selection) <= ours:
            self.viewer.layers.selection = {landscape}  # whose values the status bar tells
        if not self.flat:
            self.viewer.dims.ndisplay = 3
        self.viewer.reset_view()

    def _add_image(self, name: str, landscape: np.ndarray[Any, Any], **keywords: Any) -> None:
        """Add a landscape (Y, X) of all times, or (T, Y, X)."""
        lead = self._lead[3 - landscape.ndim :]
        self._add(
            name,
            "image",
            self._rows(landscape),
            colormap="magma",
            interpolation2d="linear",
            contrast_limits=colour_limits(landscape if landscape.ndim == 2 else landscape[-1]),
            scale=(*lead, self._pixel, self._pixel),
            translate=(*(0.0 for _ in lead), *self._corner),
            **keywords,
        )

    def _add(self, name: str, kind: str, data: Any, below: str | None = None, **keywords: Any) -> None:
        selected = set(self.viewer.layers.selection)
        dimensions = data.ndim if kind == "image" else data.shape[-1]
        axes = ("time", "y", "x") if self.flat else ("time", "z", "y", "x")
        made = getattr(self.viewer, f"add_{kind}")(
            data,
            name=name,
            axis_labels=axes[-dimensions:],
            metadata={KEY: {"playground": self.film.scene.method}},
            **keywords,
        )
        self.identities[name] = str(made.unique_id)
        above = self.layer(below) if below is not None else None
        if above is not None:
            layers = self.viewer.layers
            layers.move(layers.index(made), layers.index(above))
        self.viewer.layers.selection = selected or {made}

    def _put(self, name: str, data: Any) -> None:
        layer = self.layer(name)
        if layer is None or data is None:
            return
        layer.data = data
        if name == EMBEDDING:
            colours = _COLOURS[self.film.scene.labels % len(_COLOURS)]
            layer.face_color = np.tile(colours, self.frames)

    # -- data ------------------------------------------------------------------------------------------

    @property
    def _lead(self) -> tuple[float, ...]:
        """Scale of the axes before y and x: time, and z where the embedding is solid."""
        return (1.0,) if self.flat else (1.0, self._pixel)

    def _rows(self, landscape: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return landscapes (..., Y, X) the right way up for napari, with a z axis where there is one."""
        upright = landscape[..., ::-1, :]
        return upright if self.flat else upright[..., None, :, :]

    def _timeless(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return places (N, 2) as they are at all times; napari repeats over axes that a layer lacks."""
        return places if self.flat else np.insert(places, 0, 0.0, axis=1)

    def _timed(self, parts: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Return places (N, 2 or 3) of each picture with their time, and z, in front."""
        lead = 1 if self.flat else 2
        result = []
        for time, part in enumerate(parts):
            front = np.zeros((len(part), lead + 2 - part.shape[1]))
            front[:, 0] = time
            result.append(np.concatenate([front, part], 1))
        return np.concatenate(result)

    def _data_of(self, name: str) -> Any:
        frames = self.film.frames
        if name == WALKERS:
            return self._timed([_upright(frame.walkers) for frame in frames])
        if name == SCORE:
            starts = _upright(self.film.scene.arrow_places)
            places = self._timed([starts for _ in frames])
            slopes = self._timed([_upright(self._arrows(frame)) for frame in frames])
            slopes[:, : slopes.shape[1] - 2] = 0
            return np.stack([places, slopes], 1)
        if frames[0].embedding is None:
            return None
        # One scale for all times, so that a collapse is seen as one; a whole number keeps it from trembling.
        found = [frame.embedding for frame in frames if frame.embedding is not None]
        reach = max(1.0, *(float(np.ceil(np.abs(embedding).max())) for embedding in found))
        return self._timed([self._beside(embedding, reach) for embedding in found])

    def _rim(self) -> np.ndarray[Any, Any]:
        """Return the edges of the square that the embedding is shown in, shape (4, 2, 2 or 3)."""
        y, x = self._beside_centre
        corners = np.array([(y - 1, x - 1), (y - 1, x + 1), (y + 1, x + 1), (y + 1, x - 1)])
        half = 0.5 * self.edge
        corners = (corners - (y, x)) * half + (y, x)
        sides = np.roll(corners, -1, 0) - corners
        lead = np.zeros((4, 0 if self.flat else 1))
        return np.stack([np.hstack([lead, corners]), np.hstack([lead, sides])], 1)

    @property
    def _beside_centre(self) -> tuple[float, float]:
        return self.centre[0], self.centre[1] + self.edge * (1 + _GAP)

    def _arrows(self, frame: Frame) -> np.ndarray[Any, Any]:
        """Return arrows as long as their gaps at most; the longest tenth is cut."""
        length = np.linalg.norm(frame.arrows, axis=1, keepdims=True)
        longest = float(np.quantile(length, 0.9))
        gap = self.edge / np.sqrt(len(length))
        factor = 0.85 * gap / np.maximum(np.maximum(length, longest), 1e-12)
        return np.asarray(frame.arrows * factor)

    def _beside(self, found: np.ndarray[Any, Any], reach: float) -> np.ndarray[Any, Any]:
        """Return an embedding (E, 1 to 3), scaled into a square (a cube) right of the landscape."""
        places = np.zeros((len(found), 2 if self.flat else 3))
        places[:, -1] = found[:, 0]
        if found.shape[1] > 1:
            places[:, -2] = -found[:, 1]
        if not self.flat:
            places[:, 0] = found[:, 2]
        places *= 0.5 * self.edge / reach
        places[:, -2:] += self._beside_centre
        return places

    def _recolour(self, event: Any = None) -> None:
        """Let the colours span the landscape in view: energies of different times differ by powers of ten."""
        layer = self.layer(LANDSCAPE)
        if layer is not None and self._shown:
            frame = self.film.frames[min(self.time, self._shown - 1)]
            layer.contrast_limits = colour_limits(frame.landscape)

    def _remove_leftovers(self) -> None:
        """Remove the layers of an earlier run."""
        for layer in list(self.viewer.layers):
            if "playground" in layer.metadata.get(KEY, {}):
                self.viewer.layers.remove(layer)


def _upright(places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return (x, y) as (-y, x), napari's rows and columns."""
    return np.stack([-places[:, 1], places[:, 0]], 1).astype(float)
