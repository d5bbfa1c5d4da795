"""Where the next stroke helps most: marked, and gone to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import KEY
from napari_dense_ssl.gui.views import go_to

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
