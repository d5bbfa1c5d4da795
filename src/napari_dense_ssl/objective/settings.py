"""Settings of the objectives, a class each (no torch here: the docks draw their form from these)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


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
        0.3,
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
    pretrained: bool = Field(
        False,
        title="Pretrained features",
        description="Cluster what a network that knows natural images only (EfficientNet-Lite0, ImageNet) "
        "tells of a pixel too. Targets take longer to compute, prediction does not; of no use so far "
        "(docs/learning.md).",
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
    surroundings: float | None = Field(
        None,
        ge=0,
        le=64,
        title="Surroundings",
        description="Classes are told apart by what surrounds a pixel too: shares of classes, weighted by a "
        "Gaussian of this standard deviation, and features, by one of twice that; 0 leaves both out. "
        "Prediction takes no longer. If not given, 8 where each slice is told by itself, and 0 where "
        "several are looked at together: membranes of a few pixels would pay for it.",
        json_schema_extra={"unit": "px"},
    )
    surroundings_after: int = Field(
        600,
        ge=0,
        title="Surroundings after",
        description="Steps before which surroundings are left out: classes of a few hundred steps say little "
        "of what surrounds a pixel.",
        json_schema_extra={"unit": "steps"},
    )
    filter_votes: int | None = Field(
        None,
        ge=1,
        le=8,
        title="Votes of the filters",
        description="How often the filter bank's own distance counts beside that of all features when "
        "classes are told: more keep fine structures apart, fewer what they belong to. If not given, 1 where "
        "each slice is told by itself, and 3 where several are looked at together.",
    )
    pixel_votes: int = Field(
        0,
        ge=0,
        le=8,
        title="Votes of the pixel",
        description="How often the distance in a pixel's own features counts beside that in all, where what "
        "surrounds it is looked at too: votes may keep rare structures from going to what lies around.",
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
    discriminant_rounds: int = Field(
        3,
        ge=0,
        le=20,
        title="Discriminant rounds",
        description="How often the clusters are refined in the space of their own linear discriminants; "
        "0 for plain k-means.",
    )


class CrossSliceSettings(BaseModel):
    """Settings of the five experiments that the project grew from: one pretext, parts to switch on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["cross-slice"] = Field("cross-slice", title="Objective")
    target: Literal["detached", "ema"] = Field(
        "ema",
        title="Target",
        description="Who encodes the hidden slice: the network itself without gradient, or its average.",
    )
    train_context: bool = Field(
        True,
        title="Gradient to the context",
        description="Whether the prediction trains the encoder; off: only the other terms do.",
    )
    same_window: bool = Field(
        True,
        title="Same window",
        description="All five slices cut at one place, as the experiments did: the place is then known to "
        "both sides. Off: the hidden slice is cut elsewhere, by up to the sampler's view shift.",
    )
    border_trim: int = Field(
        16,
        ge=0,
        le=256,
        title="Border trim",
        description="Pixels at a crop's edge that no term looks at; the experiments had 32 of 256.",
        json_schema_extra={"unit": "px"},
    )
    predictor_width: int = Field(
        64,
        ge=4,
        le=1024,
        title="Predictor's width",
        description="Channels of the slice predictor; the experiments had 128.",
    )
    prediction_weight: float = Field(
        1.0, ge=0, le=1000, title="Prediction's weight", description="Weight of the mean square over K."
    )
    sigreg_weight: float = Field(
        0.0,
        ge=0,
        le=1000,
        title="SIGReg's weight",
        description="Weight of SIGReg on the spatial mean of the softmax, where it cannot be satisfied.",
    )
    diversity_weight: float = Field(
        1.0,
        ge=0,
        le=1000,
        title="Diversity's weight (alpha)",
        description="Weight of the shortfall of the mean's entropy.",
    )
    sharpness_weight: float = Field(
        0.1,
        ge=0,
        le=1000,
        title="Sharpness's weight (beta)",
        description="Weight of the mean entropy of a pixel.",
    )
    wanted_entropy: float = Field(
        2.0794,
        ge=0,
        le=5.54,
        title="Wanted entropy (H*)",
        description="Least entropy of the mean; log 8 = 2.08 asks for eight classes.",
        json_schema_extra={"unit": "nats"},
    )
    marginal: Literal["image", "batch"] = Field(
        "image",
        title="Mean over",
        description="Whether each image must use all classes, as in the experiments, or the whole batch.",
    )
    cross_sample_weight: float = Field(
        0.0,
        ge=0,
        le=1000,
        title="Cross-sample weight (gamma)",
        description="Weight of the variance across samples, which is made large.",
    )
    equivariance_weight: float = Field(
        0.0,
        ge=0,
        le=1000,
        title="Equivariance's weight (delta)",
        description="Weight of the mean square between turned encodings and encodings of turned images.",
    )
    equivariance_shift: bool = Field(
        False,
        title="Equivariance to shifts",
        description="Whether the turned view is shifted too, by up to the sampler's view shift; the "
        "experiments did not, which lets a grid pass.",
    )


