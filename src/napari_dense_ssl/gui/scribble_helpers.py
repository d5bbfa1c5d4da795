"""Help with scribbling: where the next stroke helps most, and classes of a class map as strokes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dense_ssl.core.errors import RegionError, ScribbleError
from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import KEY, LayerSource
from napari_dense_ssl.gui.map_array import TrustedMap
from napari_dense_ssl.gui.results import is_result
from napari_dense_ssl.gui.views import go_to, slice_in_view
from napari_dense_ssl.predict.class_scribble import class_pixels

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.predict.suggest import Suggestion

_APART = 48.0  # px; a place that near to one that was gone to counts as the same
_RING = 24.0  # px


class Guide:
    """Goes from suggestion to suggestion, and marks them.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.suggestions: tuple[Suggestion, ...] = ()
        self._been: list[tuple[int, int, int]] = []
        self._points: str | None = None

    def take(self, suggestions: Sequence[Suggestion], image: Any) -> None:
        """Take over new suggestions; marks that are there move to them."""
        self.suggestions = tuple(suggestions)
        points = find_layer(self.viewer, self._points)
        if points is not None:
            points.data = self._places()

    def forget(self) -> None:
        """Begin anew: the scribbles are others now."""
        self._been.clear()

    def next(self, image: Any) -> Suggestion | None:
        """Go to the most uncertain place that was not gone to since the last stroke; None without any."""
        if not self.suggestions:
            return None
        left = [s for s in self.suggestions if not any(_near(s.place, place) for place in self._been)]
        if not left:
            self._been.clear()
            left = list(self.suggestions)
        chosen = left[0]
        self._been.append(chosen.place)
        self._mark(image)
        go_to(self.viewer, image, chosen.place)
        return chosen

    def _places(self) -> np.ndarray[Any, Any]:
        return np.array([s.place for s in self.suggestions], float).reshape(-1, 3)

    def _mark(self, image: Any) -> None:
        points = find_layer(self.viewer, self._points)
        if points is not None:
            points.data = self._places()
            return
        selected = set(self.viewer.layers.selection)
        points = self.viewer.add_points(
            self._places(),
            name=f"{image.name} where to scribble next",
            size=_RING,
            face_color="transparent",
            border_color="yellow",
            border_width=0.08,
            metadata={KEY: {"kind": "suggestions", "of_id": str(image.unique_id)}},
            scale=image.scale,
            translate=image.translate,
            rotate=image.rotate,
            shear=image.shear,
            affine=image.affine,
            units=image.units,
            axis_labels=image.axis_labels,
        )
        self._points = str(points.unique_id)
        self.viewer.layers.selection = selected


def _near(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    return a[0] == b[0] and float(np.hypot(a[1] - b[1], a[2] - b[2])) < _APART


def class_maps(viewer: Viewer, identity: str) -> list[Any]:
    """Return the class maps of an image, the topmost first."""
    return [layer for layer in reversed(list(viewer.layers)) if is_result(layer, "classes", of=identity)]


def numbers_of(text: str) -> list[int]:
    """Return class numbers that were typed: ``"3, 7-9"``.

    Raises
    ------
    ScribbleError
        If it is no list of numbers from 0 to 254.

    Examples
    --------
    >>> numbers_of("3, 7-9")
    [3, 7, 8, 9]
    """
    found: list[int] = []
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            break
        found += range(int(first), int(last if dash else first) + 1)
    else:
        if found and max(found) < 255:
            return found
    raise ScribbleError(
        f"{text!r} is no list of classes; type numbers from 0 to 254 as the Classes dock shows "
        "them, such as 3, 7-9."
    )


def scribble_classes(
    viewer: Viewer, source: LayerSource, scribbles: Any, labels: Iterable[int], value: int, layer: Any = None
) -> int:
    """Scribble some pixels of classes in the slice in view, as one stroke that can be undone.

    Parameters
    ----------
    source : LayerSource
        The image.
    scribbles : napari.layers.Labels
        Painted on; what has a label already keeps it.
    labels : iterable of int
        Class + 1.
    value : int
        The label to paint.
    layer : napari.layers.Labels, optional
        The class map; by default the topmost one of the image.

    Returns
    -------
    int
        How many pixels were painted.

    Raises
    ------
    ScribbleError, RegionError
        If there is no class map, none of the classes in this slice, or no slice in view.
    """
    maps = [layer] if layer is not None else class_maps(viewer, source.identity)
    if not maps:
        raise ScribbleError(
            f"There is no class map of {source.name} to take a class from; compute one first (Classes dock)."
        )
    z = slice_in_view(viewer, scribbles)
    if z is None:
        raise RegionError(f"The slider stands outside of {source.name}; move it into the image.")
    data = maps[0].data[0] if maps[0].multiscale else maps[0].data
    plane = np.asarray((data.classes if isinstance(data, TrustedMap) else data)[z])
    free = np.where(np.asarray(scribbles.data[z]) == 0, plane, 0)
    rows, columns = class_pixels(free, labels)
    scribbles.data_setitem((np.full(len(rows), z), rows, columns), value)
    return len(rows)
