"""What the digits tab puts on the canvas: the digits in three rows, below them the embedding, and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.theme import get_theme

from napari_dense_ssl.gui.fields import find_layer
from napari_dense_ssl.gui.layers import KEY

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.playground.digits import DigitsView

ROWS, POINTS, NAMES = (
    "digits: original | perturbed | reconstructed",
    "digits: embedding, first two principal axes",
    "digits: names",
)

_GAP = 36.0  # px between the rows and the embedding
_DOT = 5.0  # px


class DigitsLayers:
    """Three layers, made with the first look, and again where the user deleted one.

    Everything is in pixels of the digits; the embedding is scaled to a square as wide as the rows.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._identities: dict[str, str] = {}

    def layer(self, name: str) -> Any:
        """Return a layer by the name that it was made with, None where there is none (any more)."""
        return find_layer(self.viewer, self._identities.get(name))

    def show(self, view: DigitsView) -> None:
        """Show a look at the learning."""
        from napari_dense_ssl.playground.digits.pictures import DIGIT_COLOURS, triplets_picture

        rows = triplets_picture(view.triplets)
        places = _placed(view.points, rows.shape)
        colours = np.array(DIGIT_COLOURS)[view.labels % len(DIGIT_COLOURS)]
        alone = len(self.viewer.layers) == sum(self.layer(name) is not None for name in (ROWS, POINTS, NAMES))
        selected = set(self.viewer.layers.selection)
        new = [self._show_rows(rows), self._show_points(places, view.labels, colours)]
        new.append(self._show_names(view, places, rows.shape))
        if any(new) and alone:
            self.viewer.reset_view()
        self.viewer.layers.selection = selected & set(self.viewer.layers) or {self.layer(POINTS)}

    def recolour(self) -> None:
        """Write the names in the theme's colour."""
        layer = self.layer(NAMES)
        if layer is not None:
            layer.text.color = self._ink()

    def _show_rows(self, rows: np.ndarray[Any, Any]) -> bool:
        layer = self.layer(ROWS)
        if layer is not None:
            if layer.data.shape != rows.shape:
                layer.data = rows
            else:
                layer.data[:] = rows
                layer.refresh()
            return False
        layer = self.viewer.add_image(
            rows, name=ROWS, contrast_limits=(0, 1), metadata={KEY: {"values": "grey value, 0 to 1"}}
        )
        self._identities[ROWS] = str(layer.unique_id)
        return True

    def _show_points(self, places: np.ndarray[Any, Any], labels: Any, colours: Any) -> bool:
        layer = self.layer(POINTS)
        if layer is not None and len(layer.data) == len(places):
            layer.data = places
            layer.features = {"digit": labels}
            layer.face_color = colours
            return False
        before = layer
        layer = self.viewer.add_points(
            places,
            name=POINTS,
            features={"digit": labels},
            face_color=colours,
            size=_DOT,
            border_width=0,
            opacity=0.8,
            metadata={KEY: {"values": "principal components of embeddings, scaled to the picture"}},
        )
        if before is not None:
            layer.visible = before.visible
            self.viewer.layers.remove(before)
            layer.name = POINTS
        self._identities[POINTS] = str(layer.unique_id)
        return before is None

    def _show_names(self, view: DigitsView, places: np.ndarray[Any, Any], shape: tuple[int, ...]) -> bool:
        """Name the rows below them, and write each digit in the middle of its points."""
        digits = np.unique(view.labels)
        middles = [np.median(places[view.labels == digit], axis=0) for digit in digits]
        names = [*map(str, digits), ", ".join(name for name, _ in view.triplets.rows)]
        data = np.array([*middles, (shape[0] + _GAP / 2, shape[1] / 2)])
        layer = self.layer(NAMES)
        if layer is not None and list(layer.features["name"]) == names:
            layer.data = data
            return False
        if layer is not None:
            self.viewer.layers.remove(layer)
        new = self.viewer.add_points(
            data,
            name=NAMES,
            features={"name": names},
            text={"string": "{name}", "size": 11, "color": self._ink(), "anchor": "center"},
            size=0.01,
            border_width=0,
            face_color="transparent",
        )
        self._identities[NAMES] = str(new.unique_id)
        return layer is None

    def _ink(self) -> str:
        return str(get_theme(self.viewer.theme).text.as_hex())


def _placed(points: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Put points (N, 2) into a square below a picture of `shape`; (N, 2) as rows and columns, px.

    The middle 99 % of either axis fill it, so that a few far points do not make all others small.
    """
    low, high = np.quantile(points, (0.005, 0.995), axis=0)
    scale = shape[1] / max(float((high - low).max()), 1e-12)
    middle = (low + high) / 2
    placed = (points - middle) * scale  # x, y
    return np.stack([shape[0] + _GAP + shape[1] / 2 - placed[:, 1], shape[1] / 2 + placed[:, 0]], 1)
