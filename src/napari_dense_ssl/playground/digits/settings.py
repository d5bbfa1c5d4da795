"""What can be chosen when digits are learned: budget, network, training, perturbations. No torch here.

The defaults were chosen on the last 10,000 of MNIST's 60,000 training images (``docs/digits.md``).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SHOWN_IMAGES = 600_000
"""How many images an encoder is shown unless epochs or minutes are given; ten times MNIST's."""
MOST_EPOCHS = 40
"""How often an image of a small data set is shown then."""


def _unit(name: str) -> dict[str, Any]:
    return {"unit": name}


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PerturbationSettings(_Settings):
    """How far images are perturbed at full strength; all limits and shares shrink with the strength."""

    rotation: float = Field(
        25,
        ge=0,
        le=180,
        title="Rotation",
        description="Largest turn, either way.",
        json_schema_extra=_unit("degrees"),
    )
    shear: float = Field(
        20,
        ge=0,
        le=60,
        title="Shear",
        description="Largest shear, either way.",
        json_schema_extra=_unit("degrees"),
    )
    shift: float = Field(
        0.12,
        ge=0,
        le=0.5,
        title="Shift",
        description="Largest shift along either axis.",
        json_schema_extra=_unit("share of the edge"),
    )
    stretch: float = Field(
        0.25,
        ge=0,
        lt=1,
        title="Stretch",
        description="Largest change of width, and of height; 0.25 is from 1/1.25 to 1.25.",
    )
    erosion: float = Field(
        0.15, ge=0, le=1, title="Erosion", description="Share of the images that are eroded, 3 × 3 px."
    )
    dilation: float = Field(
        0.15, ge=0, le=1, title="Dilation", description="Share of the images that are dilated, 3 × 3 px."
    )
    skeleton: float = Field(
        0.05, ge=0, le=1, title="Skeleton", description="Share of the images that are reduced to lines."
    )
    inversion: float = Field(
        0.05,
        ge=0,
        le=1,
        title="Inversion",
        description="Share of the images whose black and white are swapped.",
    )
    noise: float = Field(
        0.15,
        ge=0,
        le=1,
        title="Noise",
        description="Largest standard deviation of the noise.",
        json_schema_extra=_unit("grey range"),
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if self.erosion + self.dilation + self.skeleton > 1:
            raise ValueError(
                "erosion, dilation and skeleton are shares of the same images: at most 1 together"
            )
        return self

    @property
    def moves_only(self) -> PerturbationSettings:
        """The affine part alone."""
        none = dict.fromkeys(("erosion", "dilation", "skeleton", "inversion", "noise"), 0.0)
        return self.model_copy(update=none)


class DigitsSettings(_Settings):
    """How digits are learned: an encoder without labels, then a decoder that draws what the encoder kept."""

    epochs: int | None = Field(
        None,
        ge=1,
        title="Epochs",
        description="How often the encoder sees each image; by default as often as makes 600,000 images, 40 "
        "times at most.",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        title="Minutes",
        description="Length of both phases in place of epochs; figures then depend on the machine's speed.",
        json_schema_extra=_unit("min"),
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Same seed, same epochs and same machine: same figures.",
    )
    batch: int = Field(128, ge=8, le=4096, title="Batch", description="Images a step.")
    learning_rate: float = Field(
        2e-3, gt=0, le=1, title="Learning rate", description="At its height; it falls to 0 along a cosine."
    )
    weight_decay: float = Field(1e-4, ge=0, le=1, title="Weight decay", description="Of AdamW.")
    target_decay: float = Field(
        0.98,
        ge=0,
        lt=1,
        title="Target's decay",
        description="The target keeps this share of itself a step, more and more until it stands still.",
    )
    start_strength: float = Field(
        0.3, ge=0, le=1, title="First strength", description="Of the perturbations, 0 to 1; it rises to 1."
    )
    ramp: float = Field(
        0.3, gt=0, le=1, title="Ramp", description="Share of the budget after which the strength is 1."
    )
    target_strength: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Target's strength",
        description="Of the perturbations that the target sees, as a share of the encoder's; 0: the images "
        "as they are.",
    )
    redundancy_weight: float = Field(
        0.01,
        ge=0,
        le=10,
        title="Redundancy's weight",
        description="Of the term that keeps dimensions from repeating each other; 0 is BYOL as it is.",
    )
    width: int = Field(
        32,
        ge=4,
        le=256,
        title="Width",
        description="Channels of the first convolution; the last has 4 times as many.",
    )
    dimensions: int = Field(128, ge=2, le=1024, title="Dimensions", description="Of the embedding.")
    views: int = Field(
        1,
        ge=1,
        le=64,
        title="Views",
        description="Embeddings for k-NN are means over so many copies: the image, then moved copies.",
    )
    decoder_share: float = Field(
        0.25,
        gt=0,
        lt=1,
        title="Decoder's share",
        description="Steps (or minutes) of the decoder, as a share of the encoder's.",
    )
    perturbation: PerturbationSettings = Field(default_factory=PerturbationSettings, title="Perturbations")
    preview_seconds: float = Field(
        5.0,
        gt=0,
        title="Preview interval",
        description="Time between two looks; longer where a look takes long.",
        json_schema_extra=_unit("s"),
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", title="Device", description="Where to compute; auto takes CUDA, then MPS, then the CPU."
    )
    threads: int | None = Field(
        None, ge=1, title="Threads", description="Of the CPU; by default one a core that may be used."
    )

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.epochs is not None and self.minutes is not None:
            raise ValueError("give epochs or minutes, not both")
        return self

    def epochs_for(self, images: int) -> int:
        """Return how often each of so many images is seen, where no minutes are given."""
        if self.epochs is not None:
            return self.epochs
        return max(1, min(round(SHOWN_IMAGES / images), MOST_EPOCHS))
