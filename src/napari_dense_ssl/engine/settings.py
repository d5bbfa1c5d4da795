"""Settings of a training run, complete and re-runnable (no torch here)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_dense_ssl.core.errors import SettingsError
from napari_dense_ssl.model.settings import EncoderSettings
from napari_dense_ssl.objective.settings import (
    CrossSliceSettings,
    DenseDSMSettings,
    MaskedClustersSettings,
    ObjectiveSettings,
)
from napari_dense_ssl.sampling.settings import SamplerSettings

FREE_ON_RESUME = frozenset(
    {
        *("minutes", "steps", "device", "precision", "devices", "nodes", "threads", "readers"),
        *("preview_seconds", "checkpoint_seconds", "audit_seconds"),
    }
)
"""Settings that may differ where a run is gone on with: the budget, where it computes, what is shown."""


class OptimiserSettings(BaseModel):
    """AdamW with warm-up and a cosine in each generation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float = Field(
        3e-3, gt=0, le=1, title="Learning rate", description="The highest, reached after the warm-up."
    )
    weight_decay: float = Field(0.02, ge=0, le=1, title="Weight decay", description="Decoupled, as in AdamW.")
    warmup_share: float = Field(
        0.05, ge=0, lt=1, title="Warm-up", description="Share of a generation over which the rate rises."
    )
    average_decay: float = Field(
        0.99,
        ge=0,
        lt=1,
        title="Averaging",
        description="Decay a step of the averaged (EMA) weights, which predictions and targets use.",
    )
    gradient_norm: float = Field(
        1.0, gt=0, title="Gradient norm", description="Gradients longer than this are shortened to it."
    )


_INSIDE = 16
"""Pixels across that a border trim has to leave of a crop."""


