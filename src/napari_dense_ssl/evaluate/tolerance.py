"""How far a boundary may be off and still count as met."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from napari_dense_ssl.core.errors import ScoreError, SettingsError
from napari_dense_ssl.core.geometry import VoxelSize


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A distance in pixels of a slice or in nanometres."""

    value: float = 2.0
    unit: Literal["px", "nm"] = "px"

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read ``2``, ``2px`` or ``10nm``.

        Raises
        ------
        SettingsError
            If it has another form, or is negative.
        """
        match = re.fullmatch(r"\s*([0-9.]+(?:[eE][-+]?\d+)?)\s*(px|nm)?\s*", text)
        try:
            value = float(match[1]) if match else math.nan
        except ValueError:
            value = math.nan
        if match is None or not math.isfinite(value):
            raise SettingsError(
                f"The tolerance {text!r} cannot be read; expected a distance in pixels or nanometres, "
                "such as 2, 2px or 10nm."
            )
        return cls(value, "nm" if match[2] == "nm" else "px")

    def reach(self, voxel_size: VoxelSize | None) -> tuple[float, float]:
        """Return it along Y and X, px.

        Raises
        ------
        ScoreError
            If it is in nm and the voxel size is not known.
        """
        if self.unit == "px":
            return self.value, self.value
        if voxel_size is None:
            raise ScoreError(
                f"The tolerance is {self} but the voxel size of the prediction is not known; give it "
                "in pixels, such as 2px."
            )
        return self.value / voxel_size.y, self.value / voxel_size.x

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


TWO_PIXELS = Tolerance()
"""What is taken where nobody says: the width of a drawn line."""
