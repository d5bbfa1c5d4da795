"""Settings of the sampler (no torch here: the docks draw their form from these)."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_UNIT = 16
"""Crops and shifts are multiples of it, px."""

_LEAST_CROP = 48
"""Crops are not made smaller than that to fit, px: more than half of their pixels would lie within 8 px
of the edge, where no targets are."""


class SamplerSettings(BaseModel):
    """Size of the crops, how they differ from each other, how far ahead they are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    crop: int = Field(
        112,
        ge=32,
        le=1024,
        multiple_of=_UNIT,
        title="Crop",
        description="Edge of the crops that the student sees.",
        json_schema_extra={"unit": "px"},
    )
    batch: int = Field(
        12, ge=1, le=4096, title="Batch", description="Crops a step, over all devices together."
    )
    view_shift: int = Field(
        16,
        ge=0,
        le=512,
        multiple_of=_UNIT,
        title="View shift",
        description="Largest shift between two views of the same tissue; any whole number of pixels up "
        "to it occurs. 0 lets a code for the position pass unseen.",
        json_schema_extra={"unit": "px"},
    )
    symmetries: bool = Field(
        True, title="Symmetries", description="Whether views are turned and flipped (eight symmetries)."
    )
    photometric: float = Field(
        0.4,
        ge=0,
        le=4,
        title="Photometric change",
        description="Strength of brightness, contrast, gamma, noise and blur; 0 for none.",
    )
    block: int = Field(
        256,
        ge=64,
        le=8192,
        title="Read block",
        description="Edge of the blocks that are read from the volume; several crops come from each.",
        json_schema_extra={"unit": "px"},
    )
    pool: int = Field(
        48,
        ge=1,
        le=100_000,
        title="Pool",
        description="Blocks held in memory at a time; a batch is drawn from all of them.",
    )
    reuse: int = Field(
        32,
        ge=1,
        le=1_000,
        title="Crops a block",
        description="How many crops are drawn from a block before another takes its place.",
    )
    memory: int = Field(
        1024,
        ge=16,
        le=1_000_000,
        title="Memory for blocks",
        description="Upper limit; a pool that would need more is made smaller.",
        json_schema_extra={"unit": "MiB"},
    )

    @model_validator(mode="after")
    def _crop_in_block(self) -> Self:
        if self.window > self.block:
            raise ValueError(
                f"a crop of {self.crop} px with a view shift of {self.view_shift} px does not fit into a "
                f"read block of {self.block} px"
            )
        return self

    @property
    def window(self) -> int:
        """Edge of the clean window that targets are computed on, px: the crop and its shift."""
        return self.crop + self.view_shift

    def within(self, edge: int, stride: int) -> Self:
        """Return settings whose window fits into slices of an edge, px; the same where none does.

        Parameters
        ----------
        edge : int
            Shortest edge of the slices that crops are cut from, px.
        stride : int
            What a crop has to be a multiple of, px: the encoder's total stride.
        """
        if edge >= self.window:
            return self
        shift, unit = min(self.view_shift, _UNIT), max(_UNIT, stride)
        crop = (edge - shift) // unit * unit
        return self if crop < _LEAST_CROP else self.model_copy(update={"crop": crop, "view_shift": shift})
