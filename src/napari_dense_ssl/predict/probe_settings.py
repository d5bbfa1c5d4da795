"""Settings of the probe (no torch here: forms and flags are drawn from these)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_dense_ssl.predict.settings import Offset, TileSettings

_ALL = ("embedding", "filters", "pretrained")


class ProbeSettings(TileSettings):
    """How scribbles become a segmentation; the defaults are those measured best in ``docs/probe.md``."""

    features: Literal[
        "all",
        "embedding+filters",
        "filters+pretrained",
        "embedding",
        "filters",
        "pretrained",
    ] = Field(
        "all",
        title="Features",
        description="What a pixel is told by: the run's embedding, the filter bank (Gaussian, gradient "
        "magnitude, Hessian eigenvalues at 1, 2, 4 and 8 px), a network that knows natural images only "
        "(pretrained: EfficientNet-Lite0, ImageNet), or several of these.",
    )
    classifier: Literal["linear", "discriminants", "mlp"] = Field(
        "mlp",
        title="Classifier",
        description="linear is logistic regression; discriminants are linear too, fitted in closed form at "
        "once; mlp has one hidden layer, averaged over several starts. Pretrained features beside others "
        "have discriminants of their own, which count as far as held-out scribbles bear them out.",
    )
    decay: float = Field(
        1.0,
        ge=0.0,
        le=1e4,
        title="Weight decay",
        description="L2 penalty of the classifier; more makes it smoother, less follows each scribble.",
    )
    hidden: int = Field(64, ge=1, le=1024, title="Hidden units", description="Of the mlp.")
    members: int = Field(
        5, ge=1, le=50, title="Members", description="Starts of the mlp that are averaged; one is quicker."
    )
    prior: Literal["balanced", "between", "volume"] = Field(
        "between",
        title="Class areas",
        description="How common each class is taken to be: balanced means all alike, however many pixels "
        "were scribbled; volume as estimated from unlabelled pixels; between the geometric mean of the two.",
    )
    refine_steps: int = Field(
        0,
        ge=0,
        le=100_000,
        title="Refine",
        description="Steps in which the encoder itself is trained on the scribbles, and on what it is sure "
        "of elsewhere, before the volume is segmented; 0 leaves it as the run has it. A step takes two "
        "seconds of a processor core, four with pretrained features.",
        json_schema_extra={"unit": "steps"},
    )
    refine_rate: float = Field(
        5e-4, gt=0, le=0.1, title="Refining rate", description="Learning rate of these steps."
    )
    refine_check: bool = Field(
        True,
        title="Check refining",
        description="Refine on one half of the scribbles first, in half the steps, and go on only where it "
        "names the other half better. Takes half as long again.",
    )
    most_pixels: int = Field(
        2000,
        ge=10,
        le=1_000_000,
        title="Pixels a class",
        description="Where more were scribbled, so many are drawn of each class.",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, title="Seed", description="Of the pixels drawn and the classifier's starts."
    )
    symmetries: Literal[1, 2, 4, 8] = Field(
        1,
        title="Symmetries",
        description="Turns and flips that probabilities are averaged over: 8 all, 4 the quarter turns, "
        "2 the half turn, 1 none. Time grows with it.",
    )
    shifts: tuple[tuple[Offset, Offset], ...] = Field(
        (),
        title="Shifts",
        description="Displacements along Y and X that probabilities are averaged over as well.",
        json_schema_extra={"unit": "px"},
    )

    @property
    def told(self) -> frozenset[str]:
        """What a pixel is told by: of ``embedding``, ``filters`` and ``pretrained``."""
        return frozenset(_ALL if self.features == "all" else self.features.split("+"))
