"""Settings of the network (no torch here: the docks draw their form from these)."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_REACH = 3.0
"""Slices no further away than this, in pixels of the plane, are looked at together."""

Positive = Annotated[int, Field(ge=1)]


class EncoderSettings(BaseModel):
    """How the encoder is built; see :class:`~napari_dense_ssl.model.encoder.DenseEncoder`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = Field(
        "convnext_atto",
        title="Backbone",
        description="Name of a timm ConvNeXt, such as convnext_atto, convnext_nano or convnext_tiny.",
        pattern=r"^convnext(v2)?_[a-z]+(\.[a-z0-9_]+)?$",
    )
    stages: int = Field(
        3,
        ge=1,
        le=4,
        title="Stages",
        description="Number of ConvNeXt stages; each doubles the stride and widens the field of view.",
    )
    depths: tuple[Positive, ...] | None = Field(
        (2, 2, 4),
        title="Depths",
        description="Blocks in each stage; none means those of the named backbone.",
    )
    widths: tuple[Positive, ...] | None = Field(
        (32, 64, 128),
        title="Widths",
        description="Channels of each stage; none means those of the named backbone.",
    )
    features: int = Field(
        64,
        ge=4,
        le=1024,
        title="Features",
        description="Channels of the feature pyramid, and of the embedding.",
    )
    filters: tuple[float, ...] = Field(
        (1.0, 2.0, 4.0),
        max_length=8,
        title="Filters",
        description="Scales of the classical filters (blur, gradient, Hessian eigenvalues) that classes are "
        "read from beside the learned features; none for none.",
        json_schema_extra={"unit": "px"},
    )
    slice_step: float = Field(
        1.0,
        gt=0,
        title="Slice step",
        description="Distance between slices, measured on the volume where several are seen at once.",
        json_schema_extra={"unit": "px"},
    )
    slices: int | None = Field(
        None,
        ge=1,
        le=15,
        title="Slices",
        description="Neighbouring slices that the network sees at once, its own in the middle (an odd "
        "number). Empty: those within 3 px, 1 for stacks of sections and up to 7 for isotropic volumes.",
    )
    detail: int = Field(
        16,
        ge=0,
        le=128,
        title="Detail channels",
        description="Channels of the full-resolution branch that keeps structures of 1 to 3 px; 0 for none.",
    )
    padding: Literal["reflect", "zeros"] = Field(
        "reflect",
        title="Padding",
        description="What lies beyond the edge of a crop; zeros let the network see where it is.",
    )

    def resolved(self, slice_step: float, depth: int = 15) -> Self:
        """Return settings whose number of slices is decided.

        Parameters
        ----------
        slice_step : float
            Distance between slices, in pixels of their plane.
        depth : int
            How many slices there are: no more are seen at once.
        """
        slices = self.slices
        if slices is None:
            slices = 2 * min(int(_REACH / slice_step), (depth - 1) // 2) + 1
        step = slice_step if math.isfinite(slice_step) else 1.0
        return self.model_copy(update={"slices": slices, "slice_step": step})

    @model_validator(mode="after")
    def _one_entry_a_stage(self) -> Self:
        for name in ("depths", "widths"):
            value = getattr(self, name)
            if value is not None and len(value) != self.stages:
                raise ValueError(f"{name} has {len(value)} entries for {self.stages} stages")
        if self.slices is not None and self.slices % 2 == 0:
            raise ValueError(f"slices is {self.slices}; it must be odd, the pixel's own slice in the middle")
        return self
