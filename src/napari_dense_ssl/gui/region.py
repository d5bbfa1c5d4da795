"""A region of a volume to choose: all of it, some slices, or a box drawn in a Shapes layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_dense_ssl.core.errors import RegionError
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.gui.fields import LayerField, shrinkable

if TYPE_CHECKING:
    from napari import Viewer

WHOLE, SLICES, SHAPE = range(3)


class RegionField(QWidget):
    """Whole volume, a range of slices, or the box around the shapes of a Shapes layer.

    Parameters
    ----------
    viewer : napari.Viewer
    image : callable, optional
        Returns the image layer that the region is of, or None; with it a button offers to draw a box.
    """

    def __init__(self, viewer: Viewer, image: Callable[[], Any] | None = None) -> None:
        super().__init__()
        self.viewer, self._image = viewer, image
        self.depth = 1
        self.choice = shrinkable(QComboBox())
        self.choice.addItems(["Whole volume", "Range of slices", "Box from shapes"])
        self.choice.setToolTip(
            "Whole volume; some slices; or the box around what is drawn in a Shapes layer (a shape drawn in "
            "one slice counts for the chosen slices)"
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        for box, tip in ((self.first, "First slice"), (self.last, "Last slice, included")):
            box.setToolTip(f"{tip}, counted from 0")
            box.setAccessibleName(tip)
            box.setStyleSheet("min-width: 40px")  # napari's style asks for more than two have room for
        self.shapes = LayerField(viewer, lambda layer: isinstance(layer, Shapes))
        self.shapes.setStyleSheet("min-width: 60px")
        self.shapes.setAccessibleName("Shapes layer")
        self.shapes.setToolTip("Shapes layer whose shapes' box is taken")
        self.draw_button = QPushButton("Draw a box")
        self.draw_button.setToolTip(
            "Take the rectangle tool and drag over the image (makes a Shapes layer where there is none)"
        )
        self.draw_button.clicked.connect(self.draw)
        drawn = QHBoxLayout()
        drawn.setContentsMargins(0, 0, 0, 0)
        drawn.setSpacing(4)
        drawn.addWidget(self.shapes, 1)
        drawn.addWidget(self.draw_button)
        self.slices = QWidget()
        row = QHBoxLayout(self.slices)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(QLabel("slices"))
        row.addWidget(self.first, 1)
        row.addWidget(QLabel("to"))
        row.addWidget(self.last, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.choice)
        layout.addLayout(drawn)
        layout.addWidget(self.slices)
        self.choice.currentIndexChanged.connect(self._show)
        self._show()

    def _show(self) -> None:
        index = self.choice.currentIndex()
        self.slices.setVisible(index != WHOLE)
        self.shapes.setVisible(index == SHAPE)
        self.draw_button.setVisible(index == SHAPE and self._image is not None)

    def set_depth(self, depth: int) -> None:
        """Offer the slices of a volume with that many."""
        if depth == self.depth:
            return
        self.depth = depth
        for box in (self.first, self.last):
            box.setRange(0, depth - 1)
        self.first.setValue(0)
        self.last.setValue(depth - 1)

    def draw(self) -> None:
        """Let the user draw a rectangle over the image: in the chosen Shapes layer, or in a new one."""
        image = self._image() if self._image is not None else None
        if image is None:
            return
        shapes = self.shapes.layer()
        if shapes is None:
            shapes = self.viewer.add_shapes(
                ndim=2,  # seen in all slices
                name=f"{image.name} region",
                scale=tuple(image.scale)[-2:],
                translate=tuple(image.translate)[-2:],
                units=tuple(image.units)[-2:],
                axis_labels=tuple(image.axis_labels)[-2:],
                edge_color="yellow",
                face_color="transparent",
                edge_width=3,
            )
            self.shapes.choose(shapes)
        self.viewer.layers.selection.active = shapes  # not {shapes}, see add_scribbles
        shapes.mode = "add_rectangle"

    def box(self, layer: Any) -> Box | None:
        """Return the region in voxels of an image layer; None for the whole volume.

        Raises
        ------
        RegionError
            If nothing is drawn, or it lies outside of the image.
        """
        if self.choice.currentIndex() == WHOLE:
            return None
        data = layer.data[0] if layer.multiscale else layer.data
        y, x = (int(n) for n in data.shape[-2:])
        first, stop = self.first.value(), self.last.value() + 1
        if stop <= first:
            raise RegionError(
                f"The region begins at slice {first} and ends at slice {stop - 1}, which is empty; choose a "
                "last slice that is not before the first."
            )
        if self.choice.currentIndex() == SLICES:
            return Box((first, 0, 0), (stop, y, x))
        low, high = self._drawn(layer)
        bounds = [
            (max(0, int(np.floor(a + 0.5))), min(n, int(np.ceil(b + 0.5))))
            for a, b, n in zip(low, high, (y, x), strict=True)
        ]
        (y0, y1), (x0, x1) = bounds
        box = Box((first, y0, x0), (stop, y1, x1))
        if box.size == 0:
            raise RegionError(
                f"What is drawn in {self.shapes.currentText()} lies outside of {layer.name}; draw a "
                "rectangle over the image."
            )
        return box

    def _drawn(self, layer: Any) -> tuple[Any, Any]:
        """Return the least and greatest Y and X, in the image's voxels, of what is drawn."""
        shapes = self.shapes.layer()
        if shapes is None or len(shapes.data) == 0:
            raise RegionError(
                "Nothing is drawn that could be a region; press Draw a box (or add a Shapes layer and "
                "choose it) and drag a rectangle over the image."
            )
        points = []
        for shape in shapes.data:
            for vertex in np.asarray(shape, float):
                world = np.asarray(shapes.data_to_world(vertex), float)
                padded = np.concatenate([np.zeros(max(0, 3 - len(world))), world])[-3:]
                points.append(np.asarray(layer.world_to_data(padded), float)[-2:])
        return np.min(points, axis=0), np.max(points, axis=0)