class PairSettings(BaseModel):
    """What objectives that compare two views of the same tissue have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pixels: int = Field(
        256,
        ge=16,
        le=65_536,
        title="Pixels a crop",
        description="How many pixels of each crop are compared in a step.",
    )


class EmbeddingSettings(BaseModel):
    """What objectives have in common that give an embedding, which k-means turns into classes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codebook_pixels: int = Field(
        40_000,
        ge=1_000,
        le=10_000_000,
        title="Pixels for the classes",
        description="How many pixels the K classes are fitted to, drawn from crops all over the region.",
    )
    confidence: float = Field(
        0.7,
        gt=0.02,
        lt=0.999,
        title="Confidence",
        description="Mean probability of the likeliest class: sets the temperature of the softmax.",
    )


class DenseIICSettings(PairSettings):
    """Settings of invariant information clustering."""

    kind: Literal["dense-iic"] = Field("dense-iic", title="Objective")
    balance: float = Field(
        1.0,
        ge=1,
        le=10,
        title="Balance (lambda)",
        description="More than 1 weighs the entropy of the classes above their agreement.",
    )


class DenseSwAVSettings(PairSettings):
    """Settings of swapped prediction of balanced assignments."""

    kind: Literal["dense-swav"] = Field("dense-swav", title="Objective")
    temperature: float = Field(
        0.1, gt=0, le=10, title="Temperature", description="Of the softmax over cosines."
    )
    sharpness: float = Field(
        0.05,
        ge=0.001,
        le=10,
        title="Sharpness (epsilon)",
        description="Of the balanced assignment; smaller is surer.",
    )
    iterations: int = Field(
        3, ge=1, le=100, title="Sinkhorn iterations", description="How often the assignment is balanced."
    )


class DenseContrastiveSettings(PairSettings, EmbeddingSettings):
    """Settings of dense InfoNCE."""

    kind: Literal["dense-contrastive"] = Field("dense-contrastive", title="Objective")
    temperature: float = Field(0.2, gt=0, le=10, title="Temperature", description="Of the cosines.")
    others: int = Field(
        256,
        ge=0,
        le=65_536,
        title="Further negatives",
        description="Keys from anywhere in other crops, besides those at the same place.",
    )
    projection: int = Field(
        32, ge=2, le=1024, title="Projection", description="Dimensions of the space that is compared."
    )


class DenseJEPASettings(PairSettings, EmbeddingSettings):
    """Settings of prediction in the averaged network's feature space."""

    kind: Literal["dense-jepa"] = Field("dense-jepa", title="Objective")
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
    predictor_width: int = Field(
        128, ge=4, le=4096, title="Predictor's width", description="Hidden channels of the predictor."
    )


class DenseLeJEPASettings(PairSettings, EmbeddingSettings):
    """Settings of two agreeing views under SIGReg."""

    kind: Literal["dense-lejepa"] = Field("dense-lejepa", title="Objective")
    regularisation: float = Field(
        0.02,
        ge=0,
        le=1,
        title="SIGReg's share (lambda)",
        description="Weight of SIGReg; the views' disagreement weighs the rest. The statistic grows with "
        "the number of pixels compared.",
    )
    directions: int = Field(256, ge=1, le=16_384, title="Directions", description="Random directions a step.")
    projection: int = Field(
        16, ge=2, le=1024, title="Projection", description="Dimensions of the space that is regularised."
    )


class DenseDSMSettings(EmbeddingSettings):
    """Settings of denoising score matching."""

    kind: Literal["dense-dsm"] = Field("dense-dsm", title="Objective")
    lowest_noise: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Lowest noise",
        description="Least standard deviation of the noise, in units of the volume's own.",
    )
    highest_noise: float = Field(
        1.0,
        gt=0,
        le=10,
        title="Highest noise",
        description="Largest standard deviation of the noise, in units of the volume's own.",
    )


_DEFAULT = "masked-clusters"


def _with_kind(value: Any) -> Any:
    """Take settings that name no kind for the default's."""
    return {"kind": _DEFAULT} | value if isinstance(value, dict) else value


ObjectiveSettings = Annotated[
    MaskedClustersSettings
    | CrossSliceSettings
    | DenseIICSettings
    | DenseSwAVSettings
    | DenseContrastiveSettings
    | DenseJEPASettings
    | DenseLeJEPASettings
    | DenseDSMSettings,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
"""Settings of any objective, told apart by their ``kind``."""
