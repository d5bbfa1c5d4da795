"""Settings of the network (no torch here: the docks draw their form from these)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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

    @model_validator(mode="after")
    def _one_entry_a_stage(self) -> Self:
        for name in ("depths", "widths"):
            value = getattr(self, name)
            if value is not None and len(value) != self.stages:
                raise ValueError(f"{name} has {len(value)} entries for {self.stages} stages")
        return self
