"""What can be chosen about objects."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ObjectSettings(BaseModel):
    """Which objects are kept, and how they are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_voxels: int = Field(
        100,
        ge=1,
        title="Least size",
        description="Objects of fewer voxels are left out.",
        json_schema_extra={"unit": "voxels"},
    )
    max_voxels: int | None = Field(
        None,
        ge=1,
        title="Greatest size",
        description="Objects of more voxels are left out.",
        json_schema_extra={"unit": "voxels"},
    )
    connectivity: Literal[6, 18, 26] = Field(
        6,
        title="Neighbours",
        description="Voxels that touch by a face (6), an edge too (18) or a corner too (26) are one object.",
    )
    cell_radius: float = Field(
        8.0,
        gt=0,
        title="Least radius of a cell",
        description="Cells only: where the next membrane is nearer than this, no cell begins. In pixels of a "
        "slice; larger values cut less.",
        json_schema_extra={"unit": "px"},
    )
    cell_neck: float = Field(
        0.85,
        gt=0,
        le=1,
        title="Neck of a cell",
        description="Cells only: they are cut where the passage is narrower than this share of the narrower "
        "side; smaller values cut less.",
    )
    cell_overlap: int = Field(
        4,
        ge=1,
        title="Overlap of slabs",
        description="Cells only: volumes that do not fit into memory are cut into slabs that share so many "
        "slices on either side, in which their cells are joined.",
        json_schema_extra={"unit": "slices"},
    )
