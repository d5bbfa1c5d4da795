"""A label volume to choose: a Labels layer of the window, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from napari_dense_ssl.core.colours import class_colours
from napari_dense_ssl.core.errors import ScoreError
from napari_dense_ssl.gui.fields import LayerField, PathField
from napari_dense_ssl.gui.layers import KEY, layer_source
from napari_dense_ssl.gui.views import stack_shape

if TYPE_CHECKING:
    from napari import Viewer


class LabelsField(QWidget):
    """Labels layers, or a path beside them.

    Parameters
    ----------
    viewer : napari.Viewer
    what : str
        What it is, for screen readers and tooltips, such as ``"prediction"``.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, what: str) -> None:
        super().__init__()
        self.viewer = viewer
        self.layer = LayerField(viewer, lambda layer: isinstance(layer, Labels))
        self.layer.setAccessibleName(f"{what} layer")
        self.layer.setToolTip(f"Labels layer with the {what}")
        self.path = PathField("labels", "volume", "path or sample:em-labels")
        self.path.setToolTip(f"File or folder with the {what}: OME-Zarr (a prediction too), TIFF, …")
        self.use_file = QToolButton()
        self.use_file.setText("File")
        self.use_file.setCheckable(True)
        self.use_file.setToolTip(f"Take the {what} from a file, in place of a layer")
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.layer, 1)
        row.addWidget(self.use_file)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.path)
        self.use_file.toggled.connect(self._toggled)
        self.layer.layer_changed.connect(self.changed)
        self.path.changed.connect(lambda _: self.changed.emit())
        self._toggled(False)

    def _toggled(self, on: bool) -> None:
        self.path.setVisible(on)
        self.layer.setEnabled(not on)
        self.changed.emit()

    @property
    def chosen(self) -> bool:
        """Whether something is chosen."""
        if self.use_file.isChecked():
            return bool(self.path.path())
        return self.layer.currentData() is not None

    def depth(self) -> int | None:
        """Return the number of slices, where a layer is chosen."""
        layer = None if self.use_file.isChecked() else self.layer.layer()
        return None if layer is None else stack_shape(layer)[0]

    def source(self) -> Any:
        """Return a path, or what a worker needs of the layer (main thread only).

        Raises
        ------
        ScoreError
            If nothing is chosen, or the layer is no stack.
        """
        if self.use_file.isChecked():
            if not self.path.path():
                raise ScoreError("No file is chosen; type a path or browse for it.")
            return self.path.path()
        layer = self.layer.layer()
        if layer is None:
            raise ScoreError("There is no Labels layer to take; open one, or choose a file.")
        return label_source_of(layer)

    def identity(self) -> str | None:
        """Return the unique id of the chosen layer, None for a file."""
        return None if self.use_file.isChecked() else self.layer.currentData()

    def names(self) -> Mapping[int, str]:
        """Return the names of labels, where the layer has a column of them."""
        layer = None if self.use_file.isChecked() else self.layer.layer()
        return {} if layer is None else names_of(layer)

    def colour(self, label: int) -> tuple[float, float, float]:
        """Return what a label is drawn with in the layer; in a file, its class's colour."""
        layer = None if self.use_file.isChecked() else self.layer.layer()
        colour = None if layer is None else layer.get_color(label)
        if colour is None:
            colour = class_colours()[label % 256]
        red, green, blue = (float(c) for c in colour[:3])
        return red, green, blue


def label_source_of(layer: Any) -> Any:
    """Read off a Labels layer what a worker needs (main thread only).

    Raises
    ------
    ScoreError
        If it has other axes than a stack of slices.
    """
    from napari_dense_ssl.evaluate.label_sources import LabelSource

    source = layer_source(layer)
    array = source.levels[0]
    if len(source.shape) == 2:
        array = np.asarray(array)[None]
    if len(array.shape) != 3:
        raise ScoreError(
            f"The layer {source.name} has {len(source.shape)} axes, shape {source.shape}; expected labels "
            "with axes Z, Y, X. Choose one channel or time point."
        )
    z, y, x = source.translation if len(source.translation) == 3 else (0.0, *source.translation)
    name = f"the layer {source.name}"
    return LabelSource(array, name, source.voxel_size, (z, y, x), book=_book_of(layer))


def _book_of(layer: Any) -> Any:
    """Return groups and names of a layer's labels; None where it has none."""
    from napari_dense_ssl.evaluate.label_sources import book_of_names

    saved = layer.metadata.get(KEY, {}).get("classes")
    return book_of_names(names_of(layer)) if saved is None else saved.book


def names_of(layer: Any) -> dict[int, str]:
    """Return the names of a Labels layer's labels.

    Those of the classes that its metadata keep; else the column ``name`` of its features, by ``index`` or by
    row.
    """
    saved = layer.metadata.get(KEY, {}).get("classes")
    if saved is not None:
        return dict(saved.book.names)
    features = layer.features
    if "name" not in features:
        return {}
    labels = features["index"] if "index" in features else range(len(features))
    return {
        int(label): str(name)
        for label, name in zip(labels, features["name"], strict=True)
        if isinstance(name, str) and name
    }
