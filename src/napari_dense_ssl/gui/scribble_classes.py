"""Classes of a class map as strokes: clicked on, or by their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dense_ssl.core.errors import RegionError, ScribbleError
from napari_dense_ssl.gui.layers import LayerSource
from napari_dense_ssl.gui.map_array import TrustedMap
from napari_dense_ssl.gui.picking import Picker
from napari_dense_ssl.gui.results import is_result
from napari_dense_ssl.gui.views import slice_in_view
from napari_dense_ssl.predict.class_scribble import class_pixels

if TYPE_CHECKING:
    from napari import Viewer

    from napari_dense_ssl.gui.scribble_dock import ScribbleDock


class ClassStrokes:
    """Lets a click on a class map, or typed numbers, scribble with the chosen label.

    Parameters
    ----------
    dock : ScribbleDock
    """

    def __init__(self, dock: ScribbleDock) -> None:
        self.dock = dock
        self._picker = Picker(dock.viewer, self._class_maps, self._picked)
        dock.pick_button.toggled.connect(self._pick_toggled)
        dock.pick_field.returnPressed.connect(self._numbers_typed)

    def shut(self) -> None:
        """Listen to the canvas no more."""
        self._picker.close()

    def _class_maps(self) -> list[Any]:
        image = self.dock.layer.layer()
        if not self.dock.pick_button.isChecked() or image is None:
            return []
        return class_maps(self.dock.viewer, str(image.unique_id))

    def _pick_toggled(self, on: bool) -> None:
        layer = self.dock.scribbles.layer()
        if layer is not None:
            layer.mode = "pan_zoom" if on else "paint"
        if on:
            self.dock.status.setText("Click on a class in the class map.")

    def _picked(self, label: int) -> None:
        if not self.dock.pick_button.isChecked():
            return
        if not label:
            self.dock.status.setText(
                "There is no class at that place; click where the class map is computed."
            )
            return
        self.dock.pick_button.setChecked(False)
        self.scribble([label])

    def _numbers_typed(self) -> None:
        numbers = self.dock.attempt("Scribbling a class", lambda: numbers_of(self.dock.pick_field.text()))
        if numbers is not None:
            self.scribble([number + 1 for number in numbers])

    def scribble(self, labels: list[int]) -> None:
        """Scribble some pixels of classes (class + 1) in this slice with the chosen label."""

        def act() -> int:
            layer = self.dock.scribbles.layer()
            if layer is None:
                raise ScribbleError("There is nothing to scribble on yet; press New.")
            value = self.dock.table.label()
            count = scribble_classes(self.dock.viewer, self.dock.image(), layer, labels, value)
            named = ", ".join(str(label - 1) for label in labels)
            self.dock.status.setText(
                f"{count:,} pixels of class {named} are now {self.dock.labels.name(value)}."
            )
            return count

        self.dock.attempt("Scribbling a class", act)


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
