"""Settings of prediction (no torch here: the docks draw their form from these)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Offset = Annotated[int, Field(ge=-32, le=32)]

WHAT = ("classes", "error", "embedding")
"""What can be asked for; classes are always given."""


class TileSettings(BaseModel):
    """How slices are cut into tiles, and what the equivariance error compares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tile: int | None = Field(
        None,
        ge=32,
        le=8192,
        title="Tile",
        description="Largest window that is computed at once. Larger ones waste less on halos but need more "
        "memory and take longer to stop; none means 560 on a CPU, 1024 on a GPU.",
        json_schema_extra={"unit": "px"},
    )
    halo: int | None = Field(
        None,
        ge=0,
        le=4096,
        title="Halo",
        description="Margin of a window that is computed and thrown away; none means the encoder's own, "
        "measured on its effective field of view.",
        json_schema_extra={"unit": "px"},
    )
    symmetries: Literal[1, 2, 4, 8] = Field(
        8,
        title="Symmetries",
        description="Turns and flips that the equivariance error compares: 8 all, 4 the quarter turns, "
        "2 the half turn, 1 none but the shifts. Time grows with it.",
    )
    shifts: tuple[tuple[Offset, Offset], ...] = Field(
        ((1, 3), (-3, 5)),
        title="Shifts",
        description="Displacements along Y and X that the equivariance error compares as well; odd ones, "
        "so that a grid of the network's stride is seen.",
        json_schema_extra={"unit": "px"},
    )
    batch: int | None = Field(
        None,
        ge=1,
        le=1024,
        title="Batch",
        description="Windows computed at once; none means one on a CPU, and by free memory on a GPU.",
    )
    chunk: int = Field(
        512,
        ge=16,
        le=4096,
        title="Chunk",
        description="Edge of the chunks that the output is stored in, at most 256 or a multiple of it; they "
        "are one slice thick; cubes of at most 64 px where three planes are averaged.",
        json_schema_extra={"unit": "px"},
    )
    ngff: Literal["0.5", "0.4"] = Field(
        "0.5", title="OME-Zarr version", description="Version of the format that is written."
    )

    @field_validator("chunk")
    @classmethod
    def _whole_chunks_of_embedding(cls, chunk: int) -> int:
        """Embeddings are stored in chunks of 256 at most: blocks must hold whole ones to be written apart."""
        if chunk > 256 and chunk % 256:
            raise ValueError(f"{chunk} is neither at most 256 nor a multiple of 256")
        return chunk


class PredictSettings(TileSettings):
    """How a volume is predicted: tiles, views, planes."""

    planes: Literal["auto", "xy", "ortho"] = Field(
        "auto",
        title="Planes",
        description="xy predicts each slice; ortho averages the predictions of the planes xy, xz and yz, for "
        "isotropic volumes, in several times the time; auto chooses by the voxel size, or where the file "
        "gives none by the images.",
    )
    memory: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        title="Memory for three planes",
        description="Upper limit for the class probabilities that are averaged over three planes, a process: "
        "more means larger blocks and less time for halos; none means 512 on a CPU, 4096 on a GPU.",
        json_schema_extra={"unit": "MiB"},
    )
