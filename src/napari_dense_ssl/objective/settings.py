"""Settings of the objectives, a class each (no torch here: the docks draw their form from these)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MaskedClustersSettings(BaseModel):
    """Settings of masked cluster prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["masked-clusters"] = Field("masked-clusters", title="Objective")
    generations: int = Field(
        3,
        ge=1,
        le=8,
        title="Generations",
        description="How often the targets are refitted; the first ones come from a filter bank.",
    )
    first_share: float = Field(
        0.25,
        gt=0,
        le=1,
        title="First generation's share",
        description="Share of the budget for generation 0; the others divide the rest evenly.",
    )
    sigmas: tuple[float, ...] = Field(
        (1.0, 2.0, 4.0, 8.0),
        min_length=1,
        title="Filter scales",
        description="Scales of the filter bank that generation 0 starts from.",
        json_schema_extra={"unit": "px"},
    )
    mask_size: int = Field(
        16,
        ge=2,
        le=128,
        title="Mask size",
        description="Edge of the hidden squares.",
        json_schema_extra={"unit": "px"},
    )
    mask_share: float = Field(
        0.3,
        ge=0,
        le=0.95,
        title="Hidden share",
        description="Share of the squares that are replaced by noise.",
    )
    seen_weight: float = Field(
        0.5,
        ge=0,
        le=10,
        title="Weight of seen pixels",
        description="Weight of the cross-entropy on pixels that are not hidden; hidden ones weigh 1.",
    )
    teacher_views: Literal[1, 2, 4, 8] = Field(
        8,
        title="Teacher's views",
        description="Over how many turns and flips of the image the features of later generations' targets "
        "are averaged: a structure then has the same code whichever way it lies.",
    )
    across_share: float = Field(
        0.25,
        gt=0,
        le=1,
        title="Cross-slice share",
        description="With context slices: share of the crops whose whole slice is hidden and predicted "
        "from its neighbours.",
    )
    codebook_pixels: int = Field(
        160_000,
        ge=1_000,
        le=10_000_000,
        title="Pixels for a codebook",
        description="How many pixels the K centres are fitted to, drawn from crops all over the region.",
    )


ObjectiveSettings = MaskedClustersSettings
"""Settings of any objective, told apart by their ``kind``."""
