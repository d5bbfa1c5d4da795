"""A table of what is known of a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget
from superqt import QElidingLabel

from napari_dense_ssl.gui.fields import size_text

if TYPE_CHECKING:
    from napari_dense_ssl.volume import Volume

_NAMES = ("Format", "Shape", "Type", "Chunks", "Levels", "Extent", "On disk", "In memory")


class FactsTable(QWidget):
    """What is known of a volume: names on the left, values that elide on the right."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self.values: dict[str, QElidingLabel] = {}
        for row, name in enumerate(_NAMES):
            value = QElidingLabel("–")
            value.setElideMode(Qt.TextElideMode.ElideMiddle)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setAccessibleName(name)
            self._grid.addWidget(QLabel(name), row, 0)
            self._grid.addWidget(value, row, 1)
            self.values[name] = value

    def clear(self) -> None:
        """Show nothing."""
        for name in _NAMES:
            self._say(name, "–", "")

    def show_volume(self, volume: Volume, voxel_size: tuple[float, float, float] | None) -> None:
        """Show a volume's facts but its size on disk.

        Parameters
        ----------
        volume : Volume
        voxel_size : tuple of float or None
            Along Z, Y and X in nm; None where it is not known.
        """
        levels = len(volume.levels)
        coarsest = " × ".join(map(str, volume.levels[-1].shape))
        self._say("Format", volume.format)
        self._say("Shape", f"{' × '.join(map(str, volume.shape))} voxels (Z Y X)")
        self._say("Type", str(volume.dtype))
        self._say("Chunks", f"{' × '.join(map(str, volume.chunks))} voxels")
        self._say("Levels", f"{levels} (coarsest {coarsest})" if levels > 1 else "1 (no pyramid)")
        self._say("In memory", f"{size_text(volume.nbytes)} (finest level)")
        self.show_extent(volume.shape, voxel_size)

    def show_extent(self, shape: tuple[int, ...], voxel_size: tuple[float, float, float] | None) -> None:
        """Show how large a volume is in the world."""
        if voxel_size is None:
            self._say("Extent", "unknown")
            return
        edges = (f"{n * s / 1000:.4g}" for n, s in zip(shape, voxel_size, strict=True))
        self._say("Extent", f"{' × '.join(edges)} µm")

    def show_on_disk(self, count: int | None, *, counting: bool = False) -> None:
        """Show how much room a volume takes on disk, bytes."""
        self._say("On disk", "counting …" if counting else "–" if count is None else size_text(count))

    def _say(self, name: str, text: str, tip: str | None = None) -> None:
        self.values[name].setText(text)
        self.values[name].setToolTip(text if tip is None else tip)