class TrainSettings(BaseModel):
    """Everything that decides the outcome of a training run, and its budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str = Field(
        "masked-clusters", title="Recipe", description="The recipe that the settings started from."
    )
    classes: int = Field(
        50, ge=2, le=254, title="Classes", description="K, the number of classes a pixel can have."
    )
    context: Literal[0, 2] = Field(
        0,
        title="Context slices",
        description="0: each slice alone. 2: some slices are hidden and predicted from 2 + 2 neighbours.",
    )
    planes: Literal["auto", "xy", "ortho"] = Field(
        "auto",
        title="Planes",
        description="xy learns from the slices of the volume, ortho from its planes xy, xz and yz alike; "
        "auto takes ortho for isotropic volumes, by their voxel size, or by the images where the file gives "
        "none.",
    )
    minutes: float | None = Field(
        15.0,
        gt=0,
        title="Minutes",
        description="Budget of training time; pauses do not count.",
        json_schema_extra={"unit": "min"},
    )
    steps: int | None = Field(
        None, ge=1, title="Steps", description="Budget in steps; the first budget that is used up ends it."
    )
    roi: str | None = Field(
        None,
        title="Region",
        description="Box to train on, z0:z1,y0:y1,x0:x1 in voxels; empty for the whole volume.",
        json_schema_extra={"unit": "voxels"},
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", title="Device", description="auto takes the fastest there is."
    )
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        "auto", title="Precision", description="auto takes bf16 where the device has it in hardware."
    )
    devices: int = Field(
        1, ge=1, le=1024, title="Devices", description="Devices on this machine that train together."
    )
    nodes: int = Field(
        1,
        ge=1,
        le=1024,
        title="Nodes",
        description="Machines that train together, started by torchrun or srun.",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, title="Seed", description="The same seed draws the same crops and weights."
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        title="Threads",
        description="CPU threads for the arithmetic; empty takes one a core.",
    )
    readers: int | None = Field(
        None,
        ge=1,
        le=64,
        title="Reading threads",
        description="Blocks of the volume that are read at a time; empty takes 2, or 8 of a URL. The crops "
        "stay the same.",
    )
    preview_seconds: float = Field(
        4.0,
        ge=0.2,
        title="Preview every",
        description="Shortest time between live maps; they never take more than 5 % of the time.",
        json_schema_extra={"unit": "s"},
    )
    checkpoint_seconds: float = Field(
        120.0,
        ge=0,
        title="Save every",
        description="Time between checkpoints; 0 saves after each step.",
        json_schema_extra={"unit": "s"},
    )
    audit_seconds: float = Field(
        60.0,
        ge=0,
        title="Audit every",
        description="Time between looks at whether the classes follow the image or the place; 0 for never. "
        "They take at most 4 % of the time.",
        json_schema_extra={"unit": "s"},
    )
    encoder: EncoderSettings = Field(
        default_factory=lambda: EncoderSettings(), title="Encoder", description="The network."
    )
    sampler: SamplerSettings = Field(
        default_factory=lambda: SamplerSettings(), title="Sampler", description="The crops."
    )
    objective: ObjectiveSettings = Field(
        default_factory=lambda: MaskedClustersSettings(), title="Objective", description="The loss."
    )
    optimiser: OptimiserSettings = Field(
        default_factory=lambda: OptimiserSettings(), title="Optimiser", description="The steps."
    )

    @model_validator(mode="after")
    def _some_budget(self) -> Self:
        if self.minutes is None and self.steps is None:
            raise ValueError("no budget: give minutes, steps, or both")
        if self.context and self.encoder.slices not in (None, 1):
            raise ValueError(
                f"the encoder sees {self.encoder.slices} slices at once, but context {self.context} hides a "
                "slice and shows its neighbours; set encoder.slices to 1 or context to 0"
            )
        if self.sampler.crop % 2**self.encoder.stages:
            raise ValueError(
                f"the crop of {self.sampler.crop} px is not a multiple of the encoder's total stride of "
                f"{2**self.encoder.stages} px"
            )
        return self

    def resolved(
        self,
        slice_step: float,
        depth: int,
        *,
        isotropic: bool = False,
        thickness: int | None = None,
        breadth: int | None = None,
    ) -> Self:
        """Return settings in which what hangs on the volume is decided: slices, planes, and crops that fit.

        Parameters
        ----------
        slice_step : float
            Distance between slices, in pixels of their plane.
        depth : int
            How many slices there are to learn from.
        isotropic : bool
            Whether all planes of the volume look alike.
        thickness : int, optional
            Shortest edge of the region, px: all planes need room for a crop.
        breadth : int, optional
            Shortest edge of its slices, px. Smaller crops are taken where those that are wanted do not fit.
        """
        alone = self.context or not isinstance(self.objective, MaskedClustersSettings)
        encoder = self.encoder.resolved(float("inf") if alone else slice_step, depth)
        sampler = self._sampler_within(self.sampler.window if breadth is None else breadth)
        wanted = self.planes == "ortho" or (self.planes == "auto" and isotropic)
        planes = "ortho" if wanted and (thickness or 0) >= sampler.window else "xy"
        return self.model_copy(update={"encoder": encoder, "planes": planes, "sampler": sampler})

    def _sampler_within(self, breadth: int) -> SamplerSettings:
        sampler = self.sampler.within(breadth, 2**self.encoder.stages)
        trim = self.objective.border_trim if isinstance(self.objective, CrossSliceSettings) else 0
        return sampler if sampler.crop >= 2 * trim + _INSIDE else self.sampler

    @model_validator(mode="after")
    def _objective_fits(self) -> Self:
        objective, crop = self.objective, self.sampler.crop
        if isinstance(objective, CrossSliceSettings):
            if self.context == 0:
                raise ValueError("the objective cross-slice needs neighbouring slices: set context 2")
            if 2 * objective.border_trim + _INSIDE > crop:
                raise ValueError(
                    f"a border trim of {objective.border_trim} px leaves less than {_INSIDE} px of a crop of "
                    f"{crop} px"
                )
            displaced = objective.equivariance_shift or not objective.same_window
            if displaced and self.sampler.view_shift == 0:
                raise ValueError("a displaced view needs room to move: set the sampler's view_shift above 0")
        if not isinstance(objective, MaskedClustersSettings) and self.encoder.slices not in (None, 1):
            raise ValueError(
                f"the objective {objective.kind} looks at each slice alone: set encoder.slices 1"
            )
        if self.context and not isinstance(objective, MaskedClustersSettings | CrossSliceSettings):
            raise ValueError(f"the objective {objective.kind} looks at each slice alone: set context 0")
        if isinstance(objective, DenseDSMSettings) and objective.lowest_noise > objective.highest_noise:
            raise ValueError(
                f"the lowest noise, {objective.lowest_noise}, is above the highest, {objective.highest_noise}"
            )
        return self

    def to_yaml(self) -> dict[str, Any]:
        """Return plain values for ``settings.yaml``."""
        return self.model_dump(mode="json")


def read_settings(path: Path) -> dict[str, Any]:
    """Read the table of a YAML file of settings.

    Raises
    ------
    SettingsError
        If there is no such file, or it holds no table.
    """
    try:
        table = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise SettingsError(
            f"The settings file {path} holds a {type(table).__name__}; expected a table such as the "
            "settings.yaml of a run folder."
        )
    return table
