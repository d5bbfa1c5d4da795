"""What a user calls the labels of their scribbles, and which colours these have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, Signal

from napari_dense_ssl.core.colours import class_colours

Colour = tuple[float, float, float]


class LabelModel(QObject):
    """Names and colours of labels 1 to 255; layers are drawn by it.

    Attributes
    ----------
    changed : Signal()
        A name or a colour has changed.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[int, str] = {}
        self._colours: dict[int, Colour] = {}

    def name(self, label: int) -> str:
        """Return a label's name: its number until it is given another."""
        return self._names.get(label, f"label {label}")

    def colour(self, label: int) -> Colour:
        """Return a label's colour, RGB in [0, 1]."""
        r, g, b = (float(c) for c in class_colours()[label][:3])
        return self._colours.get(label, (r, g, b))

    def rename(self, label: int, name: str) -> None:
        """Give a label a name; an empty one takes it back."""
        before = self.name(label)
        self._names.pop(label, None)
        if name.strip() and name.strip() != self.name(label):
            self._names[label] = name.strip()
        if self.name(label) != before:
            self.changed.emit()

    def recolour(self, label: int, colour: Colour) -> None:
        """Give a label a colour."""
        if colour != self.colour(label):
            self._colours[label] = colour
            self.changed.emit()

    def labels(self) -> list[int]:
        """Return the labels that were given a name or a colour."""
        return sorted({*self._names, *self._colours})

    def facts(self, labels: Iterable[int] | None = None) -> dict[str, Any]:
        """Return names and colours as files keep them.

        Parameters
        ----------
        labels : iterable of int, optional
            All of these; by default those that were given a name or a colour, with what they were given.
        """
        if labels is not None:
            kept = sorted(labels)
            return {
                "names": {str(label): self.name(label) for label in kept},
                "colours": {str(label): list(self.colour(label)) for label in kept},
            }
        return {
            "names": {str(label): name for label, name in sorted(self._names.items())},
            "colours": {str(label): list(colour) for label, colour in sorted(self._colours.items())},
        }

    def take(self, facts: Mapping[str, Any]) -> None:
        """Take over what a file or a layer kept; what cannot be read is left out."""
        names, colours = facts.get("names"), facts.get("colours")
        if isinstance(names, Mapping):
            self._names |= {int(k): str(v) for k, v in names.items() if str(k).isdecimal() and str(v).strip()}
        if isinstance(colours, Mapping):
            for k, v in colours.items():
                if str(k).isdecimal() and 0 < int(k) < 256 and isinstance(v, list) and len(v) == 3:
                    r, g, b = (min(1.0, max(0.0, float(c))) for c in v)
                    self._colours[int(k)] = (r, g, b)
        self.changed.emit()

    def colormap(self) -> DirectLabelColormap:
        """Return the colours of a Labels layer."""
        colours: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
        colours |= {label: (*self.colour(label), 1.0) for label in range(1, 256)}
        return DirectLabelColormap(color_dict=colours)

    def features(self) -> dict[str, list[str]]:
        """Return what napari's status bar says of each label."""
        last = max(self.labels(), default=0)
        return {"name": ["not scribbled", *(self.name(label) for label in range(1, last + 1))]}
